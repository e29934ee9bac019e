//! What processes remember: one small `SQLite` file, `processes.db`.
//!
//! | table | holds |
//! | --- | --- |
//! | position | per process and source: everything up to here was handled or parked |
//! | parked | events that could not be handled, and those of their streams that wait behind them |
//! | timer | what falls due at a time |
//!
//! It may lag behind the log after a crash (`synchronous=NORMAL`): the events in between are handled once more.

mod parked;
mod timers;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};

pub use self::parked::ParkedEvent;
use self::parked::park;
pub use self::timers::Timer;
use crate::kernel::Position;
use crate::log::sqlite::{locked_up, plainly};

/// The store cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Of the file.
    #[error("process store: {0}")]
    File(#[from] rusqlite::Error),
    /// It cannot be opened.
    #[error("{path}: {what}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What SQLite and the system say.
        what: String,
    },
    /// Of several servers on one log, only the one that runs the processes may change what is parked.
    #[error("another server runs the processes now: ask that one")]
    Elsewhere,
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

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -256)?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

impl ProcessStore {
    /// Opens or makes `processes.db` in `dir`.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("processes.db");
        let unusable = |what| StoreError::Unusable {
            path: path.clone(),
            what,
        };
        if let Some(what) = locked_up(&path) {
            return Err(unusable(what));
        }
        let connection = connect(&path).map_err(|error| unusable(plainly(&path, &error)))?;
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

/// Positions are at most `i64::MAX` (see [`crate::kernel::Revision`]).
fn number(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}
