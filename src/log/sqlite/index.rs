//! The stream index: where each event of a stream lies. Its newest entries are in memory only.
//!
//! ```text
//!   transaction's own ──commit──> young ──full──> sealed, in order ──some a commit──> table stream_index
//! ```
//!
//! Written at once, an entry would cost an append a page of its own. Written later and in order, many entries of a
//! stream, and of streams that began together, share a page. Nothing hangs on the memory: what the table lacks is read
//! from the events behind the mark in `indexed` when the log is opened.
//!
//! The table always holds the beginning of a stream and the memory its end; they may overlap. Who reads looks into the
//! memory first and takes the snapshot of the file then: an entry moves the other way.

use std::sync::Arc;

use rusqlite::{Connection, Result};

use super::rows::{Statements, from_column};
use super::runs;
use super::unwritten::{Entry, Generations, Unwritten};
use crate::kernel::{Position, Revision};

/// Entries of the sealed generation that a commit writes for each event of its own: it is written long before the next
/// one is full.
const WRITTEN_PER_EVENT: usize = 2;

/// The same, whatever the commit's size.
const WRITTEN_AT_LEAST: usize = 32;

/// The same where somebody waits for it: the log is closed or scavenged.
const WRITTEN_AT_ONCE: usize = 8_192;

/// The writer sees what is not durable yet, too.
const EVERYTHING: Position = Position(u64::MAX);

/// Before a log is written to: the mark is the position of an event, or was before the scavenger, and that event must be in
/// the table. Otherwise a revision might be given twice.
pub(super) fn check_mark(connection: &Connection) -> Result<()> {
    let (mark, end): (i64, i64) = connection.query_row(
        "SELECT position, (SELECT coalesce(max(position), 0) FROM events) FROM indexed",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut event =
        connection.prepare("SELECT stream, revision FROM events WHERE position = ?1")?;
    let mut events = event.query([mark])?;
    let leads_there = match events.next()? {
        Some(event) => {
            let (stream, revision) = (event.get(0)?, from_column(event.get(1)?));
            indexed_at(connection, stream, revision)? == Some(from_column(mark))
        }
        None => true,
    };
    if mark > end || !leads_there {
        return Err(corrupt(format!(
            "the stream index is said to go to position {mark}, and does not"
        )));
    }
    Ok(())
}

/// Up to which position every event is in the table.
pub(super) fn mark(connection: &Connection) -> Result<Position> {
    let mark = "SELECT max(position) FROM indexed";
    connection.query_row(mark, [], |row| row.get(0).map(from_column).map(Position))
}

/// Where the table says that an event lies.
pub(super) fn indexed_at(
    connection: &Connection,
    stream: i64,
    revision: Revision,
) -> Result<Option<u64>> {
    let run = runs::below(connection, stream, revision)?;
    Ok(run.and_then(|run| run.at(revision)))
}

pub(super) fn corrupt(what: String) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(what))
}

/// The index as the writer sees it: its transaction's own entries too.
pub(super) struct StreamIndex {
    unwritten: Arc<Unwritten>,
    /// In the order of their events.
    own: Vec<Entry>,
    sealed: Arc<[Entry]>,
    /// Entries of `sealed` that are in the table.
    written: usize,
    /// The same once the transaction is committed.
    writing: usize,
    /// Somebody waits for what is in memory only.
    hurry: bool,
}

impl StreamIndex {
    /// After a failed transaction a new one takes over: entries that are in the table already do no harm.
    pub(super) fn new(unwritten: Arc<Unwritten>) -> Self {
        let sealed = Arc::clone(&unwritten.read().sealed);
        Self {
            unwritten,
            own: Vec::new(),
            sealed,
            written: 0,
            writing: 0,
            hurry: false,
        }
    }

    /// Has the next commit write more than its share, and seals what is young after it. Repeated, it brings everything
    /// into the file.
    pub(super) fn hurry(&mut self) {
        self.hurry = true;
    }

    pub(super) fn add(&mut self, stream: i64, revision: Revision, position: u64) {
        self.own.push(((stream, revision), position));
    }

