//! Events between the crate's words and ours, and recorded times that another server cannot keep.
//!
//! `EventStoreDB` stamps every event with its own clock. An event that is copied there keeps the time at which it was
//! first recorded in its metadata, and reads as if it had been recorded then:
//!
//! ```text
//!   metadata before                 in the copy
//!   {"actor":"a"}                   {"actor":"a","$recordedAt":"2026-01-01T00:00:00.000000Z"}
//!   {}                              {"$recordedAt":"..."}
//!   anything that is no object      {"$recordedAt":"...","$metadata":"<base64>"}
//! ```
//!
//! Reading takes away exactly what was added, so that metadata comes back byte for byte.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use eventstore::EventData;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::kernel::{Moment, Position, StreamName};
use crate::log::{NewEvent, ReadError, RecordedEvent};

/// Ticks of the server's clock in a microsecond.
const TICKS_PER_MICRO: i64 = 10;

/// The system metadata that holds the time of recording, in ticks since 1970.
const CREATED: &str = "created";

/// The key that keeps a recorded time.
const KEPT_TIME: &str = "\"$recordedAt\":\"";
/// The key that keeps metadata which is no object.
const KEPT_METADATA: &str = "\",\"$metadata\":\"";

/// An event as the crate sends it; none where it is said to be JSON and is not even text.
pub(super) fn proposed(event: &NewEvent) -> Option<EventData> {
    let data = if event.is_json {
        let text = std::str::from_utf8(&event.data).ok()?;
        EventData::json(&event.event_type, &Verbatim(text)).ok()?
    } else {
        EventData::binary(&event.event_type, event.data.clone())
    };
    Some(data.id(event.id).metadata(event.metadata.clone()))
}

/// Text that is written into JSON as it stands. The crate takes JSON as something to serialize only, and the log keeps
/// bytes, spaces included: `serde_json`'s own name for raw values makes it copy the text unseen.
struct Verbatim<'a>(&'a str);

impl Serialize for Verbatim<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const RAW: &str = "$serde_json::private::RawValue";
        let mut raw = serializer.serialize_struct(RAW, 1)?;
        raw.serialize_field(RAW, self.0)?;
        raw.end()
    }
}

/// An event as it was recorded, at the time that it keeps or else at the server's.
pub(super) fn recorded(event: eventstore::RecordedEvent) -> Result<RecordedEvent, ReadError> {
    let position = Position(event.position.commit);
    let damaged = |problem: String| ReadError::Damaged {
        position,
        stream: event.stream_id.clone(),
        problem,
    };
    let stream =
        StreamName::new(event.stream_id.as_str()).map_err(|error| damaged(error.to_string()))?;
    let created = event
        .metadata
        .get(CREATED)
        .and_then(|ticks| ticks.parse::<i64>().ok())
        .and_then(|ticks| Moment::from_unix_micros(ticks.div_euclid(TICKS_PER_MICRO)).ok())
        .ok_or_else(|| damaged("the server does not say when it was recorded".into()))?;
    let (metadata, kept) = without_time(event.custom_metadata);
    Ok(RecordedEvent {
        position,
        stream,
        revision: event.revision,
        id: event.id,
        event_type: Arc::from(event.event_type.as_str()),
        is_json: event.is_json,
        data: event.data,
        metadata,
        recorded_at: kept.unwrap_or(created),
    })
}

/// `metadata` with `recorded_at` kept in it.
#[must_use]
pub fn with_time(metadata: &[u8], recorded_at: Moment) -> Bytes {
    let time = recorded_at.to_string();
    let object = std::str::from_utf8(metadata)
        .ok()
        .filter(|text| text.starts_with('{') && text.ends_with('}'))
        .filter(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
        .filter(|text| *text == "{}" || text.get(1..).is_some_and(|rest| rest.trim() != "}"))
        .and_then(|text| text.strip_suffix('}'));
    Bytes::from(match object {
        Some("{") => format!("{{{KEPT_TIME}{time}\"}}"),
        Some(open) => format!("{open},{KEPT_TIME}{time}\"}}"),
        None => format!(
            "{{{KEPT_TIME}{time}{KEPT_METADATA}{}\"}}",
            BASE64.encode(metadata)
        ),
    })
}

/// Metadata as it was before [`with_time`], and the time; unchanged where no time is kept in it.
#[must_use]
pub fn without_time(metadata: Bytes) -> (Bytes, Option<Moment>) {
    match kept(&metadata) {
        Some((plain, time)) => (plain, Some(time)),
        None => (metadata, None),
    }
}

fn kept(metadata: &[u8]) -> Option<(Bytes, Moment)> {
    let text = std::str::from_utf8(metadata).ok()?.strip_suffix("\"}")?;
    let (before, after) = text.rsplit_once(KEPT_TIME)?;
    if let Some((time, encoded)) = after.split_once(KEPT_METADATA) {
        let time = Moment::parse(time).ok()?;
        let plain = BASE64.decode(encoded).ok()?;
        return (before == "{").then(|| (Bytes::from(plain), time));
    }
    let time = Moment::parse(after).ok()?;
    let open = if before == "{" {
        before
    } else {
        before.strip_suffix(',')?
    };
    Some((Bytes::from(format!("{open}}}")), time))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_is_sent_as_it_stands() {
        for text in ["{\"a\" : 1}\n", "{\"broken\"", "", "[1,\u{1f600}]"] {
            let written = serde_json::to_vec(&Verbatim(text)).unwrap();
            assert_eq!(written, text.as_bytes());
        }
    }

    #[test]
    fn objects_stay_objects_that_tools_can_read() {
        let time = Moment::from_unix_micros(1_000_000).unwrap();
        let kept = with_time(br#"{"actor":"a"}"#, time);
        let json: serde_json::Value = serde_json::from_slice(&kept).unwrap();
        assert_eq!(json["actor"], "a");
        assert_eq!(json["$recordedAt"], time.to_string());
        assert_eq!(with_time(b"", time)[..16], *b"{\"$recordedAt\":\"");
    }

    proptest! {
        #[test]
        fn metadata_comes_back_byte_for_byte(
            metadata in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                "\\{(\"[a-z$]{1,6}\":(1|\"x\"|\\{\\}))?\\} ?".prop_map(String::into_bytes),
            ],
            micros in 0_i64..4_000_000_000_000_000,
        ) {
            let time = Moment::from_unix_micros(micros).unwrap();
            let (plain, kept) = without_time(with_time(&metadata, time));
            prop_assert_eq!(&plain[..], &metadata[..]);
            prop_assert_eq!(kept, Some(time));
        }

        #[test]
        fn metadata_without_a_time_is_left_alone(metadata in proptest::collection::vec(any::<u8>(), 0..60)) {
            let metadata = Bytes::from(metadata);
            prop_assert_eq!(without_time(metadata.clone()), (metadata, None));
        }
    }
}
