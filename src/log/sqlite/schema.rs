//! The file's layout: statements, version, and how a connection is set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::OpenError;

/// `application_id` of a log file: "ANLG".
pub(super) const APPLICATION_ID: i32 = 0x414E_4C47;

/// The version of the schema below.
pub const SCHEMA_VERSION: i32 = 3;

/// Streams were found by an index of `events`. Read as it is, as is version 2, and carried over by the first writer.
const VERSION_1: i32 = 1;

/// The stream index had a row for each event.
const VERSION_2: i32 = 2;

/// Bytes of a page. Small, because a commit writes whole pages, the last one of them over and over.
pub(super) const PAGE_BYTES: u32 = 4096;

/// Page cache of the writer, KiB: the dirty pages of a group of 1,024 appends of a usual size fit, with those of the
/// streams' names and of as many entries of the stream index.
const WRITER_CACHE_KIB: i32 = 6 * 1024;

/// Page cache of a reader, KiB: scans do not profit from more, and there are several in each of six logs.
const READER_CACHE_KIB: i32 = 512;

/// The page cache of the checkpointer, KiB: it copies frames without it.
const CHECKPOINTER_CACHE_KIB: i32 = 64;

/// How long a connection waits for SQLite's own short locks.
const BUSY: Duration = Duration::from_secs(10);

/// Nothing of an event is ever updated; what may be deleted has been written down in `scavenged` before.
const SCHEMA: &str = include_str!("schema.sql");

/// How the events of a stream are found.
const STREAM_INDEX: &str = include_str!("stream_index.sql");

/// What is written down of events that the scavenger removed. Versions 1 and 2 have nothing of it.
const REMOVED: &str = include_str!("removed.sql");

/// What version 1 has instead of the stream index.
const FROM_VERSION_1: &str = include_str!("from_version_1.sql");

/// What version 2 lacks: its rows are runs of one event.
const FROM_VERSION_2: &str = "ALTER TABLE stream_index ADD COLUMN rest BLOB NOT NULL DEFAULT x'';";

/// Version 1 as a reader sees it.
const VIEW_OF_VERSION_1: &str = "
    CREATE TEMP VIEW stream_index AS SELECT stream, revision, position, x'' AS rest FROM events;
    CREATE TEMP VIEW indexed AS SELECT coalesce(max(position), 0) AS position FROM events;";

/// What both lack, as a reader sees it.
const VIEW_OF_NOTHING_REMOVED: &str = "
    CREATE TEMP VIEW removed AS SELECT 0 AS position, 0 AS stream, 0 AS type, x'' AS digest WHERE false;
    CREATE TEMP VIEW uncounted AS SELECT coalesce(sum(last - first + 1), 0) AS events FROM scavenged;";

/// Version 2 as a reader sees it.
const VIEW_OF_VERSION_2: &str = "
    CREATE TEMP VIEW stream_index AS SELECT stream, revision, position, x'' AS rest FROM main.stream_index;";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Writer,
    Reader,
    Checkpointer,
}

/// Opens the log's file and makes it a log if it is new.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let connection = Connection::open(path)?;
    set_up(&connection, Role::Writer).map_err(|error| foreign(path, error))?;
    if is_empty(&connection)? {
        create(&connection)?;
    }
    check_version(&connection, path)?;
    match pragma(&connection, "user_version")? {
        VERSION_1 => carry_over_1(&connection)?,
        VERSION_2 => carry_over_2(&connection)?,
        _ => {}
    }
    let journal: String = connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
    if journal != "wal" {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
            what: format!("on a file system without write-ahead logging (mode {journal})"),
        });
    }
    Ok(connection)
}

/// Refuses a file that is no log of this version.
pub(super) fn check_version(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let id = pragma(connection, "application_id")?;
    let version = pragma(connection, "user_version")?;
    if is_empty(connection)? {
        return Err(OpenError::Unfinished {
            path: path.to_owned(),
        });
    }
    if id != APPLICATION_ID {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
            what: format!("a database of another application (id {id:#x})"),
        });
    }
    if !(VERSION_1..=SCHEMA_VERSION).contains(&version) {
        return Err(OpenError::Version {
            path: path.to_owned(),
            found: version,
            supported: SCHEMA_VERSION,
        });
    }
    Ok(())
}

/// Opens an existing log for reading, also where nothing can be written: a file that was closed well then needs no help from
/// beside it.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    match open_other(path, Role::Reader) {
        Err(error) if is_read_only(path, &error) => {}
        opened => return opened,
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(immutable(path), flags)?;
    set_up(&connection, Role::Reader)?;
    look_back(&connection)?;
    Ok(connection)
}

