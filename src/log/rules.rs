//! What all engines of ours judge alike: sizes, names of system streams, what metadata hides.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::kernel::{Moment, Revision, StreamName};
use crate::log::{AppendError, NewEvent, StreamMetadata};

/// Largest append, bytes of all its events: `EventStoreDB`'s default up to 25.0, so that a log that fits here
/// fits there.
pub const MAX_APPEND_BYTES: usize = 1024 * 1024;

/// Longest event type, bytes: types are interned, and a type is a name.
pub const MAX_TYPE_BYTES: usize = 1024;

/// The type of a metadata event.
pub const METADATA_TYPE: &str = "$metadata";

/// The type of the event that ends a stream.
pub const TOMBSTONE_TYPE: &str = "$streamDeleted";

/// The revision of that event: none can follow.
pub const TOMBSTONE_REVISION: Revision = i64::MAX.unsigned_abs();

/// The `$tb` of a soft-deleted stream.
pub const SOFT_DELETED: i64 = i64::MAX;

/// The log's clock.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// The machine's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "recorded_at is the log's own clock"
        )]
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Moment::from_unix_micros(micros).unwrap_or(Moment::EPOCH)
    })
}

/// Size of an event as `EventStoreDB` counts it: the payloads and the type in UTF-16.
#[must_use]
pub fn event_bytes(event: &NewEvent) -> usize {
    event.data.len() + event.metadata.len() + 2 * event.event_type.encode_utf16().count()
}

/// Refuses what is no event or too large; answers the append's size in bytes.
///
/// # Errors
/// [`AppendError::Invalid`] or [`AppendError::TooLarge`].
pub fn validate(events: &[NewEvent]) -> Result<usize, AppendError> {
    let mut bytes = 0;
    for (index, event) in events.iter().enumerate() {
        if let Some(problem) = problem_of(event) {
            return Err(AppendError::Invalid { index, problem });
        }
        bytes += event_bytes(event);
    }
    if bytes > MAX_APPEND_BYTES {
        return Err(AppendError::TooLarge {
            bytes,
            limit: MAX_APPEND_BYTES,
        });
    }
    Ok(bytes)
}

fn problem_of(event: &NewEvent) -> Option<String> {
    if event.id.is_nil() {
        return Some("its id is nil".into());
    }
    if event.event_type.is_empty() {
        return Some("its type is empty".into());
    }
    let bytes = event.event_type.len();
    (bytes > MAX_TYPE_BYTES)
        .then(|| format!("its type has {bytes} bytes, more than {MAX_TYPE_BYTES}"))
}

/// The stream that a metastream describes.
#[must_use]
pub fn owner_of(stream: &StreamName) -> Option<StreamName> {
    StreamName::new(stream.as_str().strip_prefix("$$")?).ok()
}

/// What the latest event of a metastream says. One that is not JSON, or has a key of the wrong kind, says nothing.
#[must_use]
pub fn parse_metadata(is_json: bool, data: &[u8]) -> StreamMetadata {
    metadata_keys(is_json, data)
        .and_then(|keys| serde_json::from_value(Value::Object(keys)).ok())
        .unwrap_or_default()
}

/// Its keys in their order; of one that is there twice, the last value counts.
fn metadata_keys(is_json: bool, data: &[u8]) -> Option<Map<String, Value>> {
    if !is_json {
        return None;
    }
    let data = data.strip_prefix(UTF8_MARK).unwrap_or(data);
    serde_json::from_slice::<Map<String, Value>>(data)
        .ok()
        .filter(|keys| keys.iter().all(|(key, value)| is_of_its_kind(key, value)))
}

/// Some writers of JSON begin with it.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether a known key has a value of its kind; of other keys anything goes.
fn is_of_its_kind(key: &str, value: &Value) -> bool {
    match key {
        "$maxCount" | "$maxAge" | "$tb" | "$cacheControl" => value.is_i64(),
        "$tmp" => value.is_boolean(),
        "$acl" => value.as_object().is_some_and(|acl| {
            acl.iter().all(|(right, holders)| {
                ACL_RIGHTS.contains(&right.as_str()) && are_holders(holders)
            })
        }),
        _ => true,
    }
}

/// The rights that an access list may speak of: read, write, delete, and of the metadata read and write.
const ACL_RIGHTS: [&str; 5] = ["$r", "$w", "$d", "$mr", "$mw"];

/// A user or role, or several.
fn are_holders(value: &Value) -> bool {
    value.is_string()
        || value
            .as_array()
            .is_some_and(|holders| holders.iter().all(Value::is_string))
}

