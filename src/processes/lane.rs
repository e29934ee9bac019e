//! One process on one source: follows the log, handles batches, parks what does not go through.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::{Mutex, watch};

use super::duty::{self, Duty};
use super::process::{Process, ProcessError, Source};
use super::store::{ParkedEvent, ProcessStore, StoreError};
use crate::kernel::{Moment, Position};
use crate::log::{Delivery, EventLog, Filter, Match, RecordedEvent};

/// Streams whose events are handled side by side, per source. Appends of all of them share a sync.
const STREAMS_AT_ONCE: usize = 64;
/// First and longest pause before something that may pass is tried again.
const BACKOFF_FIRST: Duration = Duration::from_millis(20);
const BACKOFF_LONGEST: Duration = Duration::from_secs(5);
/// A position that moved over foreign events only is saved when it moved this far: a restart examines them again.
const SAVE_EVERY_POSITIONS: u64 = 10_000;

/// What a lane tells the outside.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    pub(super) position: Position,
    pub(super) trouble: Option<String>,
}

/// One process on one source.
pub(super) struct Lane {
    pub(super) process: Arc<dyn Process>,
    pub(super) source: Source,
    pub(super) log: Arc<dyn EventLog>,
    pub(super) progress: watch::Sender<Progress>,
    /// Streams with parked events. Held while events of the lane are handled, so that a retry comes in between, never beside.
    pub(super) blocked: Mutex<HashSet<String>>,
}

