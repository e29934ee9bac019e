//! Where a read model's tables live: the small shape that a database has to have.
//!
//! A store is owned by one worker, which calls it from blocking threads, one call at a time. Queries do not pass
//! through it.

use std::path::Path;

use crate::kernel::{Moment, Position};
use crate::log::RecordedEvent;

/// Events of one or more sources, in the order of each source, and how far each source then is.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    /// Each with the index of its source in the model's `sources`.
    pub(super) events: Vec<(usize, RecordedEvent)>,
    /// Of each source.
    pub(super) positions: Vec<Position>,
}

/// Why the database did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum StoreError {
    /// Trying again can help: busy, full, out of memory.
    #[error("{0}")]
    Transient(String),
    /// It is about the event or the SQL, and stays.
    #[error("{0}")]
    Permanent(String),
    /// The file is no longer a database. It has to be built anew.
    #[error("the read model's file is damaged: {0}")]
    Damaged(String),
}

impl StoreError {
    /// Names the file that it is about.
    pub(super) fn at(self, path: &Path) -> Self {
        self.said(|text| {
            let place = path.display();
            let text = text.strip_suffix(&format!(": {place}")).unwrap_or(text);
            format!("{place}: {text}")
        })
    }

    /// Adds what the system says.
    pub(super) fn because(self, cause: &str) -> Self {
        self.said(|text| format!("{text} ({cause})"))
    }

    fn said(self, otherwise: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Transient(text) => Self::Transient(otherwise(&text)),
            Self::Permanent(text) => Self::Permanent(otherwise(&text)),
            Self::Damaged(text) => Self::Damaged(otherwise(&text)),
        }
    }
}

/// What is not in the tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Events that wait in the parked table.
    pub(super) parked: u64,
    /// Events of the log's own streams that were passed over.
    pub(super) skipped: u64,
}

/// What became of a parked event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// It went through, and so many that waited behind it.
    Handled {
        /// Later events of its stream that went through too.
        followed: u64,
    },
    /// It failed again.
    Failed {
        /// What went wrong this time.
        cause: String,
    },
    /// No such event is parked.
    Unknown,
    /// An earlier event of its stream is parked; that one comes first.
    Behind {
        /// Where that one lies.
        position: Position,
    },
}

/// The write side of one read model.
pub(super) trait Store: Send {
    /// How far each source is, by index.
    fn positions(&self) -> Vec<Position>;

    /// Applies what lies beyond [`Store::positions`] and moves them, in one transaction. What cannot be applied is parked with
    /// its stream's later events.
    fn apply(&mut self, batch: &Batch, now: Moment) -> Result<(), StoreError>;

    /// What is not in the tables.
    fn counts(&self) -> Counts;

    /// Tries a parked event again, and those behind it.
    fn retry(&mut self, service: &str, position: Position) -> Result<Retried, StoreError>;

    /// Passes a parked event over for good, and tries those behind it.
    fn skip(
        &mut self,
        service: &str,
        position: Position,
        reason: &str,
        now: Moment,
    ) -> Result<Retried, StoreError>;

    /// More memory while there is much to do, little while there is not.
    fn set_behind(&mut self, behind: bool) -> Result<(), StoreError>;

    /// From now on queries see it.
    fn go_live(&mut self) -> Result<(), StoreError>;

    /// The last call: everything so far must survive a power cut.
    fn close(&mut self) -> Result<(), StoreError>;
}
