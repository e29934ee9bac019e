//! The oracle: the contract over one vector, so simple that it is obviously right. For tests, and to compare with.
//!
//! Does: everything of the trait. Does not: last longer than the process, forget an event id, or be fast.

mod judge;
mod read;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::stream::BoxStream;
use tokio::sync::watch;

use self::state::State;
use super::rules::{self, Clock, Protected};
use super::{
    AllSlice, AppendError, Appended, Delivery, Direction, EventLog, Expected, Filter, Health,
    NewEvent, ReadError, ReadFrom, StreamMetadata, StreamSlice,
};
use crate::kernel::{Position, StreamName};

/// Events in one delivery of a subscription.
const BATCH_EVENTS: usize = 256;

/// A log in memory. Cheap to clone; clones are the same log.
#[derive(Clone)]
pub struct MemoryLog {
    state: Arc<Mutex<State>>,
    head: watch::Sender<Position>,
    health: watch::Sender<Health>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    /// An empty log with the machine's clock and nothing protected.
    #[must_use]
    pub fn new() -> Self {
        Self::with(rules::system_clock(), Protected::default())
    }

    /// An empty log.
    #[must_use]
    pub fn with(clock: Clock, protected: Protected) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(clock, protected))),
            head: watch::Sender::new(Position::START),
            health: watch::Sender::new(Health::Serving),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> bool {
        *self.health.borrow() == Health::Closed
    }

    fn write(
        &self,
        step: impl FnOnce(&mut State) -> Result<Appended, AppendError>,
    ) -> Result<Appended, AppendError> {
        if self.closed() {
            return Err(AppendError::Unavailable {
                cause: CLOSED.into(),
                retry: false,
            });
        }
        let mut state = self.state();
        let outcome = step(&mut state);
        self.head.send_replace(state.head());
        outcome
    }

    fn read<T>(&self, step: impl FnOnce(&State) -> Result<T, ReadError>) -> Result<T, ReadError> {
        if self.closed() {
            return Err(closed());
        }
        step(&self.state())
    }
}

const CLOSED: &str = "it was closed";

fn closed() -> ReadError {
    ReadError::Unavailable {
        cause: CLOSED.into(),
        retry: false,
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        rules::validate(&events)?;
        self.write(|state| state.append(stream, expected, events))
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
    ) -> Result<StreamSlice, ReadError> {
        self.read(|state| state.read_stream(stream, from, direction, limit))
    }

    async fn read_all(
        &self,
        from: Option<Position>,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllSlice, ReadError> {
        self.read(|state| state.read_all(from, direction, limit, filter))
    }

    fn subscribe(
        &self,
        from: Position,
        filter: Filter,
    ) -> BoxStream<'static, Result<Delivery, ReadError>> {
        let subscription = Subscription {
            log: self.clone(),
            head: self.head.subscribe(),
            filter,
            at: from,
            told: None,
            over: false,
        };
        Box::pin(futures::stream::unfold(subscription, |mut this| async {
            this.next().await.map(|item| (item, this))
        }))
    }

    async fn head(&self) -> Result<Position, ReadError> {
        self.read(|state| Ok(state.head()))
    }

    async fn metadata(
        &self,
        stream: &StreamName,
    ) -> Result<(StreamMetadata, Option<u64>), ReadError> {
        self.read(|state| state.metadata(stream))
    }

    async fn set_metadata(
        &self,
        stream: &StreamName,
        expected: Expected,
        metadata: StreamMetadata,
    ) -> Result<Appended, AppendError> {
        self.write(|state| state.set_metadata(stream, expected, &metadata))
    }

    async fn delete(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Position, AppendError> {
        self.write(|state| state.delete(stream, expected))
            .map(|done| done.position)
    }

    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Position, AppendError> {
        self.write(|state| state.tombstone(stream, expected))
            .map(|done| done.position)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    async fn close(&self) {
        self.health.send_replace(Health::Closed);
        // Subscriptions wake and see that it is over.
        self.head.send_modify(|_| {});
    }
}

struct Subscription {
    log: MemoryLog,
    head: watch::Receiver<Position>,
    filter: Filter,
    at: Position,
    told: Option<Position>,
    over: bool,
}

impl Subscription {
    async fn next(&mut self) -> Option<Result<Delivery, ReadError>> {
        if self.over {
            return None;
        }
        loop {
            if self.log.closed() {
                self.over = true;
                return Some(Err(closed()));
            }
            let head = *self.head.borrow_and_update();
            if self.at < head {
                let read = self.log.state().read_all(
                    Some(self.at),
                    Direction::Forward,
                    BATCH_EVENTS,
                    &self.filter,
                );
                let slice = match read {
                    Ok(slice) => slice,
                    Err(error) => {
                        self.over = true;
                        return Some(Err(error));
                    }
                };
                self.at = slice.examined;
                if !slice.events.is_empty() {
                    return Some(Ok(Delivery::Events(slice.events)));
                }
            }
            if self.at >= head && self.told != Some(self.at) {
                self.told = Some(self.at);
                return Some(Ok(Delivery::CaughtUp(self.at)));
            }
            if self.at >= head && self.head.changed().await.is_err() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::contract::{self, TestClock};

    #[tokio::test]
    async fn the_oracle_keeps_the_contract() {
        let violations = contract::check(|| async {
            let clock = TestClock::new();
            let log = MemoryLog::with(clock.clock(), contract::protected());
            contract::Subject::new(Arc::new(log), clock)
        })
        .await;
        assert!(violations.is_empty(), "{violations:#?}");
    }
}
