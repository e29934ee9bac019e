//! Every statement the writer runs, and how numbers of ours become SQLite's.

use rusqlite::{Connection, OptionalExtension, Result, Statement};
use uuid::Uuid;

use super::group::ROWS;
use super::index_table::IndexTable;
use super::removed::{self, Note};
use crate::kernel::Revision;
use crate::log::canonical::Digest;

const INSERT: &str = "INSERT INTO events (position, stream, revision, type, json, recorded, id, digest, data, metadata) VALUES ";

/// Columns of an event.
const COLUMNS: usize = 10;

/// Columns of a row to insert.
pub(super) struct Row<'a> {
    pub(super) position: u64,
    pub(super) stream: i64,
    pub(super) revision: Revision,
    pub(super) event_type: i64,
    pub(super) is_json: bool,
    pub(super) recorded_micros: i64,
    pub(super) id: Uuid,
    pub(super) digest: &'a Digest,
    pub(super) data: &'a [u8],
    pub(super) metadata: &'a [u8],
}

/// The writer's prepared statements.
pub(super) struct Statements<'c> {
    connection: &'c Connection,
    begin: Statement<'c>,
    commit: Statement<'c>,
    insert: Statement<'c>,
    insert_all: Statement<'c>,
    new_stream: Statement<'c>,
    stream_id: Statement<'c>,
    pub(super) index: IndexTable<'c>,
    type_id: Statement<'c>,
    new_type: Statement<'c>,
    id_at: Statement<'c>,
    payload: Statement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Result<Self> {
        let prepare = |sql: &str| connection.prepare(sql);
        Ok(Self {
            connection,
            begin: prepare("BEGIN IMMEDIATE")?,
            commit: prepare("COMMIT")?,
            insert: prepare(&values(INSERT, COLUMNS, 1))?,
            insert_all: prepare(&values(INSERT, COLUMNS, ROWS))?,
            new_stream: prepare("INSERT INTO streams (name) VALUES (?1)")?,
            stream_id: prepare("SELECT id FROM streams WHERE name = ?1")?,
            index: IndexTable::prepare(connection)?,
            type_id: prepare("SELECT id FROM types WHERE name = ?1")?,
            new_type: prepare("INSERT INTO types (name) VALUES (?1)")?,
            id_at: prepare("SELECT id FROM events WHERE position = ?1")?,
            payload: prepare("SELECT json, data FROM events WHERE position = ?1")?,
        })
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        self.begin.execute([]).map(drop)
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        self.commit.execute([]).map(drop)
    }

    /// Gives up the transaction under way, if there is one.
    pub(super) fn rollback(&self) -> Result<()> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.execute_batch("ROLLBACK")
    }

    /// Inserts events, at most [`ROWS`].
    pub(super) fn insert<'e>(
        &mut self,
        rows: impl ExactSizeIterator<Item = Row<'e>>,
    ) -> Result<()> {
        if rows.len() == ROWS {
            for (at, row) in rows.enumerate() {
                row.bind(&mut self.insert_all, at * COLUMNS)?;
            }
            return self.insert_all.raw_execute().map(drop);
        }
        for row in rows {
            row.bind(&mut self.insert, 0)?;
            self.insert.raw_execute()?;
        }
        Ok(())
    }

    /// Writes positions down as scavenged, both included: their rows may then be deleted.
    pub(super) fn mark_scavenged(&self, first: u64, last: u64) -> Result<()> {
        self.connection
            .prepare_cached("INSERT INTO scavenged (first, last) VALUES (?1, ?2)")?
            .execute([to_column(first), to_column(last)])
            .map(drop)
    }

    /// Writes positions down as scavenged, both included, of whose events nothing is known.
    pub(super) fn mark_missing(&self, first: u64, last: u64) -> Result<()> {
        self.mark_scavenged(first, last)?;
        removed::add_uncounted(self.connection, to_column(last - first + 1))
    }

    /// Writes down what another log knows of a removed event.
    pub(super) fn take_over(&self, note: Note) -> Result<()> {
        removed::take_over(self.connection, note)
    }

    /// Writes down what the events between these positions are, which are about to be deleted.
    pub(super) fn note_removed(&self, first: u64, last: u64) -> Result<()> {
        removed::note(self.connection, first, last)
    }

    /// Deletes rows that were written down before, and the runs of the stream index that have no other events.
    pub(super) fn delete_between(&self, first: u64, last: u64) -> Result<()> {
        let between = [to_column(first), to_column(last)];
        let touched = self.index.runs_of(between)?;
        self.connection
            .prepare_cached("DELETE FROM events WHERE position BETWEEN ?1 AND ?2")?
            .execute(between)?;
        touched
            .iter()
            .try_for_each(|(stream, run)| self.index.delete_if_empty(*stream, run))
    }

    /// Gives at most so many free pages back to the file system.
    pub(super) fn give_back(&self, pages: u32) -> Result<()> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut rows = statement.query([])?;
        // One step a page.
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// Whether any stream ever had metadata.
    pub(super) fn has_metastreams(&self) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM streams WHERE name >= '$$' AND name < '$%')";
        self.connection.query_row(sql, [], |row| row.get(0))
    }

    pub(super) fn new_stream(&mut self, name: &str) -> Result<i64> {
        self.new_stream.insert([name])
    }

    pub(super) fn stream_id(&mut self, name: &str) -> Result<Option<i64>> {
        self.stream_id
            .query_row([name], |row| row.get(0))
            .optional()
    }

    /// The number of an event type, a new one if need be.
    pub(super) fn intern_type(&mut self, name: &str) -> Result<i64> {
        match self
            .type_id
            .query_row([name], |row| row.get(0))
            .optional()?
        {
            Some(id) => Ok(id),
            None => self.new_type.insert([name]),
        }
    }

    /// The id of the event at a position.
    pub(super) fn id_at(&mut self, position: u64) -> Result<Option<Uuid>> {
        self.id_at
            .query_row([to_column(position)], |row| Ok(to_uuid(row.get_ref(0)?)))
            .optional()
    }

    /// Whether the event at a position is JSON, and its data.
    pub(super) fn payload(&mut self, position: u64) -> Result<Option<(bool, Vec<u8>)>> {
        self.payload
            .query_row([to_column(position)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    }
}

/// A statement that writes `rows` rows of `columns` columns.
pub(super) fn values(insert: &str, columns: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    format!("{insert}{}", vec![row; rows].join(","))
}

impl Row<'_> {
    /// Binds the row behind so many parameters.
    fn bind(&self, statement: &mut Statement<'_>, before: usize) -> Result<()> {
        statement.raw_bind_parameter(before + 1, to_column(self.position))?;
        statement.raw_bind_parameter(before + 2, self.stream)?;
        statement.raw_bind_parameter(before + 3, to_column(self.revision))?;
        statement.raw_bind_parameter(before + 4, self.event_type)?;
        statement.raw_bind_parameter(before + 5, self.is_json)?;
        statement.raw_bind_parameter(before + 6, self.recorded_micros)?;
        statement.raw_bind_parameter(before + 7, self.id.as_bytes())?;
        statement.raw_bind_parameter(before + 8, self.digest)?;
        statement.raw_bind_parameter(before + 9, self.data)?;
        statement.raw_bind_parameter(before + COLUMNS, self.metadata)
    }
}

/// SQLite's integers are signed; positions and revisions stay below `i64::MAX`.
pub(super) fn to_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A negative number was never written: it becomes one that nothing matches.
pub(super) fn from_column(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn to_uuid(value: rusqlite::types::ValueRef<'_>) -> Uuid {
    let bytes = value.as_blob().unwrap_or_default();
    // What is not 16 bytes long equals no id that was sent: those are not nil.
    Uuid::from_slice(bytes).unwrap_or(Uuid::nil())
}
