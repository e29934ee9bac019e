//! The events of the transaction under way. They are inserted several rows a statement, for most of what a statement costs it
//! costs once.

use super::rows::{Row, Statements};
use crate::log::RecordedEvent;
use crate::log::canonical::Digest;

/// Rows of one statement.
pub(super) const ROWS: usize = 16;

/// What was written, in the order of its positions; the last of it perhaps not inserted yet.
#[derive(Default)]
pub(super) struct Group {
    events: Vec<RecordedEvent>,
    /// Of the events that are not inserted yet, the last ones.
    waiting: Vec<Waiting>,
}

struct Waiting {
    stream: i64,
    event_type: i64,
    digest: Digest,
}

impl Group {
    /// Adds an event of a stream and a type with these numbers.
    pub(super) fn add(
        &mut self,
        statements: &mut Statements<'_>,
        event: RecordedEvent,
        (stream, event_type): (i64, i64),
        digest: Digest,
    ) -> rusqlite::Result<()> {
        self.events.push(event);
        self.waiting.push(Waiting {
            stream,
            event_type,
            digest,
        });
        if self.waiting.len() == ROWS {
            self.insert(statements)?;
        }
        Ok(())
    }

    /// Inserts what waits for it.
    pub(super) fn insert(&mut self, statements: &mut Statements<'_>) -> rusqlite::Result<()> {
        let first = self.events.len().saturating_sub(self.waiting.len());
        let events = self.events.get(first..).unwrap_or_default();
        let rows = events.iter().zip(&self.waiting);
        let inserted = statements.insert(rows.map(|(event, waiting)| waiting.row(event)));
        self.waiting.clear();
        inserted
    }

    /// Inserts what waits for it if an event at or after this position does: the file is about to be asked for it.
    pub(super) fn insert_for(
        &mut self,
        statements: &mut Statements<'_>,
        position: u64,
    ) -> rusqlite::Result<()> {
        let first = self.events.len().saturating_sub(self.waiting.len());
        let waits = self.events.get(first);
        if waits.is_some_and(|event| event.position.0 <= position) {
            self.insert(statements)?;
        }
        Ok(())
    }

    /// What was written, all of it inserted.
    pub(super) fn take(&mut self) -> Vec<RecordedEvent> {
        std::mem::take(&mut self.events)
    }
}

impl Waiting {
    fn row<'e>(&'e self, event: &'e RecordedEvent) -> Row<'e> {
        Row {
            position: event.position.0,
            stream: self.stream,
            revision: event.revision,
            event_type: self.event_type,
            is_json: event.is_json,
            recorded_micros: event.recorded_at.unix_micros(),
            id: event.id,
            digest: &self.digest,
            data: &event.data,
            metadata: &event.metadata,
        }
    }
}
