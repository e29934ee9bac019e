//! What an aggregate's state says of an order. No I/O.

use super::error::CommandError;
use super::hydrated::Hydrated;
use super::order::{Committed, Order, Ownership};
use crate::kernel::{Stored, StreamName};

/// What a look at the state says of an order.
pub(super) enum Verdict<E> {
    /// The stream holds the answer already.
    Answered(Committed),
    /// These events follow.
    Append(Vec<E>),
    /// No, as far as this state is known.
    No(CommandError),
}

/// Ownership, then idempotency, then the pinned revision, then the decision: the order in which a caller learns least.
pub(super) fn consider<A: Stored>(
    stream: &StreamName,
    aggregate: &Hydrated<A>,
    order: &Order<A::Command>,
) -> Verdict<A::Event> {
    let context = &order.context;
    if order.ownership == Ownership::Own {
        let owners = if aggregate.revision.is_none() {
            A::claims(&order.command)
        } else {
            aggregate.state.owners()
        };
        if !owners.includes(context.actor.role, context.actor.id) {
            return Verdict::No(CommandError::NotOwner(stream.clone()));
        }
    }
    match aggregate.answered(stream, context.request_id, order.digest) {
        Some(Ok(committed)) => return Verdict::Answered(committed),
        Some(Err(())) => return Verdict::No(CommandError::RequestIdReused(context.request_id)),
        None => {}
    }
    if let Some(expected) = order.expected
        && aggregate.revision != Some(expected)
    {
        let (stream, current) = (stream.clone(), aggregate.revision);
        return Verdict::No(CommandError::Conflict {
            stream,
            expected,
            current,
            between: Vec::new(),
        });
    }
    match aggregate.state.decide(&order.command, context) {
        Ok(events) => Verdict::Append(events),
        Err(refusal) => Verdict::No(CommandError::Refused(Box::new(refusal))),
    }
}
