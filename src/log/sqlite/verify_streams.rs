//! `annals log verify`, the streams: the index names every event and nothing else, and revisions follow each other.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::rows::{from_column, to_column};
use super::verify::Verified;
use crate::kernel::{Position, Revision};
use crate::log::rules::TOMBSTONE_REVISION;

/// An entry of the stream index.
struct Entry {
    stream: i64,
    revision: Revision,
    position: u64,
}

impl Entry {
    fn of(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            stream: row.get(0)?,
            revision: from_column(row.get(1)?),
            position: from_column(row.get(2)?),
        })
    }
}

pub(super) fn streams(connection: &Connection, head: Position, found: &mut Verified) {
    let check = |found: &mut Verified| {
        // One snapshot: entries move while the log is served.
        let snapshot = connection.unchecked_transaction()?;
        revisions(&snapshot, head, found)?;
        entries(&snapshot, head, found)
    };
    let checked: Result<()> = check(found);
    if let Err(error) = checked {
        let problem = format!("the stream index cannot be read: {error}");
        found.add(Position::START, "unknown", problem);
    }
}

/// Every entry leads to its event, and revisions follow each other. The first of a stream is 0, unless its metadata lets
/// the scavenger take the beginning.
fn revisions(connection: &Connection, head: Position, found: &mut Verified) -> Result<()> {
    let mut statement = connection.prepare(
        "SELECT stream, revision, position FROM stream_index WHERE position <= ?1
         UNION SELECT stream, revision, position FROM events
               WHERE position > (SELECT max(position) FROM indexed) AND position <= ?1
         ORDER BY stream, revision",
    )?;
    let mut rows = statement.query([to_column(head.0)])?;
    let mut before: Option<(i64, Revision)> = None;
    while let Some(row) = rows.next()? {
        let entry = Entry::of(row)?;
        let expected = match before {
            Some((same, last)) if same == entry.stream => last + 1,
            _ => 0,
        };
        let follows = entry.revision == expected || entry.revision == TOMBSTONE_REVISION;
        let begins =
            || -> Result<bool> { Ok(expected == 0 && begins_late(connection, entry.stream)?) };
        if !follows && !begins()? {
            let name = name(connection, entry.stream)?;
            let problem = format!("revision {expected} is missing, {} follows", entry.revision);
            found.add(Position(entry.position), &name, problem);
        }
        before = Some((entry.stream, entry.revision));
    }
    Ok(())
}

/// The entries are those of the events. A sum that does not care for order tells whether they are; only where they are not
/// is each looked up.
fn entries(connection: &Connection, head: Position, found: &mut Verified) -> Result<()> {
    let until = to_column(head.0);
    let sum = |sql: &str| -> Result<u64> {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([until])?;
        let mut sum = 0u64;
        while let Some(row) = rows.next()? {
            sum = sum.wrapping_add(mixed(&Entry::of(row)?));
        }
        Ok(sum)
    };
    let index = sum(
        "SELECT stream, revision, position FROM stream_index WHERE position <=
         min(?1, (SELECT max(position) FROM indexed))",
    )?;
    let events = sum(
        "SELECT stream, revision, position FROM events WHERE position <=
         min(?1, (SELECT max(position) FROM indexed))",
    )?;
    if index != events {
        differences(connection, until, found)?;
    }
    Ok(())
}

/// Names every event that the index does not lead to, and every entry that leads to none.
fn differences(connection: &Connection, until: i64, found: &mut Verified) -> Result<()> {
    let before = found.damaged;
    let mut list = |sql: &str, problem: &str| -> Result<()> {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([until])?;
        while let Some(row) = rows.next()? {
            let entry = Entry::of(row)?;
            let name = name(connection, entry.stream)?;
            found.add(Position(entry.position), &name, problem);
        }
        Ok(())
    };
    list(
        "SELECT e.stream, e.revision, e.position FROM events e LEFT JOIN stream_index i
         ON i.stream = e.stream AND i.revision = e.revision
         WHERE e.position <= min(?1, (SELECT max(position) FROM indexed))
         AND i.position IS NOT e.position",
        "the stream index does not lead to it",
    )?;
    list(
        "SELECT i.stream, i.revision, i.position FROM stream_index i LEFT JOIN events e
         ON e.position = i.position
         WHERE i.position <= ?1 AND (e.stream IS NOT i.stream OR e.revision IS NOT i.revision)",
        "the stream index leads here from another event",
    )?;
    if found.damaged == before {
        let problem = "the stream index differs from the events";
        found.add(Position::START, "unknown", problem);
    }
    Ok(())
}

/// A number of an entry that others hardly share: Fibonacci hashing (Knuth, TAOCP 6.4) of each part.
fn mixed(entry: &Entry) -> u64 {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let parts = [
        u64::from_ne_bytes(entry.stream.to_ne_bytes()),
        entry.revision,
        entry.position,
    ];
    parts.iter().fold(GOLDEN, |hash, part| {
        (hash.rotate_left(23) ^ part).wrapping_mul(GOLDEN)
    })
}

/// Whether the scavenger may have taken the beginning of this stream.
fn begins_late(connection: &Connection, stream: i64) -> Result<bool> {
    connection
        .prepare_cached(
            "SELECT name LIKE '$$%' OR EXISTS (SELECT 1 FROM streams m WHERE m.name = '$$' || s.name)
                    OR EXISTS (SELECT 1 FROM stream_index WHERE stream = s.id AND revision = ?2)
             FROM streams s WHERE id = ?1",
        )?
        .query_row(params![stream, to_column(TOMBSTONE_REVISION)], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

fn name(connection: &Connection, stream: i64) -> Result<String> {
    let mut statement = connection.prepare_cached("SELECT name FROM streams WHERE id = ?1")?;
    let mut rows = statement.query([stream])?;
    match rows.next()? {
        Some(row) => row.get(0),
        None => Ok(format!("number {stream}")),
    }
}
