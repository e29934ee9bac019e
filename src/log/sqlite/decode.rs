//! Rows back into events, each checked against its digest.

use std::collections::HashMap;
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
const NAMES: usize = 4096;

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
    event_type: i64,
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
    streams: HashMap<i64, StreamName>,
    types: HashMap<i64, Arc<str>>,
}

impl Names {
    pub(super) fn stream(
        &mut self,
        connection: &Connection,
        row: &Columns,
    ) -> Result<StreamName, ReadError> {
        if let Some(name) = self.streams.get(&row.stream) {
            return Ok(name.clone());
        }
        let sql = "SELECT name FROM streams WHERE id = ?1";
        let place = format!("number {}", row.stream);
        let name = lookup(connection, sql, row.stream)?
            .and_then(|name| StreamName::new(name).ok())
            .ok_or_else(|| damaged(row.position, &place, "its stream has no name"))?;
        if self.streams.len() == NAMES {
            self.streams.clear();
        }
        self.streams.insert(row.stream, name.clone());
        Ok(name)
    }

    pub(super) fn event_type(
        &mut self,
        connection: &Connection,
        row: &Columns,
        stream: &StreamName,
    ) -> Result<Arc<str>, ReadError> {
        if let Some(name) = self.types.get(&row.event_type) {
            return Ok(Arc::clone(name));
        }
        let name: Arc<str> = lookup(
            connection,
            "SELECT name FROM types WHERE id = ?1",
            row.event_type,
        )?
        .ok_or_else(|| damaged(row.position, stream.as_str(), "its type has no name"))?
        .into();
        if self.types.len() == NAMES {
            self.types.clear();
        }
        self.types.insert(row.event_type, Arc::clone(&name));
        Ok(name)
    }
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
    /// With room for `bytes`.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self {
            buffer: BytesMut::with_capacity(bytes),
            events: Vec::new(),
            payloads: Vec::new(),
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
