//! The words of the log: what goes in, what comes out, what can go wrong.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::filter::Undecided;
use crate::kernel::{Moment, Position, Revision, StreamName};

/// What the writer believes the stream's last revision to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    Any,
    /// The stream was never written (or is soft-deleted).
    NoStream,
    /// The stream has events or metadata.
    StreamExists,
    /// Exactly this last revision.
    Exact(Revision),
}

/// An event to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Its identity: a retry of the same event carries the same id. Not nil.
    pub id: Uuid,
    /// Its type; not empty.
    pub event_type: Arc<str>,
    /// Whether `data` is JSON.
    pub is_json: bool,
    /// The payload.
    pub data: Bytes,
    /// The writer's metadata.
    pub metadata: Bytes,
}

/// An event as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Where it lies in the log.
    pub position: Position,
    /// Its stream.
    pub stream: StreamName,
    /// Its number there.
    pub revision: Revision,
    /// Its identity.
    pub id: Uuid,
    /// Its type.
    pub event_type: Arc<str>,
    /// Whether `data` is JSON.
    pub is_json: bool,
    /// The payload.
    pub data: Bytes,
    /// The writer's metadata.
    pub metadata: Bytes,
    /// The log's clock when it was written.
    pub recorded_at: Moment,
}

impl RecordedEvent {
    /// Bytes of what its writer sent, for limits on what is held.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + self.metadata.len()
    }
}

/// What a successful append answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Revision of the last event of this append; none for an append of nothing to a new stream.
    pub revision: Option<Revision>,
    /// Position of that event (the log's end for an append of nothing).
    pub position: Position,
    /// The events were there already: this was a retry.
    pub repeated: bool,
}

/// Where a stream is, in words.
pub(crate) fn where_it_is(current: Option<Revision>) -> String {
    current.map_or_else(
        || "without events".to_owned(),
        |revision| format!("at revision {revision}"),
    )
}

/// Why an append was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The stream is not where the writer believed it.
    #[error("stream {stream} is {}, expected was {expected:?}", where_it_is(*current))]
    WrongExpected {
        /// Which stream.
        stream: StreamName,
        /// What the writer said.
        expected: Expected,
        /// What is; none where the stream has no event.
        current: Option<Revision>,
    },
    /// The stream was tombstoned (or deleted, where it was expected to exist).
    #[error("stream {0} is deleted")]
    StreamDeleted(StreamName),
    /// Streams of this category are kept for ever.
    #[error("stream {0} is kept for ever: it cannot be deleted, truncated or expired")]
    Protected(StreamName),
    /// An event is not one (nil id, empty type), or is too large.
    #[error("event {index} of the append: {problem}")]
    Invalid {
        /// Its place in the append, from 0.
        index: usize,
        /// What is wrong, with the figures.
        problem: String,
    },
    /// The append as a whole is too large.
    #[error("append of {bytes} bytes is larger than {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
    /// The queue of appends is full.
    #[error("the log has {queued} appends waiting, which is its limit")]
    Overloaded {
        /// How many.
        queued: usize,
        /// When to try again.
        retry_after: Duration,
    },
    /// There is no room left on the disk. The engine resumes by itself when there is.
    #[error("no room for the log: {cause}")]
    StorageFull {
        /// Why, for the operator's log.
        cause: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The engine cannot write.
    #[error("log unavailable: {cause}")]
    Unavailable {
        /// Why, for the operator's log.
        cause: String,
        /// Whether trying again can help without a restart.
        retry: bool,
    },
}

/// Where a stream read starts. Both directions include it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// The first event.
    Start,
    /// The last event.
    End,
    /// This revision.
    Revision(Revision),
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Forward,
    /// Newest first.
    Backward,
}

/// A piece of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamSlice {
    /// In the order asked for.
    pub events: Vec<RecordedEvent>,
    /// The stream's last revision, whatever was read; none where it never had an event.
    pub last_revision: Option<Revision>,
    /// False for a stream that never was, or is deleted.
    pub exists: bool,
    /// Nothing is left in this direction.
    pub end: bool,
}

/// A piece of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllSlice {
    /// In the order asked for. May be none although there are more: see `end`.
    pub events: Vec<RecordedEvent>,
    /// Up to here the log was examined: where to go on, whether or not events passed the filter.
    pub examined: Position,
    /// Nothing was left in this direction.
    pub end: bool,
}

/// A piece of the log, and what a filter left out of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// What passed, oldest first.
    pub slice: AllSlice,
    /// The places of all other events that were examined, oldest first.
    pub left_out: Vec<LeftOut>,
}

/// An event that a filter left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it lies in the log.
    pub position: Position,
    /// Its stream.
    pub stream: StreamName,
}

/// What is known of events that were removed from the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removals {
    /// Oldest first.
    pub events: Vec<Removed>,
    /// Up to here the record was examined: where to go on.
    pub examined: Position,
}

/// An event that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Where it lay in the log.
    pub position: Position,
    /// Its stream.
    pub stream: StreamName,
    /// Its type.
    pub event_type: Arc<str>,
}

/// What a subscription hands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The next events, in log order; never empty, at most some hundred.
    Events(Vec<RecordedEvent>),
    /// No event up to here is missing; comes for filtered subscriptions that pass over much.
    Checkpoint(Position),
    /// The end of the log was reached at this position; more may follow.
    CaughtUp(Position),
}

/// Why a read was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The stream was tombstoned.
    #[error("stream {0} is deleted")]
    StreamDeleted(StreamName),
    /// What is stored is not what was written.
    #[error("damaged event at position {position} (stream {stream}): {problem}")]
    Damaged {
        /// Which row.
        position: Position,
        /// Its stream, as far as it can be told.
        stream: String,
        /// What does not fit.
        problem: String,
    },
    /// The filter's expression came to no end with an event's stream or type, so that nobody knows whether it is wanted.
    #[error(transparent)]
    Undecided(#[from] Undecided),
    /// The engine cannot read.
    #[error("log unavailable: {cause}")]
    Unavailable {
        /// Why, for the operator's log.
        cause: String,
        /// Whether trying again can help without a restart.
        retry: bool,
    },
}

/// What a log can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Reads and appends.
    Serving,
    /// Reads; appends fail for this reason until it has gone, which the engine finds out by itself.
    Degraded(String),
    /// A write failed: reopen it.
    Failed(String),
    /// It was closed.
    Closed,
}

/// A stream's metadata (`EventStoreDB`'s keys). Unknown keys are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StreamMetadata {
    /// Only the last so many events are seen.
    #[serde(rename = "$maxCount", default, skip_serializing_if = "Option::is_none")]
    pub max_count: Option<i64>,
    /// Events older than so many seconds are not seen.
    #[serde(rename = "$maxAge", default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<i64>,
    /// Events before this revision are not seen.
    #[serde(rename = "$tb", default, skip_serializing_if = "Option::is_none")]
    pub truncate_before: Option<i64>,
    /// Everything else, the ACL included.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}
