//! Events as bytes of the protocol, written straight into the buffer that goes to the socket: a message of its own for
//! each, its map of strings above all, costs several times what its bytes do.

use bytes::BufMut as _;
use prost::Message as _;
use uuid::Uuid;

use super::decimal::Decimal;
use super::links::Resolved;
use super::messages::{TICKS_PER_MICRO, UuidForm, content_type, write_position};
use super::protobuf::{
    bytes_len, chosen_len, counted, number_len, put_bytes, put_chosen, put_count, put_counted,
    put_number,
};
use crate::log::RecordedEvent;
use crate::proto::event_store::client::streams::ReadResp;

/// Before each message: not compressed, and its length.
pub(super) const PREFIX_BYTES: usize = 5;

/// Length of an id as text.
const UUID_TEXT: usize = 36;

/// Field numbers of the protocol.
mod field {
    /// `ReadResp`
    pub(super) const EVENT: u8 = 1;
    /// `ReadEvent`
    pub(super) mod read {
        pub(in super::super) const EVENT: u8 = 1;
        pub(in super::super) const LINK: u8 = 2;
        pub(in super::super) const COMMIT: u8 = 3;
        pub(in super::super) const NO_POSITION: u8 = 4;
    }
    /// `RecordedEvent`
    pub(super) mod recorded {
        pub(in super::super) const ID: u8 = 1;
        pub(in super::super) const STREAM: u8 = 2;
        pub(in super::super) const REVISION: u8 = 3;
        pub(in super::super) const PREPARE: u8 = 4;
        pub(in super::super) const COMMIT: u8 = 5;
        pub(in super::super) const METADATA: u8 = 6;
        pub(in super::super) const CUSTOM: u8 = 7;
        pub(in super::super) const DATA: u8 = 8;
    }
    /// Inside an id, a stream's identifier, an entry of a map.
    pub(super) const STRUCTURED: u8 = 1;
    pub(super) const TEXT: u8 = 2;
    pub(super) const HIGH: u8 = 1;
    pub(super) const LOW: u8 = 2;
    pub(super) const NAME: u8 = 3;
    pub(super) const KEY: u8 = 1;
    pub(super) const VALUE: u8 = 2;
}

/// Appends any reply.
pub(super) fn put_message(buffer: &mut Vec<u8>, message: &ReadResp) {
    let bytes = message.encoded_len();
    buffer.reserve(PREFIX_BYTES + bytes);
    put_prefix(buffer, bytes);
    // Room is there.
    let _ = message.encode(buffer);
}

/// Appends the reply that delivers an event.
pub(super) fn put_event(buffer: &mut Vec<u8>, resolved: &Resolved, form: UuidForm) {
    let event = resolved.event.as_ref().map(|it| Shown::of(it, form));
    let link = resolved.link.as_ref().map(|it| Shown::of(it, form));
    let position = resolved.original().map(|it| write_position(it.position));
    let counted_len = |shown: &Option<Shown<'_>>| {
        shown
            .as_ref()
            .map_or(0, |shown| counted(shown.recorded_bytes))
    };
    let position_len = position.map_or(counted(0), chosen_len);
    let read_bytes = counted_len(&event) + counted_len(&link) + position_len;
    let bytes = counted(read_bytes);
    buffer.reserve(PREFIX_BYTES + bytes);
    put_prefix(buffer, bytes);
    put_count(buffer, field::EVENT, read_bytes);
    for (number, shown) in [(field::read::EVENT, &event), (field::read::LINK, &link)] {
        if let Some(shown) = shown {
            put_count(buffer, number, shown.recorded_bytes);
            shown.put(buffer);
        }
    }
    match position {
        Some(position) => put_chosen(buffer, field::read::COMMIT, position),
        None => put_count(buffer, field::read::NO_POSITION, 0),
    }
}

fn put_prefix(buffer: &mut Vec<u8>, bytes: usize) {
    buffer.put_u8(0);
    // An event is at most as large as an append, far below 4 GiB.
    buffer.put_u32(u32::try_from(bytes).unwrap_or(u32::MAX));
}

/// An event and the lengths of what it becomes.
struct Shown<'a> {
    event: &'a RecordedEvent,
    form: UuidForm,
    position: u64,
    created: Decimal,
    id_bytes: usize,
    recorded_bytes: usize,
}

impl<'a> Shown<'a> {
    fn of(event: &'a RecordedEvent, form: UuidForm) -> Self {
        let position = write_position(event.position);
        let micros = event.recorded_at.unix_micros();
        let created = Decimal::of(micros.saturating_mul(TICKS_PER_MICRO));
        let id_bytes = match form {
            UuidForm::Structured => counted(halves_len(event.id)),
            UuidForm::Text => counted(UUID_TEXT),
        };
        let recorded_bytes = counted(id_bytes)
            + counted(counted(event.stream.as_str().len()))
            + number_len(event.revision)
            + 2 * number_len(position)
            + metadata_entries(event, &created)
                .iter()
                .map(|(key, value)| counted(entry_len(key, value)))
                .sum::<usize>()
            + bytes_len(&event.metadata)
            + bytes_len(&event.data);
        Self {
            event,
            form,
            position,
            created,
            id_bytes,
            recorded_bytes,
        }
    }

