//! Between the protocol's words and the log's: ids, names, expectations, positions, events.

use std::collections::HashMap;

use bytes::Bytes;
use tonic::Status;
use uuid::Uuid;

use super::errors::malformed;
use crate::kernel::{Position, Revision, StreamName};
use crate::log::{Expected, NewEvent, RecordedEvent, rules};
use crate::proto::event_store::client as shared;

/// The largest revision and position: clients use signed integers.
pub(super) const MAX_NUMBER: u64 = i64::MAX.unsigned_abs();

/// As a revision in a request: there is none. As a position: the end.
pub(super) const NONE_OR_END: u64 = u64::MAX;

/// The content type that marks JSON; any other is bytes.
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// 100 ns ticks in a microsecond.
pub(super) const TICKS_PER_MICRO: i64 = 10;

/// Distance of neighbouring events' positions on the wire. Clients know positions as byte addresses: they add and
/// take away one, and expect that nothing lies there.
const STEP: u64 = 256;

/// A position as clients see it: commit and prepare alike.
pub(super) fn write_position(position: Position) -> u64 {
    position.0.saturating_mul(STEP)
}

/// The positions between two events: neither next to the one nor to the other, where clients expect nothing.
const BETWEEN: std::ops::Range<u64> = 128..192;

/// A position after the event at `position` and before the next one: where nothing was written, `nth` of its kind.
pub(super) fn write_between(position: Position, nth: u64) -> u64 {
    let offset = BETWEEN.start.saturating_add(nth).min(BETWEEN.end - 1);
    write_position(position).saturating_add(offset)
}

/// The event after which such a position lies.
pub(super) fn between(wire: u64) -> Option<Position> {
    BETWEEN
        .contains(&(wire % STEP))
        .then_some(Position(wire / STEP))
}

/// The position of the event that begins exactly there, if one can.
pub(super) fn boundary(wire: u64) -> Option<Position> {
    wire.is_multiple_of(STEP).then_some(Position(wire / STEP))
}

/// The position of the first event that begins there or later.
pub(super) fn first_at(wire: u64) -> Position {
    Position(wire.div_ceil(STEP))
}

/// How ids are written in replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UuidForm {
    /// Two signed halves.
    Structured,
    /// Text.
    Text,
}

impl UuidForm {
    /// The id in this form.
    pub(super) fn write(self, id: Uuid) -> shared::Uuid {
        let value = match self {
            Self::Text => shared::uuid::Value::String(id.to_string()),
            Self::Structured => {
                let (high, low) = id.as_u64_pair();
                shared::uuid::Value::Structured(shared::uuid::Structured {
                    most_significant_bits: high.cast_signed(),
                    least_significant_bits: low.cast_signed(),
                })
            }
        };
        shared::Uuid { value: Some(value) }
    }
}

/// An id in either form; text in any usual spelling.
pub(super) fn read_uuid(id: Option<&shared::Uuid>) -> Result<Uuid, Status> {
    match id.and_then(|id| id.value.as_ref()) {
        None => Err(malformed("an id is missing")),
        Some(shared::uuid::Value::Structured(halves)) => Ok(Uuid::from_u64_pair(
            halves.most_significant_bits.cast_unsigned(),
            halves.least_significant_bits.cast_unsigned(),
        )),
        Some(shared::uuid::Value::String(text)) => Uuid::try_parse(text.trim())
            .map_err(|error| malformed(format!("'{text}' is no UUID: {error}"))),
    }
}

/// A stream's name; bytes that are no UTF-8 are replaced, as the official server does.
pub(super) fn read_stream_name(
    id: Option<&shared::StreamIdentifier>,
) -> Result<StreamName, Status> {
    let id = id.ok_or_else(|| malformed("the stream identifier is missing"))?;
    StreamName::new(String::from_utf8_lossy(&id.stream_name))
        .map_err(|error| malformed(error.to_string()))
}

/// The name as the protocol carries it.
pub(super) fn write_stream_name(stream: &StreamName) -> shared::StreamIdentifier {
    shared::StreamIdentifier {
        stream_name: Bytes::copy_from_slice(stream.as_str().as_bytes()),
    }
}

/// What a request expects, as it was said: replies echo it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expectation {
    Revision(u64),
    NoStream,
    Any,
    StreamExists,
}

impl Expectation {
    /// In the log's words. The largest number of all means that there is no stream.
    pub(super) fn expected(self) -> Result<Expected, Status> {
        match self {
            Self::Revision(NONE_OR_END) | Self::NoStream => Ok(Expected::NoStream),
            Self::Revision(revision) if revision > MAX_NUMBER => Err(malformed(format!(
                "expected revision {revision} is larger than {MAX_NUMBER}"
            ))),
            Self::Revision(revision) => Ok(Expected::Exact(revision)),
            Self::Any => Ok(Expected::Any),
            Self::StreamExists => Ok(Expected::StreamExists),
        }
    }

