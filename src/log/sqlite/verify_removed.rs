//! `annals log verify`, what was removed: each note of it is as it was written, of a position that was scavenged, and none is lost.

use rusqlite::{Connection, OptionalExtension, Result};

use super::place;
use super::removed::{COLUMNS, NO_FIT, Note};
use super::rows::{from_column, to_column};
use super::verify::Verified;
use crate::kernel::Position;

pub(super) fn removed(connection: &Connection, found: &mut Verified) {
    let check = |found: &mut Verified| {
        // One snapshot: events are removed while the log is served.
        let snapshot = connection.unchecked_transaction()?;
        notes(&snapshot, found)?;
        ranges(&snapshot, found)?;
        streams(&snapshot, found)
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

/// Positions that were scavenged together are all written down, or none is: an earlier version did it, or another log.
fn ranges(connection: &Connection, found: &mut Verified) -> Result<()> {
    let mut statement = connection.prepare(
        "SELECT first, last, (SELECT count(*) FROM removed WHERE position BETWEEN first AND last)
         FROM scavenged ORDER BY first",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (first, last) = (from_column(row.get(0)?), from_column(row.get(1)?));
        let noted = from_column(row.get(2)?);
        let all = (last + 1).saturating_sub(first);
        if noted != 0 && noted != all {
            let problem = format!(
                "of the {all} events scavenged up to position {last} only {noted} are written down as removed"
            );
            found.add(Position(first), "unknown", problem);
        }
    }
    Ok(())
}

/// No stream lost more events than it had besides its last one, which always stays.
fn streams(connection: &Connection, found: &mut Verified) -> Result<()> {
    let mut statement = connection.prepare(
        "SELECT s.id, s.name, r.lost FROM (SELECT stream, count(*) AS lost FROM removed GROUP BY stream) r
         JOIN streams s ON s.id = r.stream",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let lost = from_column(row.get(2)?);
        let end = place::last_indexed(connection, row.get(0)?)?;
        if end.is_none_or(|(end, _)| lost > end) {
            let name: String = row.get(1)?;
            let problem =
                format!("{lost} of its events are written down as removed, more than it had");
            found.add(Position::START, &name, problem);
        }
    }
    Ok(())
}
