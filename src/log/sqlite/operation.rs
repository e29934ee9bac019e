//! What the writer is asked to do, and why it may not.

use super::import::Numbering;
use crate::kernel::StreamName;
use crate::log::{AppendError, Expected, NewEvent, RecordedEvent, Removed, StreamMetadata};

/// What a caller wants written.
#[derive(Debug)]
pub(super) enum Operation {
    Append(StreamName, Expected, Vec<NewEvent>),
    Describe(StreamName, Expected, StreamMetadata),
    Delete(StreamName, Expected),
    Tombstone(StreamName, Expected),
    /// The scavenger's: events at these positions, in order.
    Remove(Vec<u64>),
    /// The scavenger's: free pages back to the file system.
    GiveBack,
    /// The scavenger's: more of the stream index into the file.
    Index,
    /// What another log knows of events that it removed.
    Note(Vec<Removed>),
    /// Events of another log, with their times and revisions.
    Import(Vec<RecordedEvent>, Numbering),
}

/// Why an operation was not done.
#[derive(Debug)]
pub(super) enum Halt {
    /// Its own fault: nothing was written, the others go on.
    Refused(AppendError),
    /// The database's: the transaction is lost.
    Broken(rusqlite::Error),
}

impl From<rusqlite::Error> for Halt {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<AppendError> for Halt {
    fn from(error: AppendError) -> Self {
        Self::Refused(error)
    }
}
