//! What operators do with parked events: try again, pass over.

use std::collections::HashSet;
use std::sync::Arc;

use super::lane::Lane;
use super::runner::Processes;
use super::store::{ParkedEvent, StoreError};
use crate::kernel::{Position, StreamName};
use crate::log::{Direction, ReadFrom, RecordedEvent};

/// Events of one read of a stream.
const PAGE_EVENTS: usize = 256;

impl Processes {
    /// Tries a parked event again, and where it goes through, those that wait behind it. None: it is not parked.
    pub async fn retry(
        &self,
        process: &str,
        service: &str,
        position: Position,
    ) -> Result<Option<Result<(), String>>, StoreError> {
        let Some((lane, parked)) = self.find(process, service, position)? else {
            return Ok(None);
        };
        self.check_leads(lane)?;
        let mut blocked = lane.blocked.lock().await;
        self.drain(lane, &mut blocked, &parked.stream)
            .await
            .map(Some)
    }

    /// Passes a parked event over; those that wait behind it are tried. False: it is not parked.
    pub async fn skip(
        &self,
        process: &str,
        service: &str,
        position: Position,
    ) -> Result<bool, StoreError> {
        let Some((lane, parked)) = self.find(process, service, position)? else {
            return Ok(false);
        };
        self.check_leads(lane)?;
        let mut blocked = lane.blocked.lock().await;
        self.store.unpark(process, service, position)?;
        if let Err(cause) = self.drain(lane, &mut blocked, &parked.stream).await? {
            tracing::warn!(
                process,
                service,
                stream = parked.stream,
                cause,
                "the next event of the stream is parked"
            );
        }
        Ok(true)
    }

    fn check_leads(&self, lane: &Lane) -> Result<(), StoreError> {
        if lane.process.is_local() || self.leads() {
            return Ok(());
        }
        Err(StoreError::Elsewhere)
    }

    fn find(
        &self,
        process: &str,
        service: &str,
        position: Position,
    ) -> Result<Option<(&Arc<Lane>, ParkedEvent)>, StoreError> {
        let lane = self
            .lanes
            .iter()
            .find(|lane| lane.process.name() == process && lane.source.service == service);
        let parked = self.store.parked(Some(process), usize::MAX, 0)?;
        let event = parked
            .into_iter()
            .find(|event| event.service == service && event.position == position);
        Ok(lane.zip(event))
    }

    /// Handles the parked events of a stream in order, until one does not go through.
    async fn drain(
        &self,
        lane: &Lane,
        blocked: &mut HashSet<String>,
        stream: &str,
    ) -> Result<Result<(), String>, StoreError> {
        let (process, service) = (lane.process.name(), lane.source.service);
        for mut parked in self.store.parked_of_stream(process, service, stream)? {
            let outcome = match reread(lane, &parked).await {
                Ok(event) => lane
                    .process
                    .handle(service, &event, (self.clock)())
                    .await
                    .map_err(|e| e.to_string()),
                Err(cause) => Err(cause),
            };
            if let Err(cause) = outcome {
                parked.cause.clone_from(&cause);
                self.store.repark(&parked)?;
                return Ok(Err(cause));
            }
            self.store.unpark(process, service, parked.position)?;
        }
        blocked.remove(stream);
        Ok(Ok(()))
    }
}

/// By its stream: a position can be asked for only as one that was handed out.
async fn reread(lane: &Lane, parked: &ParkedEvent) -> Result<RecordedEvent, String> {
    let stream = StreamName::new(parked.stream.as_str()).map_err(|error| error.to_string())?;
    let mut next = ReadFrom::Start;
    loop {
        let slice = lane
            .log
            .read_stream(&stream, next, Direction::Forward, PAGE_EVENTS)
            .await
            .map_err(|error| error.to_string())?;
        let last = slice.events.last().map(|event| event.revision);
        let found = slice
            .events
            .into_iter()
            .find(|event| event.position == parked.position);
        match (found, last) {
            (Some(event), _) => return Ok(event),
            (None, Some(last)) if !slice.end => next = ReadFrom::Revision(last + 1),
            (None, _) => return Err(format!("position {} holds no event", parked.position)),
        }
    }
}
