//! Reading one stream: the stream index leads to its events, the newest entries of it from memory.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::decode::{Columns, Names, Page, damaged};
use super::gaps::first_not_scavenged;
use super::reader::{Reader, SLICE_BYTES, failed, prepared};
use super::rows::{from_column, to_column};
use super::unwritten::Unwritten;
use crate::kernel::{Moment, Position, Revision, StreamName};
use crate::log::rules::{self, TOMBSTONE_REVISION, Visible};
use crate::log::{Direction, ReadError, ReadFrom, StreamMetadata, StreamSlice};

const COLUMNS: &str = "SELECT e.position, e.stream, e.revision, e.type, e.json, e.recorded, e.id, e.digest, e.data, e.metadata";

/// The end of a stream, as far as it is in memory only.
struct Newest {
    id: i64,
    last: Option<(Revision, u64)>,
    entries: Vec<(Revision, u64)>,
}

/// Where a stream stands, as a snapshot of the file and what was in memory before see it.
struct Place {
    id: i64,
    last: Revision,
    entries: Vec<(Revision, u64)>,
}

/// A stream and the streams that say whether it is there, as far as they are in memory only.
struct Known {
    stream: Option<Newest>,
    owner: Option<Newest>,
    metastream: Option<Newest>,
}

impl Reader {
    /// At most `limit` events of one stream.
    pub(super) fn stream(
        &mut self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
        now: Moment,
    ) -> Result<StreamSlice, ReadError> {
        let least = match (direction, from) {
            (Direction::Forward, ReadFrom::Revision(revision)) => revision,
            (Direction::Forward, ReadFrom::Start | ReadFrom::End) | (Direction::Backward, _) => 0,
        };
        let known = Known::of(&self.connection, &self.unwritten, stream, least)?;
        let snapshot = snapshot(&self.connection)?;
        let Some(place) = living(&snapshot, stream, known.stream, known.owner)? else {
            return Ok(StreamSlice {
                end: true,
                ..StreamSlice::default()
            });
        };
        // Only what metadata hides can have been scavenged.
        let known_whole = known.metastream.is_none() && rules::owner_of(stream).is_none();
        let (metadata, _) = metadata_of(&snapshot, known.metastream.as_ref())?;
        if rules::is_soft_deleted(&metadata) {
            return Ok(StreamSlice {
                last_revision: Some(place.last),
                end: true,
                ..StreamSlice::default()
            });
        }
        let visible = match rules::owner_of(stream) {
            Some(_) => Visible::last_only(place.last),
            None => Visible::by(&metadata, place.last, now),
        };
        let start = match from {
            ReadFrom::Start => 0,
            ReadFrom::End => place.last,
            ReadFrom::Revision(revision) => revision,
        };
        self.names.begin_page();
        let name = StreamName::new(stream.as_str()).unwrap_or_else(|_| stream.clone());
        let mut taken = Taken {
            connection: &snapshot,
            names: &mut self.names,
            name,
            stream: &place,
            visible,
            limit,
            page: Page::with_room(0),
            whole: known_whole,
            next: None,
        };
        let end = match direction {
            Direction::Forward => taken.forward(start.max(visible.first), place.last)?,
            Direction::Backward => taken.backward(visible.first, start.min(place.last))?,
        };
        Ok(StreamSlice {
            events: taken.page.into_events(),
            last_revision: Some(place.last),
            exists: true,
            end,
        })
    }

    /// A stream's metadata and where it was written.
    pub(super) fn metadata(
        &mut self,
        stream: &StreamName,
    ) -> Result<(StreamMetadata, Option<Revision>), ReadError> {
        let known = Known::of(&self.connection, &self.unwritten, stream, Revision::MAX)?;
        let snapshot = snapshot(&self.connection)?;
        living(&snapshot, stream, known.stream, known.owner)?;
        match metadata_of(&snapshot, known.metastream.as_ref())? {
            (_, Some(TOMBSTONE_REVISION)) => Err(ReadError::StreamDeleted(stream.clone())),
            known => Ok(known),
        }
    }
}

impl Known {
    /// Entries of `stream` from the revision `least` on.
    fn of(
        connection: &Connection,
        unwritten: &Unwritten,
        stream: &StreamName,
        least: Revision,
    ) -> Result<Self, ReadError> {
        let shown = unwritten.shown();
        let newest = |name: &StreamName, least| newest(connection, unwritten, name, least, shown);
        let owner = rules::owner_of(stream).map(|owner| newest(&owner, Revision::MAX));
        Ok(Self {
            stream: newest(stream, least)?,
            owner: owner.transpose()?.flatten(),
            metastream: newest(&stream.metastream(), Revision::MAX)?,
        })
    }
}

