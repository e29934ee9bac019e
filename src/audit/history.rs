//! One stream's state as it was: its events up to a point, folded by the rules that decided them.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::kernel::{EventMetadata, Moment, Revision, Stored, StreamName, WireError};
use crate::log::{Direction, EventLog, ReadError, ReadFrom, RecordedEvent};

/// Events of a stream that are read at a time.
const PAGE_EVENTS: usize = 512;

/// Turns the events of one kind of stream into the state that they lead to, as JSON.
pub trait StateViewer: Send + Sync + 'static {
    /// The state after `events`.
    ///
    /// # Errors
    /// Where an event cannot be read.
    fn view(&self, events: &[RecordedEvent]) -> Result<Value, WireError>;
}

impl<F> StateViewer for F
where
    F: Fn(&[RecordedEvent]) -> Result<Value, WireError> + Send + Sync + 'static,
{
    fn view(&self, events: &[RecordedEvent]) -> Result<Value, WireError> {
        self(events)
    }
}

/// Views an aggregate's own state.
#[must_use]
pub fn aggregate_view<A: Stored + Serialize>() -> impl StateViewer {
    |events: &[RecordedEvent]| {
        let mut state = A::default();
        for event in events {
            let metadata = metadata(event)?;
            state.evolve(&A::decode(
                &event.event_type,
                metadata.schema_version,
                &event.data,
            )?);
        }
        serde_json::to_value(&state).map_err(|error| malformed(A::CATEGORY, &error))
    }
}

/// How streams become states, by the category of their names.
#[derive(Default)]
pub struct Viewers(HashMap<&'static str, Kept>);

/// Where the streams of one category lie, and how they become states.
type Kept = (Arc<dyn EventLog>, Box<dyn StateViewer>);

/// Up to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// After the event of this revision.
    Revision(Revision),
    /// After the last event that was recorded by then.
    Recorded(Moment),
    /// After the events that happened by then, whenever they were recorded.
    Occurred(Moment),
}

/// A state and the last event that is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct PastState {
    /// The state.
    pub state: Value,
    /// Of that event.
    pub revision: Revision,
    /// When that event was recorded.
    pub recorded_at: Moment,
}

/// Why there is no such state.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// No service has streams of that name.
    #[error("no service keeps streams like {0}")]
    UnknownCategory(String),
    /// The stream had no event by then.
    #[error("stream {0} had no event by then")]
    Nothing(StreamName),
    /// The stream has no such revision.
    #[error("stream {stream} has no revision {asked}; its last is {last}")]
    NoRevision {
        /// The stream.
        stream: StreamName,
        /// What was asked for.
        asked: Revision,
        /// What there is.
        last: Revision,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event cannot be read.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl Viewers {
    /// Adds the streams `<category>-...`, which `log` holds.
    #[must_use]
    pub fn with(
        mut self,
        category: &'static str,
        log: Arc<dyn EventLog>,
        viewer: impl StateViewer,
    ) -> Self {
        self.0.insert(category, (log, Box::new(viewer)));
        self
    }

    /// The state of `stream` as of a point in the past.
    pub async fn as_of(&self, stream: &StreamName, as_of: AsOf) -> Result<PastState, HistoryError> {
        let (log, viewer) = self
            .0
            .get(stream.category())
            .ok_or_else(|| HistoryError::UnknownCategory(stream.to_string()))?;
        let events = events_until(log.as_ref(), stream, as_of).await?;
        let last = events
            .last()
            .ok_or_else(|| HistoryError::Nothing(stream.clone()))?;
        if let AsOf::Revision(asked) = as_of
            && last.revision < asked
        {
            return Err(HistoryError::NoRevision {
                stream: stream.clone(),
                asked,
                last: last.revision,
            });
        }
        Ok(PastState {
            state: viewer.view(&events)?,
            revision: last.revision,
            recorded_at: last.recorded_at,
        })
    }
}

async fn events_until(
    log: &dyn EventLog,
    stream: &StreamName,
    as_of: AsOf,
) -> Result<Vec<RecordedEvent>, HistoryError> {
    let mut kept = Vec::new();
    let mut from = ReadFrom::Start;
    loop {
        let slice = log
            .read_stream(stream, from, Direction::Forward, PAGE_EVENTS)
            .await?;
        let next = slice.events.last().map(|event| event.revision + 1);
        for event in slice.events {
            match as_of {
                AsOf::Revision(revision) if event.revision > revision => return Ok(kept),
                AsOf::Recorded(moment) if event.recorded_at > moment => return Ok(kept),
                // Imported events tell of the past: a later one may have happened earlier.
                AsOf::Occurred(moment) if metadata(&event)?.occurred_at > moment => {}
                AsOf::Revision(_) | AsOf::Recorded(_) | AsOf::Occurred(_) => kept.push(event),
            }
        }
        match next {
            Some(next) if !slice.end => from = ReadFrom::Revision(next),
            _ => return Ok(kept),
        }
    }
}

fn metadata(event: &RecordedEvent) -> Result<EventMetadata, WireError> {
    serde_json::from_slice(&event.metadata).map_err(|error| malformed(&event.event_type, &error))
}

fn malformed(event_type: &str, error: &serde_json::Error) -> WireError {
    WireError::Malformed {
        event_type: event_type.to_owned(),
        problem: error.to_string(),
    }
}
