//! `annals log verify`, what was removed: each note of it is as it was written, of a position that was scavenged, and none is lost.

use rusqlite::{Connection, OptionalExtension, Result};

use super::removed::{COLUMNS, NO_FIT, Note};
use super::rows::{from_column, to_column};
use super::verify::Verified;
use crate::kernel::Position;

pub(super) fn removed(connection: &Connection, found: &mut Verified) {
    let check = |found: &mut Verified| {
        // One snapshot: events are removed while the log is served.
        let snapshot = connection.unchecked_transaction()?;
        notes(&snapshot, found)?;
        total(&snapshot, found)?;
        still_there(&snapshot, found)
    };
    let checked: Result<()> = check(found);
    if let Err(error) = checked {
        let problem = format!("what was removed cannot be read: {error}");
        found.add(Position::START, "unknown", problem);
    }
}

/// Each row fits its digest, and is of a stream and a type that are known and a position that was scavenged.
fn notes(connection: &Connection, found: &mut Verified) -> Result<()> {
    let mut statement = connection.prepare(&format!("{COLUMNS} ORDER BY position"))?;
    let mut rows = statement.query([])?;
    let mut scavenged = (1, 0);
    while let Some(row) = rows.next()? {
        let (note, fits) = Note::of(row)?;
        let mut add = |problem| found.add(Position(note.position), "unknown", problem);
        if !fits {
            add(NO_FIT);
            continue;
        }
        if !is_known(connection, note)? {
            add("what is written down of its removal names no stream or type");
        }
        if note.position > scavenged.1 {
            scavenged = scavenged_around(connection, note.position)?;
        }
        if !(scavenged.0..=scavenged.1).contains(&note.position) {
            add("it is written down as removed and was not scavenged");
        }
    }
    Ok(())
}

fn is_known(connection: &Connection, note: Note) -> Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM streams WHERE id = ?1) AND EXISTS (SELECT 1 FROM types WHERE id = ?2)",
        )?
        .query_row([note.stream, note.event_type], |row| row.get(0))
}

/// The scavenged positions that this one may be among; none: an empty range.
fn scavenged_around(connection: &Connection, position: u64) -> Result<(u64, u64)> {
    let range = connection
        .prepare_cached(
            "SELECT first, last FROM scavenged WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
        )?
        .query_row([to_column(position)], |row| {
            Ok((from_column(row.get(0)?), from_column(row.get(1)?)))
        })
        .optional()?;
    Ok(range.unwrap_or((1, 0)))
}

/// Every scavenged position is written down, or among the number of those that are not.
fn total(connection: &Connection, found: &mut Verified) -> Result<()> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let scavenged = number("SELECT coalesce(sum(last - first + 1), 0) FROM scavenged")?;
    let removed = number("SELECT count(*) FROM removed")?;
    let uncounted = number("SELECT events FROM uncounted")?;
    if scavenged - removed != uncounted {
        let problem = format!(
            "of {scavenged} scavenged events {removed} are written down, and {uncounted} are said not to be"
        );
        found.add(Position::START, "unknown", problem);
    }
    Ok(())
}

/// What was removed is not there.
fn still_there(connection: &Connection, found: &mut Verified) -> Result<()> {
    let mut statement = connection.prepare(
        "SELECT r.position FROM removed r JOIN events e ON e.position = r.position ORDER BY r.position",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let position = Position(from_column(row.get(0)?));
        found.add(
            position,
            "unknown",
            "it is written down as removed and is there",
        );
    }
    Ok(())
}