fn newest(
    connection: &Connection,
    unwritten: &Unwritten,
    name: &StreamName,
    least: Revision,
    shown: Position,
) -> Result<Option<Newest>, ReadError> {
    let id = prepared(connection, "SELECT id FROM streams WHERE name = ?1")?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()
        .map_err(|error| failed(&error))?;
    Ok(id.map(|id| Newest {
        id,
        last: unwritten.last(id, shown),
        entries: unwritten.of_stream(id, least, shown),
    }))
}

/// The file as it is from now on, whatever is written meanwhile.
fn snapshot(connection: &Connection) -> Result<Transaction<'_>, ReadError> {
    connection
        .unchecked_transaction()
        .map_err(|error| failed(&error))
}

/// The stream's place; none if it has no events.
fn living(
    connection: &Connection,
    stream: &StreamName,
    known: Option<Newest>,
    owner: Option<Newest>,
) -> Result<Option<Place>, ReadError> {
    let place = place_of(connection, known)?;
    let owner = place_of(connection, owner)?;
    let mut places = place.iter().chain(&owner);
    if places.any(|place| place.last == TOMBSTONE_REVISION) {
        return Err(ReadError::StreamDeleted(stream.clone()));
    }
    Ok(place)
}

fn place_of(connection: &Connection, known: Option<Newest>) -> Result<Option<Place>, ReadError> {
    let Some(known) = known else {
        return Ok(None);
    };
    let last = match known.last {
        Some((last, _)) => Some(last),
        None => prepared(
            connection,
            "SELECT max(revision) FROM stream_index WHERE stream = ?1",
        )?
        .query_row([known.id], |row| row.get::<_, Option<i64>>(0))
        .map_err(|error| failed(&error))?
        .map(from_column),
    };
    Ok(last.map(|last| Place {
        id: known.id,
        last,
        entries: known.entries,
    }))
}

fn metadata_of(
    connection: &Connection,
    metastream: Option<&Newest>,
) -> Result<(StreamMetadata, Option<Revision>), ReadError> {
    let Some(Newest { id, last, .. }) = metastream else {
        return Ok((StreamMetadata::default(), None));
    };
    let in_table = || {
        prepared(
            connection,
            "SELECT revision, position FROM stream_index WHERE stream = ?1 ORDER BY revision DESC LIMIT 1",
        )?
        .query_row([id], |row| {
            Ok((from_column(row.get(0)?), from_column(row.get(1)?)))
        })
        .optional()
        .map_err(|error| failed(&error))
    };
    let last = match last {
        Some(last) => Some(*last),
        None => in_table()?,
    };
    let Some((revision, position)) = last else {
        return Ok((StreamMetadata::default(), None));
    };
    let metadata = prepared(
        connection,
        "SELECT json, data FROM events WHERE position = ?1",
    )?
    .query_row([to_column(position)], |row| {
        let data = row.get_ref(1)?.as_blob().unwrap_or_default();
        Ok(rules::parse_metadata(row.get(0)?, data))
    })
    .map_err(|error| failed(&error))?;
    Ok((metadata, Some(revision)))
}

/// The events of a stream that a read has found so far.
struct Taken<'a> {
    connection: &'a Connection,
    names: &'a mut Names,
    /// The stream's name, of this read alone: see [`Names::begin_page`].
    name: StreamName,
    stream: &'a Place,
    visible: Visible,
    limit: usize,
    page: Page,
    /// Its first event must be there.
    whole: bool,
    /// The revision that must follow.
    next: Option<Revision>,
}

