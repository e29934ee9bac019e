//! `annals log dump` and its way back: a log as lines of JSON, one event each, exact to the byte.
//!
//! ```text
//!   {"position":1,"stream":"placement-…","revision":0,"id":"…","type":"PlacementStarted","recorded_at":"…",
//!    "is_json":true,"data":{"json":{…}},"metadata":{"json":{…}},"digest":"<base64>"}
//! ```
//!
//! A payload is `json` (verbatim, where it is one line of JSON), else `text` (UTF-8), else `base64`. The digest is
//! the row's, and is checked when the line is read back. Of events that were removed there is nothing in it.

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::import::{BATCH_EVENTS, Copied, Numbering, same};
use super::reader::Reader;
use super::tools::{self, ToolError};
use super::{SqliteLog, writer};
use crate::kernel::{Moment, Position, Revision, StreamName};
use crate::log::canonical::event_digest;
use crate::log::{Direction, EventLog as _, Filter, RecordedEvent};

#[derive(Serialize, Deserialize)]
struct Line {
    position: u64,
    stream: String,
    revision: Revision,
    id: Uuid,
    #[serde(rename = "type")]
    event_type: String,
    recorded_at: Moment,
    is_json: bool,
    data: Payload,
    metadata: Payload,
    digest: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Payload {
    Json(Box<RawValue>),
    Text(String),
    Base64(String),
}

/// Writes every event of the log in `dir` to `out`, also while it is being served. `progress` hears the position
/// reached and the last one.
///
/// # Errors
/// Damage, by name; a dump is whole or none.
pub fn dump(
    dir: &Path,
    out: &mut dyn Write,
    mut progress: impl FnMut(Position, Position),
) -> Result<Copied, ToolError> {
    let (connection, path) = tools::open_beside(dir)?;
    let (head, _) = writer::end_of(&connection).map_err(tools::refused(&path))?;
    let mut reader = Reader::open(&path, Arc::default())?;
    let mut at = Position::START;
    let mut events = 0;
    while at < head {
        let page = reader.page(
            at,
            head,
            Direction::Forward,
            BATCH_EVENTS,
            &Filter::default(),
        )?;
        events += page.events.len() as u64;
        for event in &page.events {
            serde_json::to_writer(&mut *out, &Line::of(event)).map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
        }
        at = page.examined;
        progress(at, head);
    }
    out.flush()?;
    Ok(Copied {
        events,
        examined: head,
    })
}

/// Compares a dump with the log in `dir` that it was made of, which may have grown since.
///
/// # Errors
/// A line that is none, or the first event that differs.
pub fn check_dump(
    dir: &Path,
    input: &mut dyn BufRead,
    mut progress: impl FnMut(Position, Position),
) -> Result<Copied, ToolError> {
    let (connection, path) = tools::open_beside(dir)?;
    let (head, _) = writer::end_of(&connection).map_err(tools::refused(&path))?;
    let mut reader = Reader::open(&path, Arc::default())?;
    let mut lines = Lines::of(input);
    let mut done = Copied::default();
    loop {
        let batch = lines.batch()?;
        let Some(last) = batch.last() else {
            return Ok(done);
        };
        let to = last.position.min(head);
        let page = reader.page(
            done.examined,
            to,
            Direction::Forward,
            usize::MAX,
            &Filter::default(),
        )?;
        equal(&page.events, &batch)?;
        done.events += batch.len() as u64;
        done.examined = to;
        progress(to, head);
    }
}

/// The same events in the same order.
fn equal(expected: &[RecordedEvent], found: &[RecordedEvent]) -> Result<(), ToolError> {
    for (index, event) in expected.iter().enumerate() {
        same(event, found.get(index), Numbering::Keep)?;
    }
    match found.get(expected.len()) {
        Some(more) => same(more, None, Numbering::Keep),
        None => Ok(()),
    }
}

/// Reads a dump back into `log`, positions included. What is there already is passed over. Every event is then read
/// from the log and compared with its line.
///
/// # Errors
/// A line that is none or was changed; a log that has something else at its place.
pub async fn load(
    log: &SqliteLog,
    input: &mut (dyn BufRead + Send),
    mut progress: impl FnMut(Copied) + Send,
) -> Result<Copied, ToolError> {
    let mut lines = Lines::of(input);
    let mut done = Copied::default();
    loop {
        let batch = lines.batch()?;
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else {
            return Ok(done);
        };
        done.events += batch.len() as u64;
        done.examined = last.position;
        let before = Position(first.position.0.saturating_sub(1));
        log.import(batch.clone(), Numbering::Keep).await?;
        let kept = log
            .read_all(
                Some(before),
                Direction::Forward,
                batch.len(),
                &Filter::default(),
            )
            .await?;
        equal(&batch, &kept.events)?;
        progress(done);
    }
}

/// Payload bytes taken over in one step, beyond which no further event joins: a quarter of what one read answers.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The events of a dump, some at a time.
struct Lines<'a, R: ?Sized> {
    input: &'a mut R,
    number: usize,
}

