//! The entries of the stream index that are in memory only, shared by the writer and the readers.
//!
//! ```text
//!   transaction's own ──commit──> young, by stream ──full──> sealed, in order ──some a commit──> table stream_index
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::fast::RandomState;
use rusqlite::{Connection, Result};

use super::rows::from_column;
use crate::kernel::{Position, Revision};

/// A stream's number and a revision.
pub(super) type Key = (i64, Revision);

/// Where an event lies.
pub(super) type Entry = (Key, u64);

/// What is in memory.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    generations: RwLock<Generations>,
    /// The last position that is durable: entries beyond it are the writer's.
    shown: AtomicU64,
    /// Entries of the young generation when it is sealed.
    full: usize,
}

/// The young entries, and those that are being written.
#[derive(Debug, Default)]
pub(super) struct Generations {
    young: Young,
    /// In order. Some of them are in the table already.
    pub(super) sealed: Arc<[Entry]>,
}

/// Entries by their streams: an append finds its place without a search.
#[derive(Debug, Default)]
struct Young {
    streams: HashMap<i64, Run, RandomState>,
    entries: usize,
}

/// Revisions of one stream and their positions, in order. Most streams have one here.
#[derive(Debug)]
enum Run {
    One((Revision, u64)),
    Many(Vec<(Revision, u64)>),
}

impl Unwritten {
    /// Those of events behind the mark, up to the log's end. `full` is the size of a generation.
    pub(super) fn load(connection: &Connection, head: Position, full: usize) -> Result<Self> {
        let mut statement = connection.prepare(
            "SELECT stream, revision, position FROM events WHERE position > (SELECT max(position) FROM indexed)",
        )?;
        let entries = statement.query_map([], |row| {
            let revision = from_column(row.get(1)?);
            Ok(((row.get(0)?, revision), from_column(row.get(2)?)))
        })?;
        // In order whatever is there, each key once.
        let entries: BTreeMap<Key, u64> = entries.collect::<Result<_>>()?;
        let mut generations = Generations::default();
        generations.add(entries);
        Ok(Self {
            generations: RwLock::new(generations),
            shown: AtomicU64::new(head.0),
            full,
        })
    }

    /// Up to which position readers are shown entries.
    pub(super) fn shown(&self) -> Position {
        Position(self.shown.load(Ordering::Acquire))
    }

    /// Events up to here are durable.
    pub(super) fn show(&self, up_to: Position) {
        self.shown.store(up_to.0, Ordering::Release);
    }

    /// Revisions and positions of a stream's events from a revision on and up to a position, in order.
    pub(super) fn of_stream(
        &self,
        stream: i64,
        from: Revision,
        up_to: Position,
    ) -> Vec<(Revision, u64)> {
        let generations = self.read();
        let old = generations.sealed_between((stream, from), (stream, Revision::MAX));
        let young = shown(generations.young.of(stream), up_to);
        let first = young.partition_point(|(revision, _)| *revision < from);
        let young = young.get(first..).unwrap_or_default();
        let old = old.iter().map(|((_, revision), at)| (*revision, *at));
        old.chain(young.iter().copied()).collect()
    }

    /// The last revision of a stream up to a position, and where it lies.
    pub(super) fn last(&self, stream: i64, up_to: Position) -> Option<(Revision, u64)> {
        let generations = self.read();
        let last = shown(generations.young.of(stream), up_to).last().copied();
        last.or_else(|| {
            let old = generations.sealed_between((stream, 0), (stream, Revision::MAX));
            old.last().map(|(key, at)| (key.1, *at))
        })
    }

    /// Where the event lies.
    pub(super) fn at(&self, key: Key) -> Option<u64> {
        let generations = self.read();
        let young = generations.young.of(key.0);
        let place = young.binary_search_by_key(&key.1, |(revision, _)| *revision);
        let found = place.ok().and_then(|place| young.get(place));
        found.map(|(_, at)| *at).or_else(|| {
            let old = generations.sealed_between(key, key);
            old.first().map(|(_, at)| *at)
        })
    }

    /// Whether a young generation is to be sealed.
    pub(super) fn is_full(&self, generations: &Generations) -> bool {
        generations.young.entries >= self.full
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Generations> {
        self.generations
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Generations> {
        self.generations
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    /// Adds entries, those of a stream in order.
    pub(super) fn add(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for ((stream, revision), position) in entries {
            self.young.add(stream, (revision, position));
        }
    }

    /// Whether nothing is young.
    pub(super) fn is_sealed(&self) -> bool {
        self.young.entries == 0
    }

    /// Puts the young entries up to a position in order, in the place of those that were. Whoever finds an entry among them,
    /// or in the table later, may see its event.
    pub(super) fn seal(&mut self, up_to: Position) {
        let young = std::mem::take(&mut self.young);
        let mut sealed = Vec::with_capacity(young.entries);
        let mut streams: Vec<(i64, Run)> = young.streams.into_iter().collect();
        streams.sort_unstable_by_key(|(stream, _)| *stream);
        for (stream, run) in &streams {
            let durable = shown(run.as_slice(), up_to);
            let rest = run.as_slice().get(durable.len()..).unwrap_or_default();
            sealed.extend(
                durable
                    .iter()
                    .map(|(revision, at)| ((*stream, *revision), *at)),
            );
            for entry in rest {
                self.young.add(*stream, *entry);
            }
        }
        self.sealed = sealed.into();
    }

    /// Both ends included.
    fn sealed_between(&self, first: Key, last: Key) -> &[Entry] {
        let from = self.sealed.partition_point(|(key, _)| *key < first);
        let to = self.sealed.partition_point(|(key, _)| *key <= last);
        self.sealed.get(from..to).unwrap_or_default()
    }
}

/// Those up to a position: a stream's later events lie behind its earlier ones.
fn shown(run: &[(Revision, u64)], up_to: Position) -> &[(Revision, u64)] {
    let count = run.partition_point(|(_, at)| *at <= up_to.0);
    run.get(..count).unwrap_or_default()
}

impl Young {
    fn of(&self, stream: i64) -> &[(Revision, u64)] {
        self.streams
            .get(&stream)
            .map(Run::as_slice)
            .unwrap_or_default()
    }

    fn add(&mut self, stream: i64, entry: (Revision, u64)) {
        self.entries += 1;
        self.streams
            .entry(stream)
            .and_modify(|run| run.push(entry))
            .or_insert(Run::One(entry));
    }
}

impl Run {
    fn as_slice(&self) -> &[(Revision, u64)] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(entries) => entries,
        }
    }

    fn push(&mut self, entry: (Revision, u64)) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, entry]),
            Self::Many(entries) => entries.push(entry),
        }
    }
}