impl Taken<'_> {
    /// Those from `low` to `high`, both included; whether nothing is left.
    fn forward(&mut self, low: Revision, high: Revision) -> Result<bool, ReadError> {
        self.next = Some(low).filter(|_| self.whole);
        if !self.take_indexed(low, high, Direction::Forward)? {
            return Ok(false);
        }
        let next = self.next.unwrap_or(low);
        let newest = self.stream.entries.iter();
        let newest = newest.filter(|(revision, _)| (next..=high).contains(revision));
        Ok(self.take_newest(newest, Direction::Forward)? && self.check_end(low, high, high + 1)?)
    }

    /// Those from `high` down to `low`, both included; whether nothing is left.
    fn backward(&mut self, low: Revision, high: Revision) -> Result<bool, ReadError> {
        self.next = Some(high).filter(|_| self.whole);
        let newest = self.stream.entries.iter().rev();
        let newest = newest.filter(|(revision, _)| (low..=high).contains(revision));
        if !self.take_newest(newest, Direction::Backward)? {
            return Ok(false);
        }
        let in_memory = self.stream.entries.first().map(|(revision, _)| *revision);
        let below = in_memory.map_or(high, |first| high.min(first.wrapping_sub(1)));
        if in_memory != Some(0)
            && low <= below
            && !self.take_indexed(low, below, Direction::Backward)?
        {
            return Ok(false);
        }
        self.check_end(low, high, low.wrapping_sub(1))
    }

    /// Nothing more came, and `next` would be the next one.
    fn check_end(&self, low: Revision, high: Revision, next: Revision) -> Result<bool, ReadError> {
        if self.whole && low <= high && self.next != Some(next) {
            let missing = self.next.unwrap_or_default();
            let stream = format!("number {}", self.stream.id);
            let problem = format!("revision {missing} is missing");
            return Err(damaged(Position::START, &stream, &problem));
        }
        Ok(true)
    }

    fn take_indexed(
        &mut self,
        low: Revision,
        high: Revision,
        direction: Direction,
    ) -> Result<bool, ReadError> {
        let order = match direction {
            Direction::Forward => "ASC",
            Direction::Backward => "DESC",
        };
        let sql = format!(
            "{COLUMNS}, i.revision, i.position FROM stream_index i
             LEFT JOIN events e ON e.position = i.position
             WHERE i.stream = ?1 AND i.revision BETWEEN ?2 AND ?3 ORDER BY i.revision {order}"
        );
        let connection = self.connection;
        let mut statement = prepared(connection, &sql)?;
        let mut rows = statement
            .query(params![self.stream.id, to_column(low), to_column(high)])
            .map_err(|error| failed(&error))?;
        while let Some(row) = rows.next().map_err(|error| failed(&error))? {
            let entry = || Ok((from_column(row.get(10)?), from_column(row.get(11)?)));
            let (revision, position) = entry().map_err(|error: rusqlite::Error| failed(&error))?;
            if !self.take(row, revision, position, direction)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn take_newest<'e>(
        &mut self,
        entries: impl Iterator<Item = &'e (Revision, u64)>,
        direction: Direction,
    ) -> Result<bool, ReadError> {
        let connection = self.connection;
        let sql = format!("{COLUMNS} FROM events e WHERE e.position = ?1");
        let mut statement = prepared(connection, &sql)?;
        for (revision, position) in entries {
            let mut rows = statement
                .query([to_column(*position)])
                .map_err(|error| failed(&error))?;
            let row = rows.next().map_err(|error| failed(&error))?;
            let Some(row) = row else {
                let gone = first_not_scavenged(connection, *position, *position);
                match gone.map_err(|error| failed(&error))? {
                    Some(_) => return Err(missing(*position)),
                    // After the memory was looked at.
                    None => continue,
                }
            };
            if !self.take(row, *revision, *position, direction)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes an event if it is visible; false where there is no room for it.
    fn take(
        &mut self,
        row: &Row<'_>,
        revision: Revision,
        position: u64,
        direction: Direction,
    ) -> Result<bool, ReadError> {
        if matches!(row.get_ref(0), Ok(rusqlite::types::ValueRef::Null)) {
            return Err(missing(position));
        }
        let columns = Columns::of(row)?;
        let stream = if columns.stream == self.stream.id {
            self.name.clone()
        } else {
            self.names.stream(self.connection, &columns)?
        };
        let problem = |problem: &str| damaged(columns.position, stream.as_str(), problem);
        if (columns.stream, columns.revision) != (self.stream.id, revision) {
            return Err(problem("the stream index leads here from another event"));
        }
        if let Some(missing) = self.next.filter(|next| *next != revision) {
            return Err(problem(&format!("revision {missing} is missing before it")));
        }
        self.next = Some(match direction {
            Direction::Forward => revision + 1,
            Direction::Backward => revision.wrapping_sub(1),
        });
        let recorded_at = columns.recorded_at(stream.as_str())?;
        if !self.visible.shows(revision, recorded_at) {
            return Ok(true);
        }
        if self.page.len() == self.limit || self.page.bytes() >= SLICE_BYTES {
            return Ok(false);
        }
        let event_type = self.names.event_type(self.connection, &columns, &stream)?;
        self.page.add(row, &columns, stream, event_type)?;
        Ok(true)
    }
}

fn missing(position: u64) -> ReadError {
    damaged(Position(position), "unknown", "the row is missing")
}
