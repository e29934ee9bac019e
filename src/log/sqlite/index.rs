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

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rusqlite::{Connection, Result};

use super::rows::{Statements, from_column};
use crate::kernel::Revision;

/// Entries of the sealed generation that a commit writes for each event of its own: it is written long before the next
/// one is full.
const WRITTEN_PER_EVENT: usize = 2;

/// The same, whatever the commit's size.
const WRITTEN_AT_LEAST: usize = 32;

/// The same where somebody waits for it: the log is closed or scavenged.
const WRITTEN_AT_ONCE: usize = 8_192;

/// A stream's number and a revision.
type Key = (i64, Revision);

/// The entries in memory, shared by the writer and the readers.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    generations: RwLock<Generations>,
    /// Entries of the young generation when it is sealed.
    full: usize,
}

#[derive(Debug, Default)]
struct Generations {
    young: BTreeMap<Key, u64>,
    /// In order. Some of them are in the table already.
    sealed: Arc<[(Key, u64)]>,
}

impl Unwritten {
    /// Those of events behind the mark. `full` is the size of a generation.
    pub(super) fn load(connection: &Connection, full: usize) -> Result<Self> {
        let mut statement = connection.prepare(
            "SELECT stream, revision, position FROM events WHERE position > (SELECT max(position) FROM indexed)",
        )?;
        let entries = statement.query_map([], |row| {
            let revision = from_column(row.get(1)?);
            Ok(((row.get(0)?, revision), from_column(row.get(2)?)))
        })?;
        let young = entries.collect::<Result<_>>()?;
        let sealed = Arc::default();
        Ok(Self {
            generations: RwLock::new(Generations { young, sealed }),
            full,
        })
    }

    /// Revisions and positions of a stream's events from a revision on, in order.
    pub(super) fn of_stream(&self, stream: i64, from: Revision) -> Vec<(Revision, u64)> {
        let generations = self.read();
        let old = generations.sealed_between((stream, from), (stream, Revision::MAX));
        let young = generations
            .young
            .range((stream, from)..=(stream, Revision::MAX));
        let old = old.iter().map(|((_, revision), at)| (*revision, *at));
        let young = young.map(|((_, revision), at)| (*revision, *at));
        old.chain(young).collect()
    }

    /// The last revision of a stream and its position.
    pub(super) fn last(&self, stream: i64) -> Option<(Revision, u64)> {
        let generations = self.read();
        let whole = (stream, 0)..=(stream, Revision::MAX);
        let young = generations.young.range(whole).next_back();
        let last = young.map(|(key, at)| (key.1, *at));
        last.or_else(|| {
            let old = generations.sealed_between((stream, 0), (stream, Revision::MAX));
            old.last().map(|(key, at)| (key.1, *at))
        })
    }

