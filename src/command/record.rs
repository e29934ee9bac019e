//! The events that an order decided on: for the log, for the aggregate and for the caller.

use bytes::Bytes;
use uuid::Uuid;

use super::error::CommandError;
use super::hydrated::Hydrated;
use super::order::{Committed, Order, Written};
use crate::kernel::{
    DomainEvent as _, EventMetadata, Position, Stored, StreamName, WireError, derived_id,
};
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
            id: event_id(stream, index, &data, &metadata),
            event_type: event.event_type().into(),
            is_json: true,
            data: Bytes::from(data),
            metadata: Bytes::from(metadata),
        });
    }
    Ok(new)
}

/// The id of the `index`th event that a request writes to a stream. It follows from all that is written, the request's id
/// included: an append that is sent again has the same ids, and one that says anything else, by another server's clock or
/// under a request id used twice, has others. A log that knows repeats by their ids alone then takes no event for another.
fn event_id(stream: &StreamName, index: usize, data: &[u8], metadata: &[u8]) -> Uuid {
    derived_id(&[
        b"event",
        stream.as_str().as_bytes(),
        &(index as u64).to_be_bytes(),
        data,
        metadata,
    ])
}

/// The ids of events that are about to be appended.
pub(super) fn ids(new: &[NewEvent]) -> Vec<Uuid> {
    new.iter().map(|event| event.id).collect()
}

fn written<A: Stored>(aggregate: &Hydrated<A>, events: &[A::Event], ids: &[Uuid]) -> Vec<Written> {
    let first = aggregate.next();
    (first..)
        .zip(events.iter().zip(ids))
        .map(|(revision, (event, id))| Written {
            id: *id,
            event_type: event.event_type(),
            revision,
        })
        .collect()
}

/// What would be answered if they were appended.
pub(super) fn foreseen<A: Stored>(
    stream: &StreamName,
    aggregate: &Hydrated<A>,
    events: &[A::Event],
    ids: &[Uuid],
) -> Committed {
    let events = written(aggregate, events, ids);
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
    (events, ids): (&[A::Event], &[Uuid]),
    position: Position,
) -> Committed {
    let written = written(aggregate, events, ids);
    let (request, digest) = (order.context.request_id, order.digest);
    for (event, at) in events.iter().zip(&written) {
        aggregate.take(event, (request, digest), at.id, at.revision, position);
    }
    Committed {
        stream: stream.clone(),
        revision: aggregate.revision,
        events: written,
        position,
        repeated: false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_events_id_follows_from_its_place_and_from_all_that_is_written() {
        let [one, other] = [1, 2].map(|id| StreamName::of("purse", Uuid::from_u128(id)));
        let ids = [
            event_id(&one, 0, b"data", b"metadata"),
            event_id(&other, 0, b"data", b"metadata"),
            event_id(&one, 1, b"data", b"metadata"),
            event_id(&one, 0, b"else", b"metadata"),
            event_id(&one, 0, b"data", b"else"),
        ];
        assert_eq!(HashSet::from(ids).len(), ids.len());
        assert_eq!(ids[0], event_id(&one, 0, b"data", b"metadata"));
    }
}
