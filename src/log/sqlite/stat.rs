//! `annals log stat`: the figures of a log, without reading it through.

use std::path::Path;

use rusqlite::Connection;

use super::rows::from_column;
use super::tools::{self, ToolError};
use super::writer;
use crate::kernel::{Moment, Position};

/// The figures of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Version of the schema.
    pub schema: i32,
    /// The last position.
    pub head: Position,
    /// Events that are there.
    pub events: u64,
    /// Events that the scavenger removed.
    pub scavenged: u64,
    /// Streams, metastreams included.
    pub streams: u64,
    /// Event types.
    pub types: u64,
    /// When the last event was recorded; none in an empty log.
    pub last_recorded: Option<Moment>,
    /// Bytes of the main file.
    pub file_bytes: u64,
    /// Bytes of it that are free.
    pub free_bytes: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
}

/// Reads the figures of the log in `dir`, also while it is being served.
///
/// # Errors
/// No log, or an unreadable one.
pub fn stat(dir: &Path) -> Result<Stat, ToolError> {
    let (connection, path) = tools::open_beside(dir)?;
    figures(&connection, &path).map_err(tools::refused(&path))
}

fn figures(connection: &Connection, path: &Path) -> rusqlite::Result<Stat> {
    let (head, last_recorded) = writer::end_of(connection)?;
    let scavenged = scavenged(connection)?;
    let wal = std::fs::metadata(path.with_extension("db-wal"));
    let page_bytes = pragma(connection, "page_size")?;
    Ok(Stat {
        schema: connection.pragma_query_value(None, "user_version", |row| row.get(0))?,
        head,
        events: head.0.saturating_sub(scavenged),
        scavenged,
        // Streams and types are never removed, and their numbers have no gaps.
        streams: number(connection, "SELECT coalesce(max(id), 0) FROM streams")?,
        types: number(connection, "SELECT coalesce(max(id), 0) FROM types")?,
        last_recorded: (head > Position::START).then_some(last_recorded),
        file_bytes: page_bytes * pragma(connection, "page_count")?,
        free_bytes: page_bytes * pragma(connection, "freelist_count")?,
        wal_bytes: wal.map(|wal| wal.len()).unwrap_or_default(),
    })
}

/// How many positions the scavenger wrote down.
pub(super) fn scavenged(connection: &Connection) -> rusqlite::Result<u64> {
    number(
        connection,
        "SELECT coalesce(sum(last - first + 1), 0) FROM scavenged",
    )
}

fn number(connection: &Connection, sql: &str) -> rusqlite::Result<u64> {
    connection
        .query_row(sql, [], |row| row.get(0))
        .map(from_column)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    connection
        .pragma_query_value(None, name, |row| row.get(0))
        .map(from_column)
}