/// Lets a reader see a log of an earlier version as one of today.
fn look_back(connection: &Connection) -> rusqlite::Result<()> {
    match pragma(connection, "user_version")? {
        VERSION_1 => connection.execute_batch(VIEW_OF_VERSION_1)?,
        VERSION_2 => connection.execute_batch(VIEW_OF_VERSION_2)?,
        _ => return Ok(()),
    }
    connection.execute_batch(VIEW_OF_NOTHING_REMOVED)
}

/// Where the directory cannot be written and no write-ahead log lies there.
fn is_read_only(path: &Path, error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    let refused = matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly));
    refused && path.exists() && !path.with_extension("db-wal").exists()
}

/// SQLite's way to say that nobody changes the file.
fn immutable(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for letter in path.to_string_lossy().chars() {
        match letter {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            other => uri.push(other),
        }
    }
    uri + "?immutable=1"
}

/// Opens an existing log for reading or checkpointing.
pub(super) fn open_other(path: &Path, role: Role) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_up(&connection, role)?;
    if role == Role::Reader {
        look_back(&connection)?;
        connection.execute_batch("PRAGMA query_only=ON")?;
    }
    Ok(connection)
}

fn set_up(connection: &Connection, role: Role) -> rusqlite::Result<()> {
    let cache = match role {
        Role::Writer => WRITER_CACHE_KIB,
        Role::Reader => READER_CACHE_KIB,
        Role::Checkpointer => CHECKPOINTER_CACHE_KIB,
    };
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.execute_batch(&format!(
        "PRAGMA synchronous=FULL; PRAGMA cache_size=-{cache}; PRAGMA cache_spill=OFF;
         PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF;"
    ))?;
    keep_wal(connection, true)?;
    // Checkpoints inside a commit are what makes its tail long: the checkpointer does them.
    connection.pragma_update(None, "wal_autocheckpoint", 0)
}

/// Whether closing the last connection leaves the write-ahead log. Only a writer that ended well may take it away: see
/// the lock.
pub(super) fn keep_wal(connection: &Connection, keep: bool) -> rusqlite::Result<()> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)
        .map(drop)
}

fn create(connection: &Connection) -> Result<(), OpenError> {
    // Before anything else, and only here: on an existing file these would write.
    connection.execute_batch(&format!(
        "PRAGMA page_size={PAGE_BYTES}; PRAGMA auto_vacuum=INCREMENTAL; BEGIN IMMEDIATE; {SCHEMA} {STREAM_INDEX} {REMOVED}
         INSERT INTO indexed (position) VALUES (0);
         PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
    ))?;
    Ok(())
}

/// Makes a log of version 1 one of today, in one transaction. Once in a log's life an open that takes the longer the more is
/// there.
fn carry_over_1(connection: &Connection) -> rusqlite::Result<()> {
    tracing::info!("the log has schema version 1: its stream index is being written");
    let carried = connection.execute_batch(&format!(
        "PRAGMA cache_spill=ON; BEGIN IMMEDIATE; {STREAM_INDEX} {REMOVED} {FROM_VERSION_1}
         INSERT INTO indexed (position) SELECT coalesce(max(position), 0) FROM events;
         PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
    ));
    carried_over(connection, carried)?;
    connection.execute_batch("PRAGMA cache_spill=OFF")
}

/// Makes a log of version 2 one of today. No row is touched.
fn carry_over_2(connection: &Connection) -> rusqlite::Result<()> {
    let carried = connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {FROM_VERSION_2} {REMOVED} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
    ));
    carried_over(connection, carried)
}

fn carried_over(connection: &Connection, carried: rusqlite::Result<()>) -> rusqlite::Result<()> {
    if carried.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    carried?;
    tracing::info!("the log has schema version {SCHEMA_VERSION} now");
    Ok(())
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) = 0 FROM sqlite_schema";
    let bare: bool = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(bare && pragma(connection, "application_id")? == 0)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

pub(super) fn foreign(path: &Path, error: rusqlite::Error) -> OpenError {
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
        return OpenError::Foreign {
            path: path.to_owned(),
            what: "no SQLite database".into(),
        };
    }
    OpenError::Sqlite {
        path: path.to_owned(),
        source: error,
    }
}

/// How long a database file is by its first 32 bytes (SQLite's file format, section 1.3); none if it is no database.
pub(super) fn bytes_by_header(header: &[u8; 32]) -> Option<u64> {
    let [
        b'S',
        b'Q',
        b'L',
        b'i',
        b't',
        b'e',
        b' ',
        b'f',
        b'o',
        b'r',
        b'm',
        b'a',
        b't',
        b' ',
        b'3',
        0,
        p0,
        p1,
        ..,
        c0,
        c1,
        c2,
        c3,
    ] = *header
    else {
        return None;
    };
    // 1 stands for 65,536, which does not fit.
    let page = match u16::from_be_bytes([p0, p1]) {
        1 => 65_536,
        bytes => u64::from(bytes),
    };
    Some(page * u64::from(u32::from_be_bytes([c0, c1, c2, c3])))
}