    fn put(&self, buffer: &mut Vec<u8>) {
        use field::recorded;
        let event = self.event;
        put_count(buffer, recorded::ID, self.id_bytes);
        put_id(buffer, event.id, self.form);
        let name = event.stream.as_str().as_bytes();
        put_count(buffer, recorded::STREAM, counted(name.len()));
        put_counted(buffer, field::NAME, name);
        put_number(buffer, recorded::REVISION, event.revision);
        put_number(buffer, recorded::PREPARE, self.position);
        put_number(buffer, recorded::COMMIT, self.position);
        for (key, value) in metadata_entries(event, &self.created) {
            put_count(buffer, recorded::METADATA, entry_len(key, value));
            put_counted(buffer, field::KEY, key);
            put_counted(buffer, field::VALUE, value);
        }
        put_bytes(buffer, recorded::CUSTOM, &event.metadata);
        put_bytes(buffer, recorded::DATA, &event.data);
    }
}

/// The system metadata, as `messages::system_metadata` has it.
fn metadata_entries<'a>(
    event: &'a RecordedEvent,
    created: &'a Decimal,
) -> [(&'static [u8], &'a [u8]); 3] {
    [
        (b"type", event.event_type.as_bytes()),
        (b"content-type", content_type(event).as_bytes()),
        (b"created", created.as_bytes()),
    ]
}

fn put_id(buffer: &mut Vec<u8>, id: Uuid, form: UuidForm) {
    match form {
        UuidForm::Structured => {
            let (high, low) = id.as_u64_pair();
            put_count(buffer, field::STRUCTURED, halves_len(id));
            put_number(buffer, field::HIGH, high);
            put_number(buffer, field::LOW, low);
        }
        UuidForm::Text => {
            let mut text = [0; UUID_TEXT];
            let text = id.hyphenated().encode_lower(&mut text).as_bytes();
            put_counted(buffer, field::TEXT, text);
        }
    }
}

fn halves_len(id: Uuid) -> usize {
    let (high, low) = id.as_u64_pair();
    number_len(high) + number_len(low)
}

fn entry_len(key: &[u8], value: &[u8]) -> usize {
    counted(key.len()) + counted(value.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::{Buf as _, Bytes};
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::{Moment, Position, StreamName};
    use crate::log::wire::messages::{system_metadata, write_stream_name};
    use crate::proto::event_store::client as shared;
    use shared::streams::read_resp::{self, ReadEvent, read_event};

    /// The message that the bytes must be.
    fn message(resolved: &Resolved, form: UuidForm) -> ReadResp {
        let write = |event: &RecordedEvent| read_event::RecordedEvent {
            id: Some(form.write(event.id)),
            stream_identifier: Some(write_stream_name(&event.stream)),
            stream_revision: event.revision,
            prepare_position: write_position(event.position),
            commit_position: write_position(event.position),
            metadata: system_metadata(event),
            custom_metadata: event.metadata.clone(),
            data: event.data.clone(),
        };
        let position = resolved.original().map_or(
            read_event::Position::NoPosition(shared::Empty {}),
            |original| read_event::Position::CommitPosition(write_position(original.position)),
        );
        ReadResp {
            content: Some(read_resp::Content::Event(ReadEvent {
                event: resolved.event.as_ref().map(write),
                link: resolved.link.as_ref().map(write),
                position: Some(position),
            })),
        }
    }

    prop_compose! {
        fn event()(
            numbers in (any::<u64>(), prop_oneof![Just(0), any::<u64>()], any::<u128>()),
            micros in prop_oneof![Just(0), -60_000_000_000_000_000_i64..250_000_000_000_000_000],
            names in (".{1,200}", ".{1,200}"),
            is_json: bool,
            payloads in (
                proptest::collection::vec(any::<u8>(), 0..300),
                proptest::collection::vec(any::<u8>(), 0..300),
            ),
        ) -> RecordedEvent {
            RecordedEvent {
                position: Position(numbers.0),
                stream: StreamName::new(names.0).unwrap_or_else(|_| StreamName::new("s").unwrap()),
                revision: numbers.1,
                id: Uuid::from_u128(numbers.2),
                event_type: Arc::from(names.1),
                is_json,
                data: Bytes::from(payloads.0),
                metadata: Bytes::from(payloads.1),
                recorded_at: Moment::from_unix_micros(micros).unwrap(),
            }
        }
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_message(
            event in proptest::option::of(event()),
            link in proptest::option::of(event()),
            text: bool,
        ) {
            let form = if text { UuidForm::Text } else { UuidForm::Structured };
            let resolved = Resolved { event, link };
            let expected = message(&resolved, form);
            let mut buffer = Vec::new();
            put_event(&mut buffer, &resolved, form);
            let mut buffer = Bytes::from(buffer);
            prop_assert_eq!(buffer.get_u8(), 0);
            prop_assert_eq!(buffer.get_u32() as usize, buffer.len());
            // As long as the library's own: nothing is said that could be left out.
            prop_assert_eq!(buffer.len(), expected.encoded_len());
            prop_assert_eq!(ReadResp::decode(buffer).unwrap(), expected);
        }
    }
}
