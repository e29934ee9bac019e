//! `annals log verify`, the streams: the index names every event and nothing else, and revisions follow each other.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::index::{indexed_at, mark};
use super::rows::{from_column, to_column};
use super::runs::Run;
use super::verify::Verified;
use crate::kernel::{Position, Revision};
use crate::log::rules::TOMBSTONE_REVISION;

/// An entry of the stream index.
#[derive(Hash)]
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

    fn key(&self) -> (i64, Revision) {
        (self.stream, self.revision)
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

/// Revisions follow each other. The first of a stream is 0, unless its metadata lets the scavenger take the beginning.
fn revisions(connection: &Connection, head: Position, found: &mut Verified) -> Result<()> {
    let mut before: Option<(i64, Revision)> = None;
    let mut check = |entry: Entry, found: &mut Verified| -> Result<()> {
        let expected = match before {
            Some((same, last)) if same == entry.stream => last.wrapping_add(1),
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
        Ok(())
    };
    // Those that the table may lack, or have as well.
    let mut statement = connection.prepare(
        "SELECT stream, revision, position FROM events
         WHERE position > (SELECT max(position) FROM indexed) AND position <= ?1
         ORDER BY stream, revision",
    )?;
    let newest = statement.query_map([to_column(head.0)], Entry::of)?;
    let mut newest = newest.collect::<Result<Vec<_>>>()?.into_iter().peekable();
    indexed(connection, head, found, |entry, found| {
        while let Some(new) = newest.next_if(|new| new.key() < entry.key()) {
            check(new, found)?;
        }
        newest.next_if(|new| new.key() == entry.key());
        check(entry, found)
    })?;
    newest.try_for_each(|new| check(new, found))
}

/// All entries of the table up to a position, in order, but for those whose events the scavenger took. Names what makes no sense.
fn indexed(
    connection: &Connection,
    until: Position,
    found: &mut Verified,
    mut each: impl FnMut(Entry, &mut Verified) -> Result<()>,
) -> Result<()> {
    let scavenged = Scavenged::of(connection)?;
    let mut statement = connection.prepare(
        "SELECT revision, position, rest, stream FROM stream_index ORDER BY stream, revision",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let stream = row.get(3)?;
        let run = match Run::of(row) {
            Ok(run) => run,
            Err(error) => {
                let name = name(connection, stream)?;
                found.add(Position(from_column(row.get(1)?)), &name, error.to_string());
                continue;
            }
        };
        for (revision, position) in run.entries() {
            if position <= until.0 && !scavenged.has(position) {
                let entry = Entry {
                    stream,
                    revision,
                    position,
                };
                each(entry, found)?;
            }
        }
    }
    Ok(())
}

/// The positions that the scavenger wrote down.
struct Scavenged(Vec<(u64, u64)>);

impl Scavenged {
    fn of(connection: &Connection) -> Result<Self> {
        let mut statement =
            connection.prepare("SELECT first, last FROM scavenged ORDER BY first")?;
        let ranges = statement.query_map([], |row| {
            Ok((from_column(row.get(0)?), from_column(row.get(1)?)))
        })?;
        ranges.collect::<Result<_>>().map(Self)
    }

    fn has(&self, position: u64) -> bool {
        let next = self.0.partition_point(|(first, _)| *first <= position);
        let range = next.checked_sub(1).and_then(|at| self.0.get(at));
        range.is_some_and(|(_, last)| position <= *last)
    }
}

/// The entries are those of the events. A sum of hashes, which does not care for order, tells whether they are; only where they
/// are not is each looked up.
fn entries(connection: &Connection, head: Position, found: &mut Verified) -> Result<()> {
    let until = head.min(mark(connection)?);
    let hash = RandomState::default();
    let mut index = 0u64;
    indexed(connection, until, &mut Verified::default(), |entry, _| {
        index = index.wrapping_add(hash.hash_one(&entry));
        Ok(())
    })?;
    let mut events = 0u64;
    each_event(connection, until, |event| {
        events = events.wrapping_add(hash.hash_one(&event));
        Ok(())
    })?;
    if index != events {
        differences(connection, head, until, found)?;
    }
    Ok(())
}

fn each_event(
    connection: &Connection,
    until: Position,
    mut each: impl FnMut(Entry) -> Result<()>,
) -> Result<()> {
    let mut statement =
        connection.prepare("SELECT stream, revision, position FROM events WHERE position <= ?1")?;
    let mut rows = statement.query([to_column(until.0)])?;
    while let Some(row) = rows.next()? {
        each(Entry::of(row)?)?;
    }
    Ok(())
}

/// Names every event that the index does not lead to, and every entry that leads to none.
fn differences(
    connection: &Connection,
    head: Position,
    until: Position,
    found: &mut Verified,
) -> Result<()> {
    let before = found.damaged;
    each_event(connection, until, |event| {
        // What makes no sense leads nowhere.
        let led = indexed_at(connection, event.stream, event.revision);
        if led.ok().flatten() != Some(event.position) {
            let name = name(connection, event.stream)?;
            let problem = "the stream index does not lead to it";
            found.add(Position(event.position), &name, problem);
        }
        Ok(())
    })?;
    let mut event = connection
        .prepare("SELECT 1 FROM events WHERE position = ?1 AND stream = ?2 AND revision = ?3")?;
    indexed(connection, head, &mut Verified::default(), |entry, _| {
        let (position, revision) = (to_column(entry.position), to_column(entry.revision));
        if !event.exists([position, entry.stream, revision])? {
            let name = name(connection, entry.stream)?;
            let problem = "the stream index leads here from another event";
            found.add(Position(entry.position), &name, problem);
        }
        Ok(())
    })?;
    if found.damaged == before {
        let problem = "the stream index differs from the events";
        found.add(Position::START, "unknown", problem);
    }
    Ok(())
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
