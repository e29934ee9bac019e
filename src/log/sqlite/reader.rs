//! One reading connection: slices of the log, every event checked against its digest.
//!
//! A read is one SQLite snapshot. Rows that should follow each other and do not, without the scavenger having
//! written that down, are damage too.

mod verdicts;

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::decode::{Columns, Names, Page, damaged};
use super::gaps::Walk;
use super::rows::to_column;
use super::schema;
use super::shared::unavailable;
use super::unwritten::Unwritten;
use crate::kernel::Position;
use crate::log::rules;
use crate::log::{AllSlice, Direction, Filter, LeftOut, ReadError, Survey};
use verdicts::Verdicts;

/// Payload bytes of one slice, beyond which it ends early and says that more is there: 16 events of the largest size.
pub(super) const SLICE_BYTES: usize = 16 * rules::MAX_APPEND_BYTES;

/// Room made for a page before it is read, at most: 512 usual events.
pub(super) const PAGE_ROOM_BYTES: usize = 256 * 1024;
pub(super) const PAGE_ROOM_EVENTS: usize = 512;

pub(super) const COLUMNS: &str = "SELECT position, stream, revision, type, json, recorded, id, digest, data, metadata FROM events";

/// A connection and what it remembers of names.
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) names: Names,
    pub(super) verdicts: Verdicts,
    /// The newest entries of the stream index.
    pub(super) unwritten: Arc<Unwritten>,
    /// What the last page took: the next one is likely to take as much.
    page_bytes: usize,
    page_events: usize,
    /// What an event of the last page of a stream took.
    pub(super) event_bytes: usize,
}

impl Reader {
    pub(super) fn open(path: &Path, unwritten: Arc<Unwritten>) -> Result<Self, ReadError> {
        let connection = schema::open_reader(path).map_err(|error| failed(&error))?;
        Ok(Self {
            connection,
            names: Names::default(),
            verdicts: Verdicts::default(),
            unwritten,
            page_bytes: 0,
            page_events: 0,
            event_bytes: 0,
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
        self.examine((near, far), direction, limit, filter, None)
    }

    /// The next `limit` events after `near` and not after `far`, and of those that do not pass the places.
    pub(super) fn survey(
        &mut self,
        near: Position,
        far: Position,
        limit: usize,
        filter: &Filter,
    ) -> Result<Survey, ReadError> {
        let forward = Direction::Forward;
        let mut left_out = Vec::new();
        let slice = self.examine((near, far), forward, limit, filter, Some(&mut left_out))?;
        Ok(Survey { slice, left_out })
    }

    /// Reads what passes; the others count as well where they are wanted.
    fn examine(
        &mut self,
        (near, far): (Position, Position),
        direction: Direction,
        limit: usize,
        filter: &Filter,
        mut left_out: Option<&mut Vec<LeftOut>>,
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
        let mut page = Page::with_room_for(self.page_events, self.page_bytes);
        self.names.begin_page();
        self.verdicts.begin_page(filter);
        let mut walk = Walk::new(&self.connection, near, direction);
        let mut counted = 0;
        while counted < limit && page.bytes() < SLICE_BYTES {
            let Some(row) = next(&mut rows, walk.at)? else {
                walk.finish(far)?;
                self.page_bytes = page.bytes().min(PAGE_ROOM_BYTES);
                self.page_events = page.len().min(PAGE_ROOM_EVENTS);
                return Ok(slice(page, far, true));
            };
            let columns = Columns::of(row)?;
            walk.step(columns.position)?;
            let stream = self.names.stream(&self.connection, &columns)?;
            let event_type = self.names.event_type(&self.connection, &columns, &stream)?;
            if self
                .verdicts
                .admit(&columns, stream.as_str(), &event_type)?
            {
                page.add(row, &columns, stream, event_type)?;
                counted += 1;
            } else if let Some(left_out) = &mut left_out {
                let position = columns.position;
                left_out.push(LeftOut { position, stream });
                counted += 1;
            }
        }
        self.page_bytes = page.bytes().min(PAGE_ROOM_BYTES);
        self.page_events = page.len().min(PAGE_ROOM_EVENTS);
        let end = walk.at == far;
        Ok(slice(page, walk.at, end))
    }
}

fn slice(page: Page, examined: Position, end: bool) -> AllSlice {
    AllSlice {
        events: page.into_events(),
        examined,
        end,
    }
}

pub(super) fn prepared<'c>(
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