impl<'a, R: BufRead + ?Sized> Lines<'a, R> {
    fn of(input: &'a mut R) -> Self {
        Self { input, number: 0 }
    }

    /// The next events; none at the end.
    fn batch(&mut self) -> Result<Vec<RecordedEvent>, ToolError> {
        let mut batch = Vec::with_capacity(BATCH_EVENTS);
        let mut text = String::new();
        let mut bytes = 0;
        while batch.len() < BATCH_EVENTS && bytes < BATCH_BYTES {
            text.clear();
            if self.input.read_line(&mut text)? == 0 {
                break;
            }
            self.number += 1;
            if text.trim().is_empty() {
                continue;
            }
            let event = event_of(&text).map_err(|problem| ToolError::Line {
                line: self.number,
                problem,
            })?;
            bytes += event.data.len() + event.metadata.len();
            batch.push(event);
        }
        Ok(batch)
    }
}

impl Line {
    fn of(event: &RecordedEvent) -> Self {
        Self {
            position: event.position.0,
            stream: event.stream.to_string(),
            revision: event.revision,
            id: event.id,
            event_type: event.event_type.to_string(),
            recorded_at: event.recorded_at,
            is_json: event.is_json,
            data: Payload::of(&event.data),
            metadata: Payload::of(&event.metadata),
            digest: STANDARD.encode(event_digest(event)),
        }
    }
}

fn event_of(line: &str) -> Result<RecordedEvent, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let event = RecordedEvent {
        position: Position(line.position),
        stream: StreamName::new(line.stream).map_err(|error| error.to_string())?,
        revision: line.revision,
        id: line.id,
        event_type: line.event_type.into(),
        is_json: line.is_json,
        data: line.data.into_bytes()?,
        metadata: line.metadata.into_bytes()?,
        recorded_at: line.recorded_at,
    };
    if STANDARD.encode(event_digest(&event)) != line.digest {
        return Err("its digest does not fit".into());
    }
    Ok(event)
}

impl Payload {
    fn of(bytes: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Self::Base64(STANDARD.encode(bytes));
        };
        let json = serde_json::from_str::<Box<RawValue>>(text).ok();
        // Spaces around it would be lost, and a line break would end the line.
        json.filter(|raw| raw.get() == text && !text.contains(['\n', '\r']))
            .map_or_else(|| Self::Text(text.to_owned()), Self::Json)
    }

    fn into_bytes(self) -> Result<Bytes, String> {
        match self {
            Self::Json(raw) => Ok(raw.get().to_owned().into()),
            Self::Text(text) => Ok(text.into()),
            Self::Base64(text) => STANDARD
                .decode(text)
                .map(Into::into)
                .map_err(|error| error.to_string()),
        }
    }
}