/// The stored form of metadata.
#[must_use]
pub fn metadata_bytes(metadata: &StreamMetadata) -> Vec<u8> {
    // A map with text keys and JSON values always has a JSON form.
    serde_json::to_vec(metadata).unwrap_or_default()
}

/// Metadata that soft-deletes: only this key, everything else is lost (`EventStoreDB`'s rule).
#[must_use]
pub fn deleting_metadata() -> StreamMetadata {
    StreamMetadata {
        truncate_before: Some(SOFT_DELETED),
        ..StreamMetadata::default()
    }
}

/// The stored metadata with `$tb` at the revision after `last`: what a soft-deleted stream gets when it is written again.
/// The other keys stay where they are.
#[must_use]
pub fn recreating_metadata(is_json: bool, data: &[u8], last: Option<Revision>) -> Vec<u8> {
    let next = last.map_or(0, |last| last + 1);
    let mut keys = metadata_keys(is_json, data).unwrap_or_default();
    keys.insert("$tb".into(), next.into());
    // A map with text keys and JSON values always has a JSON form.
    serde_json::to_vec(&keys).unwrap_or_default()
}

/// What metadata leaves visible of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visible {
    /// Revisions below are hidden.
    pub first: Revision,
    /// Events recorded before are hidden.
    pub since: Option<Moment>,
}

impl Visible {
    /// Everything.
    pub const ALL: Self = Self {
        first: 0,
        since: None,
    };

    /// A metastream shows its last event only.
    #[must_use]
    pub fn last_only(last: Revision) -> Self {
        Self {
            first: last,
            since: None,
        }
    }

    /// By `metadata`, for a stream that is at `last`. Keys with values that mean nothing are ignored.
    #[must_use]
    pub fn by(metadata: &StreamMetadata, last: Revision, now: Moment) -> Self {
        let counted =
            positive(metadata.max_count).map_or(0, |count| (last + 1).saturating_sub(count));
        let truncated = metadata
            .truncate_before
            .and_then(|before| u64::try_from(before).ok())
            .unwrap_or(0);
        let since = positive(metadata.max_age_seconds).map(|age| cut(now, age));
        Self {
            first: counted.max(truncated),
            since,
        }
    }

    /// Whether an event of this revision and time is seen.
    #[must_use]
    pub fn shows(&self, revision: Revision, recorded_at: Moment) -> bool {
        revision >= self.first && self.since.is_none_or(|since| recorded_at >= since)
    }
}

fn positive(value: Option<i64>) -> Option<u64> {
    value
        .and_then(|value| u64::try_from(value).ok())
        .filter(|value| *value > 0)
}

/// The earliest instant that is not older than `age` seconds; the earliest of all where `age` leaves the calendar.
fn cut(now: Moment, age: u64) -> Moment {
    let micros = i64::try_from(age)
        .ok()
        .and_then(|age| age.checked_mul(1_000_000))
        .and_then(|age| now.unix_micros().checked_sub(age));
    micros
        .and_then(|micros| Moment::from_unix_micros(micros).ok())
        .unwrap_or(Moment::EPOCH)
}

/// Whether the stream was soft-deleted and not written since.
#[must_use]
pub fn is_soft_deleted(metadata: &StreamMetadata) -> bool {
    metadata.truncate_before == Some(SOFT_DELETED)
}

/// Whether metadata hides anything; protected streams refuse such.
#[must_use]
pub fn hides(metadata: &StreamMetadata) -> bool {
    positive(metadata.max_count).is_some()
        || positive(metadata.max_age_seconds).is_some()
        || positive(metadata.truncate_before).is_some()
}

/// Categories whose streams are kept for ever.
#[derive(Debug, Clone, Default)]
pub struct Protected(Vec<String>);

impl Protected {
    /// Protects these categories.
    pub fn new(categories: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(categories.into_iter().map(Into::into).collect())
    }

    /// Whether the stream is of one of them.
    #[must_use]
    pub fn covers(&self, stream: &StreamName) -> bool {
        self.0.iter().any(|category| category == stream.category())
    }

    /// Whether the stream is of one of them, or describes one.
    #[must_use]
    pub fn covers_either(&self, stream: &StreamName) -> bool {
        self.covers(stream) || owner_of(stream).is_some_and(|owner| self.covers(&owner))
    }

    /// Refuses events for a metastream that would hide a protected stream.
    ///
    /// # Errors
    /// [`AppendError::Protected`].
    pub fn check_metadata(
        &self,
        owner: &StreamName,
        events: &[NewEvent],
    ) -> Result<(), AppendError> {
        let hiding = |event: &NewEvent| hides(&parse_metadata(event.is_json, &event.data));
        if self.covers(owner) && events.iter().any(hiding) {
            return Err(AppendError::Protected(owner.clone()));
        }
        Ok(())
    }
}
