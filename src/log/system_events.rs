//! The events that an engine writes by itself: metadata and tombstones.

use bytes::Bytes;
use uuid::Uuid;

use super::{AppendError, Expected, NewEvent, StreamMetadata, rules};
use crate::kernel::{Revision, StreamName, derived_id};

/// What is written of a metastream cannot be hidden: its last event is all that is seen of it.
pub(super) fn check_no_metastream(stream: &StreamName) -> Result<(), AppendError> {
    if rules::owner_of(stream).is_none() {
        return Ok(());
    }
    Err(AppendError::Invalid {
        index: 0,
        problem: format!("{stream} is a metastream, which cannot be hidden"),
    })
}

/// What [`EventLog::set_metadata`](super::EventLog::set_metadata) appends. Its id follows from the revision it
/// is meant for, so that a retry is one and writing old metadata again is not.
pub(super) fn metadata_event(
    stream: &StreamName,
    expected: Expected,
    last: Option<Revision>,
    metadata: &StreamMetadata,
) -> NewEvent {
    let revision = match expected {
        Expected::NoStream => 0,
        Expected::Exact(at) => at.saturating_add(1),
        Expected::Any | Expected::StreamExists => last.map_or(0, |last| last + 1),
    };
    system_metadata_event(stream, "set", revision, rules::metadata_bytes(metadata))
}

/// A metadata event with an id that follows from what it is for.
pub(super) fn system_metadata_event(
    stream: &StreamName,
    why: &str,
    revision: Revision,
    data: Vec<u8>,
) -> NewEvent {
    let parts = [
        b"metadata".as_slice(),
        why.as_bytes(),
        stream.as_str().as_bytes(),
        &revision.to_be_bytes(),
        &data,
    ];
    system_event(derived_id(&parts), rules::METADATA_TYPE, data)
}

/// The event that ends a stream.
pub(super) fn tombstone_event(stream: &StreamName) -> NewEvent {
    let id = derived_id(&[b"tombstone", stream.as_str().as_bytes()]);
    NewEvent {
        is_json: false,
        ..system_event(id, rules::TOMBSTONE_TYPE, Vec::new())
    }
}

fn system_event(id: Uuid, event_type: &str, data: Vec<u8>) -> NewEvent {
    NewEvent {
        id,
        event_type: event_type.into(),
        is_json: true,
        data: Bytes::from(data),
        metadata: Bytes::new(),
    }
}
