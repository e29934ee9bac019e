//! Where a stream stands: its number, its last event, what its metadata says. In the file, and, of the newest events, in
//! memory.

use rusqlite::{Connection, OptionalExtension, params};

use super::reader::failed;
use super::rows::to_column;
use super::runs;
use super::unwritten::Unwritten;
use crate::kernel::{Position, Revision, StreamName};
use crate::log::rules::{self, TOMBSTONE_REVISION};
use crate::log::{ReadError, StreamMetadata};

/// The end of a stream, as far as it is in memory only.
pub(super) struct Newest {
    id: i64,
    last: Option<(Revision, u64)>,
    entries: Vec<(Revision, u64)>,
}

/// Where a stream stands, as a snapshot of the file and what was in memory before see it.
pub(super) struct Place {
    pub(super) id: i64,
    pub(super) last: Revision,
    pub(super) entries: Vec<(Revision, u64)>,
}

/// A stream and the streams that say whether it is there, as far as they are in memory only.
pub(super) struct Known {
    pub(super) stream: Option<Newest>,
    pub(super) owner: Option<Newest>,
    pub(super) metastream: Option<Newest>,
}

impl Known {
    /// Entries of `stream` from the revision `least` on.
    pub(super) fn of(
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
    let id = number(connection, name).map_err(|error| failed(&error))?;
    Ok(id.map(|id| Newest {
        id,
        last: unwritten.last(id, shown),
        entries: unwritten.of_stream(id, least, shown),
    }))
}

impl Newest {
    /// The stream's last event, which is in memory or else in the file.
    fn last(&self, connection: &Connection) -> Result<Option<(Revision, u64)>, ReadError> {
        match self.last {
            Some(last) => Ok(Some(last)),
            None => last_indexed(connection, self.id).map_err(|error| failed(&error)),
        }
    }
}

/// The stream's place; none if it has no events.
pub(super) fn living(
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
    let last = known.last(connection)?;
    Ok(last.map(|(last, _)| Place {
        id: known.id,
        last,
        entries: known.entries,
    }))
}

/// What a metastream says, and the revision that says it.
pub(super) fn metadata_of(
    connection: &Connection,
    metastream: Option<&Newest>,
) -> Result<(StreamMetadata, Option<Revision>), ReadError> {
    let Some(last) = metastream.map(|newest| newest.last(connection)) else {
        return Ok((StreamMetadata::default(), None));
    };
    let Some((revision, position)) = last? else {
        return Ok((StreamMetadata::default(), None));
    };
    let metadata = metadata_at(connection, position).map_err(|error| failed(&error))?;
    Ok((metadata, Some(revision)))
}

/// The stream's number, if it ever was.
pub(super) fn number(
    connection: &Connection,
    stream: &StreamName,
) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM streams WHERE name = ?1")?
        .query_row([stream.as_str()], |row| row.get(0))
        .optional()
}

/// The last event of a stream that the stream index has in the file, and its position.
pub(super) fn last_indexed(
    connection: &Connection,
    id: i64,
) -> rusqlite::Result<Option<(Revision, u64)>> {
    let run = runs::below(connection, id, Revision::MAX)?;
    Ok(run.map(|run| run.last()))
}

/// What the metastream's event at `position` says.
pub(super) fn metadata_at(
    connection: &Connection,
    position: u64,
) -> rusqlite::Result<StreamMetadata> {
    connection
        .prepare_cached("SELECT json, data FROM events WHERE position = ?1")?
        .query_row(params![to_column(position)], |row| {
            let data = row.get_ref(1)?.as_blob().unwrap_or_default();
            Ok(rules::parse_metadata(row.get(0)?, data))
        })
}