/// Follows the log as long as it is this server's duty, over faults of the log too.
pub(super) async fn run(
    lane: Arc<Lane>,
    store: Arc<ProcessStore>,
    clock: fn() -> Moment,
    mut duty: watch::Receiver<Duty>,
) {
    let mut pause = BACKOFF_FIRST;
    while duty::called(&mut duty).await {
        let from = lane.progress.borrow().position;
        let mut saved = from;
        match follow(&lane, &store, clock, from, &mut saved, &mut duty).await {
            Ok(()) => continue,
            Err(cause) => lane.trouble(cause),
        }
        if lane.progress.borrow().position > from {
            pause = BACKOFF_FIRST;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(BACKOFF_LONGEST);
    }
    let position = lane.progress.borrow().position;
    if let Err(error) = store.commit(lane.process.name(), lane.source.service, position, &[]) {
        tracing::warn!(process = lane.process.name(), %error, "the position was not saved");
    }
}

async fn follow(
    lane: &Lane,
    store: &ProcessStore,
    clock: fn() -> Moment,
    from: Position,
    saved: &mut Position,
    duty: &mut watch::Receiver<Duty>,
) -> Result<(), String> {
    let filter = Filter::by_type(Match::one_of(lane.source.event_types.iter().copied()));
    let mut deliveries = lane.log.subscribe(from, filter);
    loop {
        let delivery = tokio::select! {
            delivery = deliveries.next() => delivery,
            () = duty::relieved(duty) => return Ok(()),
        };
        let delivery = delivery
            .ok_or("the subscription ended")?
            .map_err(|error| error.to_string())?;
        let position = match delivery {
            Delivery::Events(events) => {
                let position = events.last().map_or(from, |event| event.position);
                let parked = lane.handle(&events, clock, duty).await;
                let Some(parked) = parked else { return Ok(()) };
                // Another server may have gone on from its own checkpoint: ours says nothing any more.
                if *duty.borrow() == Duty::Wait {
                    return Ok(());
                }
                fail::fail_point!("process::before_commit");
                commit(lane, store, position, &parked)?;
                *saved = position;
                position
            }
            Delivery::Checkpoint(position) | Delivery::CaughtUp(position) => {
                if position.0 >= saved.0 + SAVE_EVERY_POSITIONS {
                    commit(lane, store, position, &[])?;
                    *saved = position;
                }
                position
            }
        };
        lane.progress.send_if_modified(|progress| {
            let moved = progress.position < position || progress.trouble.is_some();
            progress.position = progress.position.max(position);
            progress.trouble = None;
            moved
        });
    }
}

fn commit(
    lane: &Lane,
    store: &ProcessStore,
    position: Position,
    parked: &[ParkedEvent],
) -> Result<(), String> {
    store
        .commit(lane.process.name(), lane.source.service, position, parked)
        .map_err(|error| error.to_string())
}

impl Lane {
    /// Where it was left.
    pub(super) fn open(
        process: &Arc<dyn Process>,
        source: Source,
        log: &Arc<dyn EventLog>,
        store: &ProcessStore,
    ) -> Result<Self, StoreError> {
        let progress = Progress {
            position: store.position(process.name(), source.service)?,
            trouble: None,
        };
        let blocked = store.blocked_streams(process.name(), source.service)?;
        Ok(Self {
            process: Arc::clone(process),
            source,
            log: Arc::clone(log),
            progress: watch::Sender::new(progress),
            blocked: Mutex::new(blocked.into_iter().collect()),
        })
    }

    /// Handles a batch: streams side by side, each stream's events in order. What is to be parked, or none where the
    /// server stops before all was handled.
    async fn handle(
        &self,
        events: &[RecordedEvent],
        clock: fn() -> Moment,
        duty: &watch::Receiver<Duty>,
    ) -> Option<Vec<ParkedEvent>> {
        let mut blocked = self.blocked.lock().await;
        let mut streams: Vec<Vec<&RecordedEvent>> = Vec::new();
        let mut index: HashMap<&str, usize> = HashMap::new();
        for event in events {
            let at = *index.entry(event.stream.as_str()).or_insert_with(|| {
                streams.push(Vec::new());
                streams.len() - 1
            });
            if let Some(stream) = streams.get_mut(at) {
                stream.push(event);
            }
        }
        let known = &*blocked;
        let handled: Vec<_> = streams
            .into_iter()
            .map(|events| {
                let waits = events
                    .first()
                    .is_some_and(|event| known.contains(event.stream.as_str()));
                async move { self.handle_stream(&events, waits, clock, duty).await }.boxed()
            })
            .collect();
        let outcomes: Vec<_> = stream::iter(handled)
            .buffer_unordered(STREAMS_AT_ONCE)
            .collect()
            .await;
        let parked: Vec<ParkedEvent> = outcomes
            .into_iter()
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect();
        blocked.extend(parked.iter().map(|event| event.stream.clone()));
        Some(parked)
    }

    async fn handle_stream(
        &self,
        events: &[&RecordedEvent],
        mut waits: bool,
        clock: fn() -> Moment,
        duty: &watch::Receiver<Duty>,
    ) -> Option<Vec<ParkedEvent>> {
        let mut parked = Vec::new();
        for event in events {
            if waits {
                parked.push(self.park(event, String::new(), clock()));
                continue;
            }
            if let Err(cause) = self.handle_one(event, clock, duty).await? {
                tracing::error!(process = self.process.name(), stream = %event.stream, position = %event.position, cause, "event parked");
                parked.push(self.park(event, cause, clock()));
                waits = true;
            }
        }
        Some(parked)
    }

    /// Tries until it goes through or cannot; none where the server stops meanwhile.
    async fn handle_one(
        &self,
        event: &RecordedEvent,
        clock: fn() -> Moment,
        duty: &watch::Receiver<Duty>,
    ) -> Option<Result<(), String>> {
        let mut pause = BACKOFF_FIRST;
        loop {
            fail::fail_point!("process::before_handle");
            match self
                .process
                .handle(self.source.service, event, clock())
                .await
            {
                Ok(()) => return Some(Ok(())),
                Err(ProcessError::Permanent(cause)) => return Some(Err(cause)),
                Err(ProcessError::Transient(cause)) => self.trouble(cause),
            }
            if !duty::leads(duty) {
                return None;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACKOFF_LONGEST);
        }
    }

    /// Takes position and parked events from the store.
    pub(super) async fn reload(&self, store: &ProcessStore) -> Result<(), StoreError> {
        let (process, service) = (self.process.name(), self.source.service);
        // What was under way when this server was relieved ends first.
        let mut blocked = self.blocked.lock().await;
        *blocked = store
            .blocked_streams(process, service)?
            .into_iter()
            .collect();
        let position = store.position(process, service)?;
        self.progress
            .send_modify(|progress| progress.position = position);
        Ok(())
    }

    fn park(&self, event: &RecordedEvent, cause: String, parked_at: Moment) -> ParkedEvent {
        ParkedEvent {
            process: self.process.name().to_owned(),
            service: self.source.service.to_owned(),
            position: event.position,
            stream: event.stream.to_string(),
            event_type: event.event_type.to_string(),
            cause,
            parked_at,
        }
    }

    fn trouble(&self, cause: String) {
        let (process, service) = (self.process.name(), self.source.service);
        // Many streams have the same trouble, every few seconds.
        if self.progress.borrow().trouble.as_ref() == Some(&cause) {
            tracing::debug!(process, service, cause, "trying again");
        } else {
            tracing::warn!(process, service, cause, "trying again");
        }
        self.progress
            .send_modify(|progress| progress.trouble = Some(cause));
    }
}