    /// Where the event lies.
    pub(super) fn at(
        &self,
        statements: &mut Statements<'_>,
        stream: i64,
        revision: Revision,
    ) -> Result<Option<u64>> {
        let key = (stream, revision);
        let own = self.own.iter().rev().find(|entry| entry.0 == key);
        match own.map(|entry| entry.1).or_else(|| self.unwritten.at(key)) {
            Some(position) => Ok(Some(position)),
            None => statements.index.at(stream, revision),
        }
    }

    /// The stream's last revision.
    pub(super) fn last(
        &self,
        statements: &mut Statements<'_>,
        stream: i64,
    ) -> Result<Option<Revision>> {
        let own = self.own.iter().rev().find(|entry| entry.0.0 == stream);
        let own = own.map(|entry| entry.0.1);
        let known = || {
            self.unwritten
                .last(stream, EVERYTHING)
                .map(|(last, _)| last)
        };
        match own.or_else(known) {
            Some(last) => Ok(Some(last)),
            None => statements.index.last(stream),
        }
    }

    /// Revisions and positions of the stream's last events, in order.
    pub(super) fn lasts(
        &self,
        statements: &mut Statements<'_>,
        stream: i64,
        limit: usize,
    ) -> Result<Vec<(Revision, u64)>> {
        let mut found = statements.index.lasts(stream, limit)?;
        found.reverse();
        let next = found.last().map_or(0, |(last, _)| last.saturating_add(1));
        found.extend(self.unwritten.of_stream(stream, next, EVERYTHING));
        let own = self.own.iter().filter(|entry| entry.0.0 == stream);
        found.extend(own.map(|((_, revision), at)| (*revision, *at)));
        let surplus = found.len().saturating_sub(limit);
        Ok(found.split_off(surplus))
    }

    /// Before a commit: writes some of what is in memory only.
    pub(super) fn write_some(&mut self, statements: &mut Statements<'_>) -> Result<()> {
        let share = WRITTEN_AT_LEAST.max(self.own.len() * WRITTEN_PER_EVENT);
        let hurried = if self.hurry { WRITTEN_AT_ONCE } else { 0 };
        self.write(statements, share.max(hurried))
    }

    /// After a commit: what it wrote is everybody's.
    pub(super) fn committed(&mut self) {
        self.written = self.writing;
        let done = self.written == self.sealed.len();
        let unwritten = Arc::clone(&self.unwritten);
        let mut generations = unwritten.write();
        generations.add(self.own.drain(..));
        let hurried = std::mem::take(&mut self.hurry) && !generations.is_sealed();
        if !done {
            return;
        }
        if hurried || unwritten.is_full(&generations) {
            generations.seal(unwritten.shown());
            self.take(&generations);
        } else if !self.sealed.is_empty() {
            generations.sealed = Arc::default();
            self.take(&generations);
        }
    }

    /// Whether the table has everything.
    pub(super) fn is_written(&self) -> bool {
        self.written == self.sealed.len() && self.unwritten.read().is_sealed()
    }

    fn take(&mut self, generations: &Generations) {
        self.sealed = Arc::clone(&generations.sealed);
        self.written = 0;
        self.writing = 0;
    }

    /// Writes at least `count` entries of the sealed generation, in whole runs, and with the last of them the mark.
    fn write(&mut self, statements: &mut Statements<'_>, count: usize) -> Result<()> {
        let rest = self.sealed.get(self.written..).unwrap_or_default();
        let mut entries = 0;
        let now: Vec<&[Entry]> = runs::runs(rest)
            .take_while(|run| {
                let wanted = entries < count;
                entries += if wanted { run.len() } else { 0 };
                wanted
            })
            .collect();
        self.writing = self.written + entries;
        statements.index.add(&now)?;
        if self.writing < self.sealed.len() {
            return Ok(());
        }
        let last = self.sealed.iter().map(|(_, position)| *position).max();
        last.map_or(Ok(()), |last| statements.index.move_mark(last))
    }
}
