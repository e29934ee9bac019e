//! One reading connection: slices of the log and of streams, every event checked against its digest.
//!
//! A read is one SQLite snapshot. Rows that should follow each other and do not, without the scavenger having
//! written that down, are damage too.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::decode::{Columns, Names, Page, damaged};
use super::gaps::Walk;
use super::rows::{from_column, to_column};
use super::schema;
use super::shared::unavailable;
use crate::kernel::{Moment, Position, Revision, StreamName};
use crate::log::rules::{self, TOMBSTONE_REVISION, Visible};
use crate::log::{
    AllSlice, Direction, Filter, ReadError, ReadFrom, RecordedEvent, StreamMetadata, StreamSlice,
};

/// Payload bytes of one slice, beyond which it ends early and says that more is there: 16 events of the largest size.
const SLICE_BYTES: usize = 16 * rules::MAX_APPEND_BYTES;

/// Room made for a page before it is read, at most: 512 usual events.
const PAGE_ROOM_BYTES: usize = 256 * 1024;

pub(super) const COLUMNS: &str = "SELECT position, stream, revision, type, json, recorded, id, digest, data, metadata FROM events";

/// A connection and what it remembers of names.
pub(super) struct Reader {
    connection: Connection,
    names: Names,
    /// What the last page took: the next one is likely to take as much.
    page_bytes: usize,
}

/// Where a stream stands, as a read sees it.
struct Place {
    id: i64,
    last: Revision,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let connection = schema::open_reader(path).map_err(|error| failed(&error))?;
        Ok(Self {
            connection,
            names: Names::default(),
            page_bytes: 0,
        })
    }

    /// Asks something else of the file.
    pub(super) fn ask<T>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ReadError> {
        question(&self.connection).map_err(|error| failed(&error))
    }

    /// At most `limit` events between two positions, the near one excluded and the far one included. The caller
    /// knows that everything between them was committed.
    pub(super) fn page(
        &mut self,
        near: Position,
        far: Position,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllSlice, ReadError> {
        let (bounds, order) = match direction {
            Direction::Forward => ("position > ?1 AND position <= ?2", "ASC"),
            Direction::Backward => ("position < ?1 AND position >= ?2", "DESC"),
        };
        let sql = format!("{COLUMNS} WHERE {bounds} ORDER BY position {order}");
        let mut statement = prepared(&self.connection, &sql)?;
        let mut rows = statement
            .query(params![to_column(near.0), to_column(far.0)])
            .map_err(|error| failed(&error))?;
        let mut page = Page::with_room(self.page_bytes);
        let mut walk = Walk::new(&self.connection, near, direction);
        while page.len() < limit && page.bytes() < SLICE_BYTES {
            let Some(row) = next(&mut rows, walk.at)? else {
                walk.finish(far)?;
                self.page_bytes = page.bytes().min(PAGE_ROOM_BYTES);
                return Ok(slice(page, far, true));
            };
            let columns = Columns::of(row)?;
            walk.step(columns.position)?;
            let stream = self.names.stream(&self.connection, &columns)?;
            let event_type = self.names.event_type(&self.connection, &columns, &stream)?;
            if filter.admits(stream.as_str(), &event_type) {
                page.add(row, &columns, stream, event_type)?;
            }
        }
        self.page_bytes = page.bytes().min(PAGE_ROOM_BYTES);
        let end = walk.at == far;
        Ok(slice(page, walk.at, end))
    }

    /// At most `limit` events of one stream.
    pub(super) fn stream(
        &mut self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
        now: Moment,
    ) -> Result<StreamSlice, ReadError> {
        let transaction = self
            .connection
            .unchecked_transaction()
            .map_err(|error| failed(&error))?;
        let Some(place) = living(&transaction, stream)? else {
            return Ok(StreamSlice {
                end: true,
                ..StreamSlice::default()
            });
        };
        let (metadata, _) = metadata_of(&transaction, stream)?;
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
        let (events, end) = match direction {
            Direction::Forward => {
                let range = (start.max(visible.first), place.last);
                read_range(
                    &transaction,
                    &mut self.names,
                    &place,
                    range,
                    "ASC",
                    limit,
                    visible,
                )?
            }
            Direction::Backward => {
                let range = (visible.first, start.min(place.last));
                read_range(
                    &transaction,
                    &mut self.names,
                    &place,
                    range,
                    "DESC",
                    limit,
                    visible,
                )?
            }
        };
        Ok(StreamSlice {
            events,
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
        let transaction = self
            .connection
            .unchecked_transaction()
            .map_err(|error| failed(&error))?;
        living(&transaction, stream)?;
        metadata_of(&transaction, stream)
    }
}

fn slice(page: Page, examined: Position, end: bool) -> AllSlice {
    AllSlice {
        events: page.into_events(),
        examined,
        end,
    }
}

/// Events of `place` between two revisions, both included, in the order of revisions said; whether nothing is left.
fn read_range(
    connection: &Connection,
    names: &mut Names,
    place: &Place,
    (low, high): (Revision, Revision),
    order: &str,
    limit: usize,
    visible: Visible,
) -> Result<(Vec<RecordedEvent>, bool), ReadError> {
    let sql = format!(
        "{COLUMNS} INDEXED BY events_by_stream WHERE stream = ?1 AND revision BETWEEN ?2 AND ?3
         ORDER BY revision {order}"
    );
    let mut statement = prepared(connection, &sql)?;
    let mut rows = statement
        .query(params![place.id, to_column(low), to_column(high)])
        .map_err(|error| failed(&error))?;
    let mut page = Page::with_room(0);
    let mut before: Option<Revision> = None;
    loop {
        let Some(row) = next(&mut rows, Position::START)? else {
            return Ok((page.into_events(), true));
        };
        let columns = Columns::of(row)?;
        let stream = names.stream(connection, &columns)?;
        if before.is_some_and(|before| before.abs_diff(columns.revision) != 1) {
            let problem = "the revision next to it is missing";
            return Err(damaged(columns.position, stream.as_str(), problem));
        }
        before = Some(columns.revision);
        let recorded_at = columns.recorded_at(stream.as_str())?;
        if !visible.shows(columns.revision, recorded_at) {
            continue;
        }
        if page.len() == limit || page.bytes() >= SLICE_BYTES {
            return Ok((page.into_events(), false));
        }
        let event_type = names.event_type(connection, &columns, &stream)?;
        page.add(row, &columns, stream, event_type)?;
    }
}

/// The stream's place; none if it has no events.
fn living(connection: &Connection, stream: &StreamName) -> Result<Option<Place>, ReadError> {
    let place = place_of(connection, stream.as_str())?;
    let owner = match rules::owner_of(stream) {
        Some(owner) => place_of(connection, owner.as_str())?,
        None => None,
    };
    let ended = |place: &Option<Place>| {
        place
            .as_ref()
            .is_some_and(|place| place.last == TOMBSTONE_REVISION)
    };
    if ended(&place) || ended(&owner) {
        return Err(ReadError::StreamDeleted(stream.clone()));
    }
    Ok(place)
}

fn place_of(connection: &Connection, name: &str) -> Result<Option<Place>, ReadError> {
    let mut statement = prepared(
        connection,
        "SELECT id, (SELECT max(revision) FROM events WHERE stream = streams.id) FROM streams WHERE name = ?1",
    )?;
    let found = statement
        .query_row([name], |row| {
            Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?))
        })
        .optional()
        .map_err(|error| failed(&error))?;
    Ok(found.and_then(|(id, last)| {
        last.map(|last| Place {
            id,
            last: from_column(last),
        })
    }))
}