    /// The number that error texts show.
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Revision(NONE_OR_END) | Self::NoStream => -1,
            Self::Revision(revision) => i64::try_from(revision).unwrap_or(i64::MAX),
            Self::Any => -2,
            Self::StreamExists => -4,
        }
    }
}

/// An event as an append proposes it. Appends and batches declare the same message twice.
pub(super) struct Proposed {
    pub(super) id: Option<shared::Uuid>,
    pub(super) metadata: HashMap<String, String>,
    pub(super) custom_metadata: Bytes,
    pub(super) data: Bytes,
}

/// Why a proposed event is none.
pub(super) enum NoEvent {
    /// A required entry of its metadata is missing.
    Missing(&'static str),
    /// Its id or type is none.
    Malformed(Status),
}

impl Proposed {
    /// The event to append.
    pub(super) fn into_event(mut self) -> Result<NewEvent, NoEvent> {
        let event_type = self.take("type")?;
        let content_type = self.take("content-type")?;
        let id = read_uuid(self.id.as_ref()).map_err(NoEvent::Malformed)?;
        if id.is_nil() {
            return Err(NoEvent::Malformed(malformed("an event's id is nil")));
        }
        if event_type.is_empty() {
            return Err(NoEvent::Malformed(malformed("an event's type is empty")));
        }
        Ok(NewEvent {
            id,
            event_type: event_type.into(),
            is_json: content_type == JSON,
            data: self.data,
            metadata: self.custom_metadata,
        })
    }

    fn take(&mut self, key: &'static str) -> Result<String, NoEvent> {
        self.metadata.remove(key).ok_or(NoEvent::Missing(key))
    }
}

/// What the event adds to its append's size.
pub(super) fn size_of(event: &NewEvent) -> usize {
    rules::event_bytes(event)
}

/// What an event's data is, in the protocol's words.
pub(super) fn content_type(event: &RecordedEvent) -> &'static str {
    if event.is_json { JSON } else { BYTES }
}

/// The system metadata of a recorded event.
pub(super) fn system_metadata(event: &RecordedEvent) -> HashMap<String, String> {
    let ticks = event
        .recorded_at
        .unix_micros()
        .saturating_mul(TICKS_PER_MICRO);
    HashMap::from([
        ("type".to_owned(), event.event_type.to_string()),
        ("content-type".to_owned(), content_type(event).to_owned()),
        ("created".to_owned(), ticks.to_string()),
    ])
}

/// A revision of a request that is not the end: [`None`] means the end.
pub(super) fn read_revision(revision: u64) -> Result<Option<Revision>, Status> {
    match revision {
        NONE_OR_END => Ok(None),
        revision if revision > MAX_NUMBER => Err(malformed(format!(
            "revision {revision} is larger than {MAX_NUMBER}"
        ))),
        revision => Ok(Some(revision)),
    }
}

/// A position of a request, on the wire's scale; [`None`] means the end.
pub(super) fn read_position(commit: u64, prepare: u64) -> Result<Option<u64>, Status> {
    if (commit, prepare) == (NONE_OR_END, NONE_OR_END) {
        return Ok(None);
    }
    if commit > MAX_NUMBER || prepare > commit {
        return Err(malformed(format!(
            "position {commit}/{prepare}: commit must not be below prepare, and at most {MAX_NUMBER}"
        )));
    }
    Ok(Some(commit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_both_ways_in_both_forms() {
        let id = Uuid::from_u128(0xf000_0000_0000_4000_8000_0000_0000_0001);
        for form in [UuidForm::Structured, UuidForm::Text] {
            assert_eq!(read_uuid(Some(&form.write(id))).unwrap(), id);
        }
    }

    #[test]
    fn ids_are_read_in_every_usual_spelling() {
        let id = Uuid::from_u128(0xabc);
        for text in [
            id.to_string().to_uppercase(),
            id.simple().to_string(),
            id.braced().to_string(),
            format!(" {id}"),
        ] {
            let sent = shared::Uuid {
                value: Some(shared::uuid::Value::String(text)),
            };
            assert_eq!(read_uuid(Some(&sent)).unwrap(), id);
        }
    }

    #[test]
    fn positions_between_events_are_in_order_and_no_events() {
        let (one, two) = (Position(1), Position(2));
        let mut before = write_position(one);
        for nth in 0..BETWEEN.end - BETWEEN.start {
            let at = write_between(one, nth);
            assert!(before < at && at < write_position(two), "{nth}");
            assert_eq!((boundary(at), between(at)), (None, Some(one)));
            before = at;
        }
        assert_eq!(write_between(one, u64::MAX), before);
        for at in [0, 1, 2, STEP - 1] {
            assert_eq!(between(write_position(one) + at), None);
        }
    }

    #[test]
    fn the_largest_revision_means_no_stream_and_others_beyond_the_sign_nothing() {
        let of = |revision| Expectation::Revision(revision).expected();
        assert_eq!(of(u64::MAX).unwrap(), Expected::NoStream);
        assert_eq!(of(MAX_NUMBER).unwrap(), Expected::Exact(MAX_NUMBER));
        assert!(of(MAX_NUMBER + 1).is_err());
    }
}
