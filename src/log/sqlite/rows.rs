//! Every statement the writer runs, and how numbers of ours become SQLite's.

use rusqlite::{Connection, OptionalExtension, Result, Statement, params};
use uuid::Uuid;

use crate::kernel::Revision;
use crate::log::canonical::Digest;

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
    new_stream: Statement<'c>,
    stream_id: Statement<'c>,
    last_revision: Statement<'c>,
    type_id: Statement<'c>,
    new_type: Statement<'c>,
    at_revision: Statement<'c>,
    recent_ids: Statement<'c>,
    payload: Statement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Result<Self> {
        let prepare = |sql| connection.prepare(sql);
        Ok(Self {
            connection,
            begin: prepare("BEGIN IMMEDIATE")?,
            commit: prepare("COMMIT")?,
            insert: prepare(
                "INSERT INTO events (position, stream, revision, type, json, recorded, id, digest, data, metadata)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?,
            new_stream: prepare("INSERT INTO streams (name) VALUES (?1)")?,
            stream_id: prepare("SELECT id FROM streams WHERE name = ?1")?,
            last_revision: prepare("SELECT max(revision) FROM events WHERE stream = ?1")?,
            type_id: prepare("SELECT id FROM types WHERE name = ?1")?,
            new_type: prepare("INSERT INTO types (name) VALUES (?1)")?,
            at_revision: prepare(
                "SELECT id, position FROM events WHERE stream = ?1 AND revision = ?2",
            )?,
            recent_ids: prepare(
                "SELECT id, revision FROM events WHERE stream = ?1 ORDER BY revision DESC LIMIT ?2",
            )?,
            payload: prepare(
                "SELECT json, data FROM events WHERE stream = ?1 AND revision = ?2",
            )?,
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

    pub(super) fn insert(&mut self, row: &Row<'_>) -> Result<()> {
        self.insert
            .execute(params![
                to_column(row.position),
                row.stream,
                to_column(row.revision),
                row.event_type,
                row.is_json,
                row.recorded_micros,
                row.id.as_bytes(),
                row.digest,
                row.data,
                row.metadata,
            ])
            .map(drop)
    }

    /// Writes positions down as scavenged, both included: their rows may then be deleted.
    pub(super) fn mark_scavenged(&self, first: u64, last: u64) -> Result<()> {
        self.connection
            .prepare_cached("INSERT INTO scavenged (first, last) VALUES (?1, ?2)")?
            .execute([to_column(first), to_column(last)])
            .map(drop)
    }

    /// Deletes rows that were written down before.
    pub(super) fn delete_between(&self, first: u64, last: u64) -> Result<()> {
        self.connection
            .prepare_cached("DELETE FROM events WHERE position BETWEEN ?1 AND ?2")?
            .execute([to_column(first), to_column(last)])
            .map(drop)
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

    pub(super) fn new_stream(&mut self, name: &str) -> Result<i64> {
        self.new_stream.insert([name])
    }

    pub(super) fn stream_id(&mut self, name: &str) -> Result<Option<i64>> {
        self.stream_id
            .query_row([name], |row| row.get(0))
            .optional()
    }

    pub(super) fn last_revision(&mut self, stream: i64) -> Result<Option<Revision>> {
        let last: Option<i64> = self.last_revision.query_row([stream], |row| row.get(0))?;
        Ok(last.map(from_column))
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

    /// Id and position of the event there.
    pub(super) fn at_revision(
        &mut self,
        stream: i64,
        revision: Revision,
    ) -> Result<Option<(Uuid, u64)>> {
        self.at_revision
            .query_row(params![stream, to_column(revision)], |row| {
                Ok((to_uuid(row.get_ref(0)?), from_column(row.get(1)?)))
            })
            .optional()
    }

    /// The last ids of a stream, oldest first.
    pub(super) fn recent_ids(&mut self, stream: i64, limit: usize) -> Result<Vec<(Uuid, u64)>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.recent_ids.query_map(params![stream, limit], |row| {
            Ok((to_uuid(row.get_ref(0)?), from_column(row.get(1)?)))
        })?;
        let mut ids = rows.collect::<Result<Vec<_>>>()?;
        ids.reverse();
        Ok(ids)
    }

    /// Whether the event there is JSON, and its data.
    pub(super) fn payload(
        &mut self,
        stream: i64,
        revision: Revision,
    ) -> Result<Option<(bool, Vec<u8>)>> {
        self.payload
            .query_row(params![stream, to_column(revision)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
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
