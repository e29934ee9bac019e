//! The file of one generation: what is in it besides the model's own tables, and whether it can be trusted.
//!
//! Besides the model's own tables a file holds, under names that begin with `annals_`: the folder it was built from and
//! whether it is live, a checkpoint per source, parked events, and those that were passed over by hand.
//!
//! The file is disposable, so nothing waits for the disk while it is written. A process that dies loses nothing by that;
//! a machine that dies may. Each file therefore says under which start of the machine it was last written and whether it
//! was synced when it was closed: one that is neither of this start nor closed is built anew.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::model::Model;
use super::store::StoreError;
use crate::kernel::Position;

/// The form of the engine's own tables. Another form is built anew, never migrated.
const FORMAT: i64 = 1;
/// Page cache of a worker that has much to do, in KiB: an index whose keys come in no order is cheap while it fits. All seven
/// models may be behind at once, as during an import, and must not take a machine's memory then.
pub(super) const CACHE_BEHIND_KIB: i64 = 32 * 1024;
/// And of one that waits: seven models must fit the process's idle budget of 64 MiB many times over.
pub(super) const CACHE_IDLE_KIB: i64 = 512;
/// Statements kept prepared: a model has a handful of files.
const STATEMENTS: usize = 128;
/// Pages in the write-ahead log before it is moved into the file: 32,000 x 4 KiB = 125 MiB. A page that was written ten
/// times until then is moved once.
const CHECKPOINT_PAGES: i64 = 32_000;

const OWN_TABLES: &str = "
CREATE TABLE annals_model (
  one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER NOT NULL, folder TEXT NOT NULL, live INTEGER NOT NULL,
  boot TEXT NOT NULL, closed INTEGER NOT NULL);
CREATE TABLE annals_checkpoint (
  service TEXT PRIMARY KEY, position INTEGER NOT NULL, skipped INTEGER NOT NULL);
CREATE TABLE annals_parked (
  service TEXT NOT NULL, position INTEGER NOT NULL, stream TEXT NOT NULL, revision INTEGER NOT NULL,
  event_id BLOB NOT NULL, event_type TEXT NOT NULL, data BLOB NOT NULL, metadata BLOB NOT NULL,
  recorded_micros INTEGER NOT NULL, cause TEXT NOT NULL, parked_micros INTEGER NOT NULL,
  PRIMARY KEY (service, position));
CREATE TABLE annals_passed (
  service TEXT NOT NULL, position INTEGER NOT NULL, reason TEXT NOT NULL, passed_micros INTEGER NOT NULL,
  PRIMARY KEY (service, position));
";

/// A new file. One that is not live yet serves no queries.
pub(super) fn create(path: &Path, model: &Model, live: bool) -> Result<Connection, StoreError> {
    let conn = connect(path)?;
    let folder =
        serde_json::to_string(model).map_err(|error| StoreError::Permanent(error.to_string()))?;
    let tx = conn.unchecked_transaction()?;
    tx.execute_batch(OWN_TABLES)?;
    tx.execute_batch(&model.schema)?;
    for service in &model.sources {
        tx.execute("INSERT INTO annals_checkpoint VALUES (?1, 0, 0)", [service])?;
    }
    tx.execute(
        "INSERT INTO annals_model VALUES (1, ?1, ?2, ?3, ?4, 0)",
        params![FORMAT, folder, live, boot_id()],
    )?;
    tx.commit()?;
    Ok(conn)
}

/// The model that an existing file was built from and whether it is live; nothing where it is none of ours, or may
/// lack what the machine had not written when it stopped.
pub(super) fn describe(path: &Path) -> Result<Option<(Model, bool)>, StoreError> {
    let conn = connect(path)?;
    let row = conn
        .query_row(
            "SELECT folder, live FROM annals_model
             WHERE format = ?1 AND (closed = 1 OR (boot = ?2 AND boot <> ''))",
            params![FORMAT, boot_id()],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)),
        )
        .optional()?;
    Ok(row.and_then(|(folder, live)| Some((serde_json::from_str(&folder).ok()?, live))))
}

/// Whether queries see this file.
pub(super) fn is_live(conn: &Connection) -> Result<bool, StoreError> {
    let live = conn.query_row("SELECT live FROM annals_model", [], |row| row.get(0));
    Ok(live.optional()?.unwrap_or_default())
}

/// An existing file of `model`, whose queries may have changed since.
pub(super) fn open(path: &Path, model: &Model) -> Result<Connection, StoreError> {
    let conn = connect(path)?;
    let folder =
        serde_json::to_string(model).map_err(|error| StoreError::Permanent(error.to_string()))?;
    conn.execute(
        "UPDATE annals_model SET folder = ?1 WHERE folder <> ?1",
        [folder],
    )?;
    let closed: bool = conn.query_row("SELECT closed FROM annals_model", [], |row| row.get(0))?;
    if closed {
        // That it is open must be on the disk before anything else may be.
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.execute("UPDATE annals_model SET boot = ?1, closed = 0", [boot_id()])?;
        checkpoint(&conn)?;
        conn.pragma_update(None, "synchronous", "OFF")?;
    }
    Ok(conn)
}

/// Moves the write-ahead log into the file; whether all of it got there.
pub(super) fn checkpoint(conn: &Connection) -> Result<bool, StoreError> {
    let busy: bool = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(!busy)
}

/// Another text after each start of the machine; empty where the system does not tell.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// A connection that writes.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let conn = Connection::open(path)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "OFF")?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "cache_size", -CACHE_IDLE_KIB)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::CannotOpen,
            ) => Self::Transient(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(text),
            _ => Self::Permanent(text),
        }
    }
}

/// How far it is in the log of each service.
pub(super) fn positions(conn: &Connection) -> rusqlite::Result<Vec<(String, Position)>> {
    conn.prepare("SELECT service, position FROM annals_checkpoint")?
        .query_map([], |row| {
            let position: i64 = row.get(1)?;
            Ok((row.get(0)?, Position(position.unsigned_abs())))
        })?
        .collect()
}