fn metadata_of(
    connection: &Connection,
    stream: &StreamName,
) -> Result<(StreamMetadata, Option<Revision>), ReadError> {
    let Some(place) = place_of(connection, stream.metastream().as_str())? else {
        return Ok((StreamMetadata::default(), None));
    };
    let mut statement = prepared(
        connection,
        "SELECT json, data FROM events WHERE stream = ?1 AND revision = ?2",
    )?;
    let metadata = statement
        .query_row(params![place.id, to_column(place.last)], |row| {
            let data = row.get_ref(1)?.as_blob().unwrap_or_default();
            Ok(rules::parse_metadata(row.get(0)?, data))
        })
        .map_err(|error| failed(&error))?;
    Ok((metadata, Some(place.last)))
}

fn prepared<'c>(
    connection: &'c Connection,
    sql: &str,
) -> Result<rusqlite::CachedStatement<'c>, ReadError> {
    connection
        .prepare_cached(sql)
        .map_err(|error| failed(&error))
}

fn next<'r, 's>(
    rows: &'r mut rusqlite::Rows<'s>,
    after: Position,
) -> Result<Option<&'r Row<'s>>, ReadError> {
    rows.next()
        .map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
                damaged(after, "unknown", &format!("the file behind it: {error}"))
            }
            _ => failed(&error),
        })
}

/// What a failed statement means to a reader.
pub(super) fn failed(error: &rusqlite::Error) -> ReadError {
    use rusqlite::ErrorCode;
    if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) {
        return damaged(Position::START, "unknown", &error.to_string());
    }
    let passing = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::CannotOpen
        )
    );
    unavailable(error.to_string(), passing)
}
