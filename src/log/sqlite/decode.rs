//! Rows back into events, each checked against its digest.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::reader::failed;
use super::rows::from_column;
use crate::kernel::{Moment, Position, Revision, StreamName};
use crate::log::canonical::{self, Parts};
use crate::log::{ReadError, RecordedEvent};

/// Names that a connection remembers of each kind, about 120 bytes each: half a MiB.
const NAMES: u64 = 4096;

/// The error that names a row.
pub(super) fn damaged(position: Position, stream: &str, problem: &str) -> ReadError {
    ReadError::Damaged {
        position,
        stream: stream.to_owned(),
        problem: problem.to_owned(),
    }
}

/// The columns that decide what a row is; the payloads come later, if they are wanted.
pub(super) struct Columns {
    pub(super) position: Position,
    pub(super) revision: Revision,
    pub(super) stream: i64,
    pub(super) event_type: i64,
    json: i64,
    recorded_micros: i64,
}

impl Columns {
    pub(super) fn of(row: &Row<'_>) -> Result<Self, ReadError> {
        let number = |column| integer(row, column);
        let position = Position(from_column(number(0).unwrap_or_default()));
        let read = || {
            Some(Self {
                position,
                stream: number(1)?,
                revision: from_column(number(2)?),
                event_type: number(3)?,
                json: number(4)?,
                recorded_micros: number(5)?,
            })
        };
        read().ok_or_else(|| damaged(position, "unknown", "a number is none"))
    }

    /// Of an event that was removed nothing else is known.
    pub(super) fn of_removed(position: Position, stream: i64, event_type: i64) -> Self {
        Self {
            position,
            stream,
            event_type,
            revision: 0,
            json: 0,
            recorded_micros: 0,
        }
    }

    pub(super) fn recorded_at(&self, stream: &str) -> Result<Moment, ReadError> {
        Moment::from_unix_micros(self.recorded_micros)
            .map_err(|_| damaged(self.position, stream, "its time is none"))
    }
}

fn integer(row: &Row<'_>, column: usize) -> Option<i64> {
    match row.get_ref(column) {
        Ok(ValueRef::Integer(number)) => Some(number),
        _ => None,
    }
}

/// Streams and types by number, as far as remembered.
#[derive(Default)]
pub(super) struct Names {
    streams: Slots<StreamName>,
    types: Slots<PageType>,
    /// The number of the page being read.
    page: u64,
}

/// A type's name, and the page that it was handed out in.
struct PageType {
    name: Arc<str>,
    page: u64,
}

impl Names {
    /// Begins another page. Its events share their types with each other only: counting owners of a name that another
    /// thread lets go of at the same time costs more than the name does.
    pub(super) fn begin_page(&mut self) {
        self.page += 1;
    }

    pub(super) fn stream(
        &mut self,
        connection: &Connection,
        row: &Columns,
    ) -> Result<StreamName, ReadError> {
        if let Some(name) = self.streams.get(row.stream) {
            return Ok(name.clone());
        }
        let sql = "SELECT name FROM streams WHERE id = ?1";
        let place = format!("number {}", row.stream);
        let name = lookup(connection, sql, row.stream)?
            .and_then(|name| StreamName::new(name).ok())
            .ok_or_else(|| damaged(row.position, &place, "its stream has no name"))?;
        self.streams.put(row.stream, name.clone());
        Ok(name)
    }

    pub(super) fn event_type(
        &mut self,
        connection: &Connection,
        row: &Columns,
        stream: &StreamName,
    ) -> Result<Arc<str>, ReadError> {
        if let Some(known) = self.types.get(row.event_type) {
            if known.page != self.page {
                known.name = Arc::from(&*known.name);
                known.page = self.page;
            }
            return Ok(Arc::clone(&known.name));
        }
        let sql = "SELECT name FROM types WHERE id = ?1";
        let name: Arc<str> = lookup(connection, sql, row.event_type)?
            .ok_or_else(|| damaged(row.position, stream.as_str(), "its type has no name"))?
            .into();
        let page = self.page;
        let known = PageType {
            name: Arc::clone(&name),
            page,
        };
        self.types.put(row.event_type, known);
        Ok(name)
    }
}

