//! Why a command was not done.

use std::sync::Arc;

use uuid::Uuid;

use crate::kernel::{Refusal, Revision, StreamName, WireError};
use crate::log::{AppendError, ReadError, where_it_is};

/// Why a command was not done. Nothing was written, but for [`Self::Append`] with a fault of the machinery, where a retry
/// with the same request id finds out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A rule of the domain.
    #[error("{0}")]
    Refused(Box<dyn Refusal>),
    /// The aggregate is not the caller's.
    #[error("stream {0} belongs to somebody else")]
    NotOwner(StreamName),
    /// The request id was used for something else.
    #[error("request id {0} was used for another request on this stream")]
    RequestIdReused(Uuid),
    /// The stream is not at the revision that the caller pinned.
    #[error("stream {stream} is {}, expected was revision {expected}", where_it_is(*current))]
    Conflict {
        /// The stream.
        stream: StreamName,
        /// What the caller pinned.
        expected: Revision,
        /// What is.
        current: Option<Revision>,
        /// The types of the events after the pinned revision, oldest first, at most [`Self::MAX_BETWEEN`].
        between: Vec<Arc<str>>,
    },
    /// Others kept writing to the stream.
    #[error("stream {stream} changed under each of {attempts} attempts")]
    Contended {
        /// The stream.
        stream: StreamName,
        /// How often it was tried.
        attempts: u32,
    },
    /// The log did not append.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The log did not read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The stream holds what this program cannot read.
    #[error(transparent)]
    Unreadable(#[from] WireError),
}

impl CommandError {
    /// How many event types a conflict names at most.
    pub const MAX_BETWEEN: usize = 100;

    /// Whether the same command may succeed later, unchanged, without anybody's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Contended { .. }
            | Self::Append(AppendError::Overloaded { .. } | AppendError::StorageFull { .. }) => {
                true
            }
            Self::Append(AppendError::Unavailable { retry, .. })
            | Self::Read(ReadError::Unavailable { retry, .. }) => *retry,
            Self::Refused(_)
            | Self::NotOwner(_)
            | Self::RequestIdReused(_)
            | Self::Conflict { .. }
            | Self::Append(_)
            | Self::Read(_)
            | Self::Unreadable(_) => false,
        }
    }
}
