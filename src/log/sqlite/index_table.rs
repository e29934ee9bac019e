//! The table of the stream index as the writer has it: every statement on it. What a row says: [`runs`].

use rusqlite::{Connection, Result, Statement};

use super::rows::{from_column, to_column, values};
use super::runs::{self, Run};
use super::unwritten::Entry;
use crate::kernel::Revision;

/// A group that fails is rolled back whole: `OR FAIL` spares SQLite its journal of the statement alone.
const INSERT: &str = "INSERT OR FAIL INTO stream_index (stream, revision, position, rest) VALUES ";

/// Rows that one statement writes.
const RUNS: usize = 32;

/// Columns of such a row.
const RUN_COLUMNS: usize = 4;

/// A repeated run is no error; whether it is the same is looked at then.
const UNLESS_THERE: &str = " ON CONFLICT DO NOTHING";

/// The writer's prepared statements on the table.
pub(super) struct IndexTable<'c> {
    connection: &'c Connection,
    insert: Statement<'c>,
    insert_all: Statement<'c>,
    mark: Statement<'c>,
    runs_below: Statement<'c>,
    rest: Vec<u8>,
}

impl<'c> IndexTable<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Result<Self> {
        let insert = |rows| values(INSERT, RUN_COLUMNS, rows) + UNLESS_THERE;
        Ok(Self {
            connection,
            insert: connection.prepare(&insert(1))?,
            insert_all: connection.prepare(&insert(RUNS))?,
            mark: connection.prepare("UPDATE indexed SET position = ?1")?,
            runs_below: connection.prepare(runs::DOWNWARDS)?,
            rest: Vec::new(),
        })
    }

    /// Adds runs, unless they are there.
    pub(super) fn add(&mut self, runs: &[&[Entry]]) -> Result<()> {
        let mut chunks = runs.chunks_exact(RUNS);
        for chunk in &mut chunks {
            for (at, run) in chunk.iter().enumerate() {
                bind_run(&mut self.insert_all, at * RUN_COLUMNS, run, &mut self.rest)?;
            }
            if self.insert_all.raw_execute()? < RUNS {
                chunk.iter().try_for_each(|run| self.complete(run))?;
            }
        }
        chunks
            .remainder()
            .iter()
            .try_for_each(|run| self.add_run(run))
    }

    fn add_run(&mut self, run: &[Entry]) -> Result<()> {
        bind_run(&mut self.insert, 0, run, &mut self.rest)?;
        if self.insert.raw_execute()? == 0 {
            self.complete(run)?;
        }
        Ok(())
    }

    /// What was there is what would have been written, or, from before a crash, its beginning: then the rest is.
    fn complete(&mut self, run: &[Entry]) -> Result<()> {
        let Some(((stream, first), _)) = run.first() else {
            return Ok(());
        };
        let there = self.run_below(*stream, *first)?;
        let there = there.filter(|there| there.first() == *first);
        let there = there.iter().flat_map(Run::entries);
        let there: Vec<Entry> = there.map(|(at, lies)| ((*stream, at), lies)).collect();
        let rest = run.strip_prefix(there.as_slice());
        match rest.filter(|_| !there.is_empty()) {
            None => Err(super::index::corrupt(format!(
                "the run of stream number {stream} from revision {first} on is another one"
            ))),
            Some([]) => Ok(()),
            Some(rest) => self.add_run(rest),
        }
    }

    /// Writes down that every event up to this position has its entry.
    pub(super) fn move_mark(&mut self, position: u64) -> Result<()> {
        self.mark.execute([to_column(position)]).map(drop)
    }

    /// The last run of the table that begins at `revision` or before.
    fn run_below(&mut self, stream: i64, revision: Revision) -> Result<Option<Run>> {
        let mut rows = self.runs_below.query([stream, to_column(revision)])?;
        rows.next()?.map(Run::of).transpose()
    }

    /// Where an event lies.
    pub(super) fn at(&mut self, stream: i64, revision: Revision) -> Result<Option<u64>> {
        let run = self.run_below(stream, revision)?;
        Ok(run.and_then(|run| run.at(revision)))
    }

    /// A stream's last revision.
    pub(super) fn last(&mut self, stream: i64) -> Result<Option<Revision>> {
        let run = self.run_below(stream, Revision::MAX)?;
        Ok(run.map(|run| run.last().0))
    }

    /// A stream's last revisions, newest first, and their positions.
    pub(super) fn lasts(&mut self, stream: i64, limit: usize) -> Result<Vec<(Revision, u64)>> {
        let mut found = Vec::new();
        let mut rows = self.runs_below.query([stream, i64::MAX])?;
        while let Some(row) = rows.next()?.filter(|_| found.len() < limit) {
            found.extend(Run::of(row)?.entries().rev());
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The runs that lead to events between two positions.
    pub(super) fn runs_of(&self, between: [i64; 2]) -> Result<Vec<(i64, Run)>> {
        let mut events = self.connection.prepare_cached(
            "SELECT stream, revision FROM events WHERE position BETWEEN ?1 AND ?2 ORDER BY stream, revision",
        )?;
        let mut runs = self.connection.prepare_cached(runs::DOWNWARDS)?;
        let mut events = events.query(between)?;
        let mut found: Vec<(i64, Run)> = Vec::new();
        while let Some(event) = events.next()? {
            let (stream, revision) = (event.get(0)?, event.get(1)?);
            let of_last =
                |(of, run): &(i64, Run)| *of == stream && run.at(from_column(revision)).is_some();
            if found.last().is_some_and(of_last) {
                continue;
            }
            let mut rows = runs.query([stream, revision])?;
            if let Some(row) = rows.next()? {
                found.push((stream, Run::of(row)?));
            }
        }
        Ok(found)
    }

    /// Deletes a run if none of its events is left.
    pub(super) fn delete_if_empty(&self, stream: i64, run: &Run) -> Result<()> {
        let mut event = self
            .connection
            .prepare_cached("SELECT 1 FROM events WHERE position = ?1")?;
        // The scavenger takes the beginning: where the last one is left, no other has to be looked for.
        for (_, position) in run.entries().rev() {
            if event.exists([to_column(position)])? {
                return Ok(());
            }
        }
        self.connection
            .prepare_cached("DELETE FROM stream_index WHERE stream = ?1 AND revision = ?2")?
            .execute([stream, to_column(run.first())])
            .map(drop)
    }
}

fn bind_run(
    statement: &mut Statement<'_>,
    before: usize,
    run: &[Entry],
    rest: &mut Vec<u8>,
) -> Result<()> {
    let Some(((stream, revision), position)) = run.first() else {
        return Ok(());
    };
    runs::put_rest(run, rest);
    statement.raw_bind_parameter(before + 1, stream)?;
    statement.raw_bind_parameter(before + 2, to_column(*revision))?;
    statement.raw_bind_parameter(before + 3, to_column(*position))?;
    statement.raw_bind_parameter(before + RUN_COLUMNS, rest.as_slice())
}
