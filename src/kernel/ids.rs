//! Names and numbers of the log: stream names, revisions, positions, derived ids.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The number of an event within its stream, from 0 without gaps. At most `i64::MAX` (`EventStoreDB`'s bound).
pub type Revision = u64;

/// Where an event lies in the whole log of one service. Strictly increasing in log order; gapless from 1 on the
/// embedded engine, a byte address on `EventStoreDB`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Position(pub u64);

impl Position {
    /// Before the first event of any log.
    pub const START: Self = Self(0);
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a stream: not empty, not `$$`, at most [`StreamName::MAX_BYTES`]. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

/// A text that cannot name a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stream name is {0}")]
pub struct InvalidStreamName(&'static str);

impl StreamName {
    /// Longest name in UTF-8 bytes: names are index keys, and errors carry them twice among trailers of which clients take
    /// some 16 KiB.
    pub const MAX_BYTES: usize = 4 * 1024;

    /// Checks `name` and keeps it.
    ///
    /// # Errors
    /// Where it is empty, `$$`, or longer than [`Self::MAX_BYTES`].
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidStreamName> {
        let name = name.as_ref();
        if name.is_empty() {
            return Err(InvalidStreamName("empty"));
        }
        if name == "$$" {
            return Err(InvalidStreamName(
                "'$$', which names the metadata of nothing",
            ));
        }
        if name.len() > Self::MAX_BYTES {
            return Err(InvalidStreamName("longer than 4096 bytes"));
        }
        Ok(Self(name.into()))
    }

    /// `<category>-<id>`: the stream of one aggregate.
    #[must_use]
    pub fn of(category: &'static str, id: Uuid) -> Self {
        Self(format!("{category}-{id}").into())
    }

    /// `$$<name>`: the stream that holds this stream's metadata (`EventStoreDB`'s convention).
    #[must_use]
    pub fn metastream(&self) -> Self {
        Self(format!("$${}", self.0).into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text before the first `-`, or the whole name.
    #[must_use]
    pub fn category(&self) -> &str {
        self.0
            .split_once('-')
            .map_or(&*self.0, |(category, _)| category)
    }

    /// The UUID after the first `-`, where there is one.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        Uuid::try_parse(self.0.split_once('-')?.1).ok()
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The namespace of every id that Annals derives (RFC 9562, version 5). Fixed for ever: a change would make
/// retries new commands.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b1f_5d0e_8c1a_4f43_9a3e_27c4_51d8_0a11);

/// An id that follows from `parts` alone: the same parts give the same id on every machine and after every restart.
#[must_use]
pub fn derived_id(parts: &[&[u8]]) -> Uuid {
    // Lengths keep ("ab","c") and ("a","bc") apart.
    let mut name = Vec::with_capacity(64);
    for part in parts {
        name.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        name.extend_from_slice(part);
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_log_takes_are_refused() {
        assert!(StreamName::new("").is_err());
        assert!(StreamName::new("$$").is_err());
        assert!(StreamName::new("x".repeat(StreamName::MAX_BYTES)).is_ok());
        assert!(StreamName::new("x".repeat(StreamName::MAX_BYTES + 1)).is_err());
        assert!(StreamName::new("placement-1").is_ok());
    }

    #[test]
    fn a_stream_tells_its_category_and_id() {
        let id = Uuid::from_u128(7);
        let stream = StreamName::of("placement", id);
        assert_eq!(stream.category(), "placement");
        assert_eq!(stream.id(), Some(id));
    }

    #[test]
    fn derived_ids_keep_their_parts_apart() {
        assert_ne!(derived_id(&[b"ab", b"c"]), derived_id(&[b"a", b"bc"]));
        assert_eq!(derived_id(&[b"a"]), derived_id(&[b"a"]));
    }
}