    fn at(&self, key: Key) -> Option<u64> {
        let generations = self.read();
        let young = generations.young.get(&key).copied();
        young.or_else(|| {
            generations
                .sealed_between(key, key)
                .first()
                .map(|entry| entry.1)
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Generations> {
        self.generations
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Generations> {
        self.generations
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Before a log is written to: the mark is the position of an event, or was before the scavenger, and that event must be in
/// the table. Otherwise a revision might be given twice.
pub(super) fn check_mark(connection: &Connection) -> Result<()> {
    let wrong: Option<i64> = connection.query_row(
        "SELECT (SELECT position FROM indexed WHERE position > (SELECT coalesce(max(position), 0) FROM events)
                 UNION ALL
                 SELECT e.position FROM indexed m JOIN events e ON e.position = m.position
                 LEFT JOIN stream_index i ON i.stream = e.stream AND i.revision = e.revision
                 WHERE i.position IS NOT e.position)",
        [],
        |row| row.get(0),
    )?;
    match wrong {
        Some(mark) => Err(corrupt(format!(
            "the stream index is said to go to position {mark}, and does not"
        ))),
        None => Ok(()),
    }
}

pub(super) fn corrupt(what: String) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(what))
}

impl Generations {
    /// Both ends included.
    fn sealed_between(&self, first: Key, last: Key) -> &[(Key, u64)] {
        let from = self.sealed.partition_point(|(key, _)| *key < first);
        let to = self.sealed.partition_point(|(key, _)| *key <= last);
        self.sealed.get(from..to).unwrap_or_default()
    }
}

/// The index as the writer sees it: its transaction's own entries too.
pub(super) struct StreamIndex {
    unwritten: Arc<Unwritten>,
    own: BTreeMap<Key, u64>,
    sealed: Arc<[(Key, u64)]>,
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
            own: BTreeMap::new(),
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
        self.own.insert((stream, revision), position);
    }

    /// Where the event lies.
    pub(super) fn at(
        &self,
        statements: &mut Statements<'_>,
        stream: i64,
        revision: Revision,
    ) -> Result<Option<u64>> {
        let key = (stream, revision);
        let known = self.own.get(&key).copied();
        match known.or_else(|| self.unwritten.at(key)) {
            Some(position) => Ok(Some(position)),
            None => statements.indexed_at(stream, revision),
        }
    }

    /// The stream's last revision.
    pub(super) fn last(
        &self,
        statements: &mut Statements<'_>,
        stream: i64,
    ) -> Result<Option<Revision>> {
        let whole = (stream, 0)..=(stream, Revision::MAX);
        let own = self.own.range(whole).next_back().map(|(key, _)| key.1);
        let known = || self.unwritten.last(stream).map(|(last, _)| last);
        match own.or_else(known) {
            Some(last) => Ok(Some(last)),
            None => statements.indexed_last(stream),
        }
    }

    /// Revisions and positions of the stream's last events, in order.
    pub(super) fn lasts(
        &self,
        statements: &mut Statements<'_>,
        stream: i64,
        limit: usize,
    ) -> Result<Vec<(Revision, u64)>> {
        let mut found = statements.indexed_lasts(stream, limit)?;
        found.reverse();
        let next = found.last().map_or(0, |(last, _)| last.saturating_add(1));
        found.extend(self.unwritten.of_stream(stream, next));
        let own = self.own.range((stream, 0)..=(stream, Revision::MAX));
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
        generations.young.extend(std::mem::take(&mut self.own));
        let hurried = std::mem::take(&mut self.hurry) && !generations.young.is_empty();
        if !done {
            return;
        }
        if hurried || generations.young.len() >= unwritten.full {
            self.seal(&mut generations);
        } else if !self.sealed.is_empty() {
            generations.sealed = Arc::default();
            self.take(&generations);
        }
    }

    /// Whether the table has everything.
    pub(super) fn is_written(&self) -> bool {
        self.written == self.sealed.len() && self.unwritten.read().young.is_empty()
    }

    fn seal(&mut self, generations: &mut Generations) {
        let young = std::mem::take(&mut generations.young);
        generations.sealed = young.into_iter().collect();
        self.take(generations);
    }

    fn take(&mut self, generations: &Generations) {
        self.sealed = Arc::clone(&generations.sealed);
        self.written = 0;
        self.writing = 0;
    }

    /// Writes `count` entries of the sealed generation, and with the last of them the mark.
    fn write(&mut self, statements: &mut Statements<'_>, count: usize) -> Result<()> {
        let rest = self.sealed.get(self.written..).unwrap_or_default();
        let now = rest.get(..count).unwrap_or(rest);
        self.writing = self.written + now.len();
        for ((stream, revision), position) in now {
            statements.index(*stream, *revision, *position)?;
        }
        if self.writing < self.sealed.len() {
            return Ok(());
        }
        let last = self.sealed.iter().map(|(_, position)| *position).max();
        last.map_or(Ok(()), |last| statements.mark_indexed(last))
    }
}
