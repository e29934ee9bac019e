//! What processes remember: one small `SQLite` file, `processes.db`.
//!
//! | table | holds |
//! | --- | --- |
//! | position | per process and source: everything up to here was handled or parked |
//! | parked | events that could not be handled, and those of their streams that wait behind them |
//! | timer | what falls due at a time |
//!
//! It may lag behind the log after a crash (`synchronous=NORMAL`): the events in between are handled once more.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::kernel::{Moment, Position};

/// The store cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Of the file.
    #[error("process store: {0}")]
    File(#[from] rusqlite::Error),
    /// Of several servers on one log, only the one that runs the processes may change what is parked.
    #[error("another server runs the processes now: ask that one")]
    Elsewhere,
}

/// An event that a process could not handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// The process.
    pub process: String,
    /// The service whose log holds it.
    pub service: String,
    /// Where.
    pub position: Position,
    /// Its stream.
    pub stream: String,
    /// Its type.
    pub event_type: String,
    /// What went wrong; empty where it waits behind another of its stream.
    pub cause: String,
    /// When it was parked.
    pub parked_at: Moment,
}

/// Something that falls due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// What it is about; one timer a key.
    pub key: String,
    /// When.
    pub due: Moment,
    /// What its process wants to know then.
    pub payload: String,
}

