//! What is written down of events that the scavenger removed: which stream and type each was of.
//!
//! ```text
//!   removed       position, stream, type     of the event
//!                 digest                     first 8 bytes of the SHA-256 of these three, big-endian
//!   uncounted     events                     positions of `scavenged` that are not in `removed`
//! ```
//!
//! Does: write it with the removal, take it over from another log, read it back, and refuse what does not fit. Does not: know of
//! events that were removed by a version that wrote nothing down, or of what is missing in a dump.

use bytes::BufMut;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::decode::{Columns, damaged};
use super::reader::{Reader, failed, prepared};
use super::rows::{from_column, to_column};
use crate::kernel::Position;
use crate::log::canonical;
use crate::log::{Filter, ReadError, Removals, Removed};

/// Rows that one read goes through, about 50 ms.
const READ_ROWS: u64 = 65_536;

/// Bytes of a row's digest: enough that no damage fits by chance.
const DIGEST_BYTES: usize = 8;

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Note {
    pub(super) position: u64,
    pub(super) stream: i64,
    pub(super) event_type: i64,
}

impl Note {
    fn digest(self) -> [u8; DIGEST_BYTES] {
        let mut bytes = [0; 3 * size_of::<u64>()];
        let mut at = bytes.as_mut_slice();
        at.put_u64(self.position);
        at.put_i64(self.stream);
        at.put_i64(self.event_type);
        let mut digest = [0; DIGEST_BYTES];
        let whole = canonical::sha256(&bytes);
        digest
            .iter_mut()
            .zip(whole)
            .for_each(|(to, byte)| *to = byte);
        digest
    }

    /// The row of these columns, and whether it is what was written.
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<(Self, bool)> {
        let number = |column| match row.get_ref(column) {
            Ok(ValueRef::Integer(number)) => Some(number),
            _ => None,
        };
        let note = Self {
            position: from_column(row.get(0)?),
            stream: number(1).unwrap_or_default(),
            event_type: number(2).unwrap_or_default(),
        };
        let fits = row
            .get_ref(3)?
            .as_blob()
            .is_ok_and(|digest| digest == note.digest());
        Ok((note, fits))
    }
}

/// Writes down the events between two positions, both included, which are about to be deleted.
pub(super) fn note(connection: &Connection, first: u64, last: u64) -> rusqlite::Result<()> {
    let mut events = connection.prepare_cached(
        "SELECT position, stream, type FROM events WHERE position BETWEEN ?1 AND ?2 ORDER BY position",
    )?;
    let notes = events.query_map([to_column(first), to_column(last)], |row| {
        Ok(Note {
            position: from_column(row.get(0)?),
            stream: row.get(1)?,
            event_type: row.get(2)?,
        })
    })?;
    for note in notes {
        write(connection, note?)?;
    }
    Ok(())
}

/// Writes a row down that another log has, unless it is there or the event is.
pub(super) fn take_over(connection: &Connection, note: Note) -> rusqlite::Result<()> {
    let (is_there, is_noted) = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM events WHERE position = ?1), EXISTS (SELECT 1 FROM removed WHERE position = ?1)",
        )?
        .query_row([to_column(note.position)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if is_there || is_noted {
        return Ok(());
    }
    write(connection, note)?;
    add_uncounted(connection, -1)
}

/// So many positions more are scavenged of which nothing is written down.
pub(super) fn add_uncounted(connection: &Connection, more: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE uncounted SET events = events + ?1")?
        .execute([more])
        .map(drop)
}

fn write(connection: &Connection, note: Note) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO removed (position, stream, type, digest) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            to_column(note.position),
            note.stream,
            note.event_type,
            note.digest()
        ])
        .map(drop)
}

/// The last position that is written down; the start where none is.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<Position> {
    connection.query_row(
        "SELECT coalesce(max(position), 0) FROM removed",
        [],
        |row| row.get(0).map(|position| Position(from_column(position))),
    )
}

pub(super) const COLUMNS: &str = "SELECT position, stream, type, digest FROM removed";

impl Reader {
    /// What was removed after `after` and not after `up_to` and would pass, at most `limit` of it.
    pub(super) fn removed(
        &mut self,
        after: Position,
        up_to: Position,
        limit: usize,
        filter: &Filter,
    ) -> Result<Removals, ReadError> {
        let failed = |error| failed(&error);
        let sql = format!("{COLUMNS} WHERE position > ?1 AND position <= ?2 ORDER BY position");
        let mut statement = prepared(&self.connection, &sql)?;
        let between = [to_column(after.0), to_column(up_to.0)];
        let mut rows = statement.query(between).map_err(failed)?;
        self.names.begin_page();
        self.verdicts.begin_page(filter);
        let mut found = Removals {
            events: Vec::new(),
            examined: after,
        };
        for _ in 0..READ_ROWS {
            let Some(row) = rows.next().map_err(failed)? else {
                found.examined = up_to;
                return Ok(found);
            };
            if found.events.len() >= limit {
                return Ok(found);
            }
            let (note, fits) = Note::of(row).map_err(failed)?;
            let position = Position(note.position);
            if !fits {
                return Err(damaged(position, "unknown", NO_FIT));
            }
            let columns = Columns::of_removed(position, note.stream, note.event_type);
            let stream = self.names.stream(&self.connection, &columns)?;
            let event_type = self.names.event_type(&self.connection, &columns, &stream)?;
            if self
                .verdicts
                .admit(&columns, stream.as_str(), &event_type)?
            {
                found.events.push(Removed {
                    position,
                    stream,
                    event_type,
                });
            }
            found.examined = position;
        }
        Ok(found)
    }
}

/// What is wrong with a row whose digest is another's.
pub(super) const NO_FIT: &str = "what is written down of its removal does not fit its digest";