/// What was found out last for each number modulo [`NAMES`]. Streams of one time have neighbouring numbers, so they
/// seldom drive each other out.
pub(super) struct Slots<T>(Vec<Option<(i64, T)>>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Slots<T> {
    pub(super) fn get(&mut self, number: i64) -> Option<&mut T> {
        match self.0.get_mut(slot(number)) {
            Some(Some((known, value))) if *known == number => Some(value),
            _ => None,
        }
    }

    pub(super) fn put(&mut self, number: i64, value: T) {
        let slot = slot(number);
        if self.0.len() <= slot {
            self.0.resize_with(slot + 1, || None);
        }
        if let Some(place) = self.0.get_mut(slot) {
            *place = Some((number, value));
        }
    }
}

fn slot(number: i64) -> usize {
    usize::try_from(number.cast_unsigned() % NAMES).unwrap_or_default()
}

fn lookup(connection: &Connection, sql: &str, id: i64) -> Result<Option<String>, ReadError> {
    let lookup = || {
        connection
            .prepare_cached(sql)?
            .query_row([id], |row| {
                Ok(row.get_ref(0)?.as_str().ok().map(str::to_owned))
            })
            .optional()
    };
    let found: Option<Option<String>> = lookup().map_err(|error| failed(&error))?;
    Ok(found.flatten())
}

/// The events of one slice. Their payloads share one buffer, which also holds the bytes that were digested: one
/// allocation for all of them.
pub(super) struct Page {
    buffer: BytesMut,
    events: Vec<RecordedEvent>,
    payloads: Vec<(Range<usize>, Range<usize>)>,
}

impl Page {
    /// With room for so many events and bytes.
    pub(super) fn with_room_for(events: usize, bytes: usize) -> Self {
        Self {
            buffer: BytesMut::with_capacity(bytes),
            events: Vec::with_capacity(events),
            payloads: Vec::with_capacity(events),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Adds the row's event if it is what was written.
    pub(super) fn add(
        &mut self,
        row: &Row<'_>,
        columns: &Columns,
        stream: StreamName,
        event_type: Arc<str>,
    ) -> Result<(), ReadError> {
        let problem = |problem| damaged(columns.position, stream.as_str(), problem);
        let id = blob(row, 6).and_then(|id| Uuid::from_slice(id).ok());
        let id = id.ok_or_else(|| problem("its id is none"))?;
        let digest = blob(row, 7).ok_or_else(|| problem("its digest is none"))?;
        let data = blob(row, 8).ok_or_else(|| problem("its data is none"))?;
        let metadata = blob(row, 9).ok_or_else(|| problem("its metadata is none"))?;
        let recorded_at = columns.recorded_at(stream.as_str())?;
        let is_json = match columns.json {
            0 => false,
            1 => true,
            _ => return Err(problem("its JSON flag is none")),
        };
        let start = self.buffer.len();
        let parts = Parts {
            position: columns.position.0,
            revision: columns.revision,
            recorded_micros: columns.recorded_micros,
            id,
            is_json,
            stream: stream.as_str(),
            event_type: &event_type,
            data,
            metadata,
        };
        let payload = parts.put(&mut self.buffer);
        let written = self.buffer.get(start..).unwrap_or_default();
        if canonical::sha256(written) != digest {
            return Err(problem("its digest does not fit"));
        }
        self.payloads.push(payload);
        self.events.push(RecordedEvent {
            position: columns.position,
            stream,
            revision: columns.revision,
            id,
            event_type,
            is_json,
            data: Bytes::new(),
            metadata: Bytes::new(),
            recorded_at,
        });
        Ok(())
    }

    pub(super) fn into_events(mut self) -> Vec<RecordedEvent> {
        let buffer = self.buffer.freeze();
        for (event, (data, metadata)) in self.events.iter_mut().zip(self.payloads) {
            event.data = buffer.slice(data);
            event.metadata = buffer.slice(metadata);
        }
        self.events
    }
}

fn blob<'r>(row: &'r Row<'_>, column: usize) -> Option<&'r [u8]> {
    match row.get_ref(column) {
        Ok(ValueRef::Blob(bytes)) => Some(bytes),
        _ => None,
    }
}