/// See the module.
pub struct ProcessStore {
    // Every statement takes microseconds (no sync, one row), so a plain lock serves better than a thread.
    connection: Mutex<Connection>,
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS position (
    process TEXT NOT NULL, service TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (process, service)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parked (
    process TEXT NOT NULL, service TEXT NOT NULL, position INTEGER NOT NULL, stream TEXT NOT NULL,
    event_type TEXT NOT NULL, cause TEXT NOT NULL, parked_at INTEGER NOT NULL,
    PRIMARY KEY (process, service, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS parked_stream ON parked (process, service, stream);
CREATE TABLE IF NOT EXISTS timer (
    process TEXT NOT NULL, key TEXT NOT NULL, due INTEGER NOT NULL, payload TEXT NOT NULL, PRIMARY KEY (process, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS timer_due ON timer (process, due);
";

impl ProcessStore {
    /// Opens or makes `processes.db` in `dir`.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(dir.join("processes.db"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "cache_size", -256)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self {
            connection: Mutex::new(connection),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic while the lock is held leaves a rolled-back transaction, nothing half done.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How far `process` is in the log of `service`.
    pub fn position(&self, process: &str, service: &str) -> Result<Position, StoreError> {
        let found = self
            .lock()
            .prepare_cached("SELECT position FROM position WHERE process = ?1 AND service = ?2")?
            .query_row(params![process, service], |row| row.get::<_, i64>(0))
            .optional()?;
        Ok(found.map_or(Position::START, |position| {
            Position(position.unsigned_abs())
        }))
    }

    /// The furthest that any process is in the log of `service`.
    pub fn reached(&self, service: &str) -> Result<Position, StoreError> {
        let furthest: Option<i64> = self.lock().query_row(
            "SELECT max(position) FROM position WHERE service = ?1",
            [service],
            |row| row.get(0),
        )?;
        Ok(furthest.map_or(Position::START, |position| {
            Position(position.unsigned_abs())
        }))
    }

    /// Forgets everything: all events are looked at again.
    pub fn forget(&self) -> Result<(), StoreError> {
        self.lock().execute_batch(
            "BEGIN; DELETE FROM position; DELETE FROM parked; DELETE FROM timer; COMMIT;",
        )?;
        Ok(())
    }

    /// Commits that everything up to `position` was handled, or is in `parked`.
    pub fn commit(
        &self,
        process: &str,
        service: &str,
        position: Position,
        parked: &[ParkedEvent],
    ) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        for event in parked {
            park(&transaction, event)?;
        }
        put_position(&transaction, process, service, position)?;
        transaction.commit()?;
        Ok(())
    }

    /// The streams of `service` that wait behind a parked event of `process`.
    pub fn blocked_streams(&self, process: &str, service: &str) -> Result<Vec<String>, StoreError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached(
            "SELECT DISTINCT stream FROM parked WHERE process = ?1 AND service = ?2",
        )?;
        let streams = select
            .query_map(params![process, service], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(streams)
    }

    /// Takes over what another server has come to: position and parked events of one process in one service.
    pub(super) fn adopt(
        &self,
        process: &str,
        service: &str,
        position: Position,
        parked: &[ParkedEvent],
    ) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction
            .prepare_cached("DELETE FROM parked WHERE process = ?1 AND service = ?2")?
            .execute(params![process, service])?;
        for event in parked {
            park(&transaction, event)?;
        }
        put_position(&transaction, process, service, position)?;
        transaction.commit()?;
        Ok(())
    }

    /// Everything that `process` has parked of `service`, in order.
    pub(super) fn parked_of(
        &self,
        process: &str,
        service: &str,
    ) -> Result<Vec<ParkedEvent>, StoreError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached(
            "SELECT process, service, position, stream, event_type, cause, parked_at FROM parked
             WHERE process = ?1 AND service = ?2 ORDER BY position",
        )?;
        let rows = select
            .query_map(params![process, service], parked_row)?
            .collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// What is parked, oldest first: of one process, or of all; at most `limit`, after the first `offset`.
    pub fn parked(
        &self,
        process: Option<&str>,
        limit: usize,
        offset: usize,
    ) -> Result<Vec<ParkedEvent>, StoreError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached(
            "SELECT process, service, position, stream, event_type, cause, parked_at FROM parked
             WHERE ?1 IS NULL OR process = ?1 ORDER BY parked_at, process, service, position LIMIT ?2 OFFSET ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        let rows = select
            .query_map(params![process, limit, offset], parked_row)?
            .collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// The parked events of one stream, in order.
    pub fn parked_of_stream(
        &self,
        process: &str,
        service: &str,
        stream: &str,
    ) -> Result<Vec<ParkedEvent>, StoreError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached(
            "SELECT process, service, position, stream, event_type, cause, parked_at FROM parked
             WHERE process = ?1 AND service = ?2 AND stream = ?3 ORDER BY position",
        )?;
        let rows = select
            .query_map(params![process, service, stream], parked_row)?
            .collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// At most `limit` parked events of `process`, by service and position, from after the given one on.
    pub fn parked_after(
        &self,
        process: &str,
        after: Option<(&str, Position)>,
        limit: usize,
    ) -> Result<Vec<ParkedEvent>, StoreError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached(
            "SELECT process, service, position, stream, event_type, cause, parked_at FROM parked
             WHERE process = ?1 AND (service, position) > (?2, ?3) ORDER BY service, position LIMIT ?4",
        )?;
        let (service, position) = after.unwrap_or(("", Position::START));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = select
            .query_map(
                params![process, service, number(position), limit],
                parked_row,
            )?
            .collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// How many events of `process` are parked.
    pub fn parked_count(&self, process: &str) -> Result<u64, StoreError> {
        let count: i64 = self
            .lock()
            .prepare_cached("SELECT count(*) FROM parked WHERE process = ?1")?
            .query_row([process], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Takes an event off the list: it was handled, or an operator passes it over.
    pub fn unpark(
        &self,
        process: &str,
        service: &str,
        position: Position,
    ) -> Result<bool, StoreError> {
        let gone = self
            .lock()
            .prepare_cached(
                "DELETE FROM parked WHERE process = ?1 AND service = ?2 AND position = ?3",
            )?
            .execute(params![process, service, number(position)])?;
        Ok(gone > 0)
    }

    /// Says anew why an event is parked.
    pub fn repark(&self, event: &ParkedEvent) -> Result<(), StoreError> {
        park(&self.lock(), event)
    }

    /// Sets (or moves) a timer.
    pub fn set_timer(&self, process: &str, timer: &Timer) -> Result<(), StoreError> {
        self.lock()
            .prepare_cached(
                "INSERT INTO timer VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET due = excluded.due, payload = excluded.payload",
            )?
            .execute(params![
                process,
                timer.key,
                timer.due.unix_micros(),
                timer.payload
            ])?;
        Ok(())
    }

    /// What is due by `now`, soonest first.
    pub fn due_timers(
        &self,
        process: &str,
        now: Moment,
        limit: u32,
    ) -> Result<Vec<Timer>, StoreError> {
        let connection = self.lock();
        let mut select = connection
            .prepare_cached("SELECT key, due, payload FROM timer WHERE process = ?1 AND due <= ?2 ORDER BY due LIMIT ?3")?;
        let timers = select
            .query_map(params![process, now.unix_micros(), limit], |row| {
                Ok(Timer {
                    key: row.get(0)?,
                    due: Moment::from_unix_micros(row.get(1)?).unwrap_or(Moment::EPOCH),
                    payload: row.get(2)?,
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(timers)
    }

    /// Forgets a timer.
    pub fn clear_timer(&self, process: &str, key: &str) -> Result<(), StoreError> {
        self.lock()
            .prepare_cached("DELETE FROM timer WHERE process = ?1 AND key = ?2")?
            .execute([process, key])?;
        Ok(())
    }
}

fn put_position(
    connection: &Connection,
    process: &str,
    service: &str,
    position: Position,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO position VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET position = excluded.position",
        )?
        .execute(params![process, service, number(position)])?;
    Ok(())
}

fn park(connection: &Connection, event: &ParkedEvent) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO parked VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET cause = excluded.cause",
        )?
        .execute(params![
            event.process,
            event.service,
            number(event.position),
            event.stream,
            event.event_type,
            event.cause,
            event.parked_at.unix_micros()
        ])?;
    Ok(())
}

fn parked_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<ParkedEvent> {
    Ok(ParkedEvent {
        process: row.get(0)?,
        service: row.get(1)?,
        position: Position(row.get::<_, i64>(2)?.unsigned_abs()),
        stream: row.get(3)?,
        event_type: row.get(4)?,
        cause: row.get(5)?,
        parked_at: Moment::from_unix_micros(row.get(6)?).unwrap_or(Moment::EPOCH),
    })
}

/// Positions are at most `i64::MAX` (see [`crate::kernel::Revision`]).
fn number(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}
