//! The events that an order decided on: for the log, for the aggregate and for the caller.

use bytes::Bytes;

use super::error::CommandError;
use super::hydrated::{Hydrated, event_id};
use super::order::{Committed, Order, Written};
use crate::kernel::{DomainEvent as _, EventMetadata, Position, Stored, StreamName, WireError};
use crate::log::NewEvent;

/// As the log takes them: data, and metadata that says who, when, why and on which request.
pub(super) fn encode<A: Stored>(
    stream: &StreamName,
    order: &Order<A::Command>,
    events: &[A::Event],
) -> Result<Vec<NewEvent>, CommandError> {
    let context = &order.context;
    let mut metadata = EventMetadata {
        actor: context.actor.id,
        role: context.actor.role,
        request_id: context.request_id,
        request_digest: order.digest.to_hex(),
        correlation_id: context.correlation_id,
        causation_id: context.causation_id,
        reason: context.reason.clone(),
        occurred_at: context.occurred_at,
        imported: context.imported,
        schema_version: 0,
    };
    let mut new = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        let (schema_version, data) = A::encode(event)?;
        metadata.schema_version = schema_version;
        let metadata = serde_json::to_vec(&metadata).map_err(|error| WireError::Malformed {
            event_type: event.event_type().to_owned(),
            problem: format!("metadata: {error}"),
        })?;
        new.push(NewEvent {
            id: event_id(context.request_id, stream, index),
            event_type: event.event_type().into(),
            is_json: true,
            data: Bytes::from(data),
            metadata: Bytes::from(metadata),
        });
    }
    Ok(new)
}

fn written<A: Stored>(
    stream: &StreamName,
    aggregate: &Hydrated<A>,
    order: &Order<A::Command>,
    events: &[A::Event],
) -> Vec<Written> {
    let first = aggregate.next();
    (first..)
        .zip(events.iter().enumerate())
        .map(|(revision, (index, event))| Written {
            id: event_id(order.context.request_id, stream, index),
            event_type: event.event_type(),
            revision,
        })
        .collect()
}

/// What would be answered if they were appended.
pub(super) fn foreseen<A: Stored>(
    stream: &StreamName,
    aggregate: &Hydrated<A>,
    order: &Order<A::Command>,
    events: &[A::Event],
) -> Committed {
    let events = written(stream, aggregate, order, events);
    Committed {
        stream: stream.clone(),
        revision: events.last().map(|event| event.revision),
        events,
        position: aggregate.position,
        repeated: false,
    }
}

/// Brings the aggregate up to its own events, which are in the log now.
pub(super) fn take_in<A: Stored>(
    stream: &StreamName,
    aggregate: &mut Hydrated<A>,
    order: &Order<A::Command>,
    events: &[A::Event],
    position: Position,
) -> Committed {
    let written = written(stream, aggregate, order, events);
    for (event, at) in events.iter().zip(&written) {
        aggregate.take(
            event,
            order.context.request_id,
            order.digest,
            at.revision,
            position,
        );
    }
    Committed {
        stream: stream.clone(),
        revision: aggregate.revision,
        events: written,
        position,
        repeated: false,
    }
}
