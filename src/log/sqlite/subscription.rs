//! One subscriber: reads the file until it has caught up, then the tail in memory, woken by the writer.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::reader::Reader;
use super::shared::{Shared, closed};
use crate::kernel::Position;
use crate::log::{AllSlice, Delivery, Direction, Filter, ReadError};

/// Events of one delivery at most.
const BATCH_EVENTS: usize = 512;

/// Rows that one read of the file goes through.
const READ_ROWS: u64 = 512;

/// The same where a filter passes over most of them: it reports how far it is once a read.
const FILTERED_ROWS: u64 = 4096;

/// Reads of the file under way at once for one subscriber: two cores check digests faster than one.
const READS_AHEAD: usize = 2;

pub(super) struct Subscription {
    shared: Arc<Shared>,
    head: watch::Receiver<Position>,
    filter: Arc<Filter>,
    at: Position,
    ready: VecDeque<Delivery>,
    ahead: VecDeque<Ahead>,
    told: Option<Position>,
    over: bool,
}

/// A read of the rows after `from`, up to and with `to`.
struct Ahead {
    from: Position,
    to: Position,
    slice: JoinHandle<Result<AllSlice, ReadError>>,
}

impl Subscription {
    pub(super) fn new(shared: Arc<Shared>, from: Position, filter: Filter) -> Self {
        Self {
            head: shared.head.subscribe(),
            shared,
            filter: Arc::new(filter),
            at: from,
            ready: VecDeque::new(),
            ahead: VecDeque::new(),
            told: None,
            over: false,
        }
    }

    pub(super) async fn next(&mut self) -> Option<Result<Delivery, ReadError>> {
        if self.over {
            return None;
        }
        let next = self.deliver().await;
        self.over = next.is_err();
        Some(next)
    }

    async fn deliver(&mut self) -> Result<Delivery, ReadError> {
        loop {
            if self.shared.is_closed() {
                return Err(closed());
            }
            if let Some(delivery) = self.ready.pop_front() {
                return Ok(delivery);
            }
            let head = *self.head.borrow_and_update();
            if self.at < head {
                let slice = self.page(head).await?;
                self.take(slice);
            } else if self.told != Some(self.at) {
                self.told = Some(self.at);
                return Ok(Delivery::CaughtUp(self.at));
            } else {
                self.head.changed().await.map_err(|_| closed())?;
            }
        }
    }

    fn take(&mut self, slice: AllSlice) {
        let last = slice.events.last().map(|event| event.position);
        self.at = slice.examined;
        let mut events = slice.events;
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(BATCH_EVENTS));
            self.ready.push_back(Delivery::Events(events));
            events = rest;
        }
        if last != Some(slice.examined) {
            self.ready.push_back(Delivery::Checkpoint(slice.examined));
        }
    }

    async fn page(&mut self, head: Position) -> Result<AllSlice, ReadError> {
        let tail = self
            .shared
            .tail
            .after(self.at, BATCH_EVENTS, &self.filter)?;
        if let Some(slice) = tail {
            self.ahead.clear();
            return Ok(slice);
        }
        // A read that was cut short by its size leaves the later ones at the wrong place.
        if self
            .ahead
            .front()
            .is_some_and(|ahead| ahead.from != self.at)
        {
            self.ahead.clear();
        }
        self.read_ahead(head);
        let Some(next) = self.ahead.pop_front() else {
            return Ok(AllSlice {
                examined: self.at,
                ..AllSlice::default()
            });
        };
        next.slice.await.unwrap_or_else(|_| Err(closed()))
    }

    fn read_ahead(&mut self, head: Position) {
        let rows = if self.filter.is_everything() {
            READ_ROWS
        } else {
            FILTERED_ROWS
        };
        while self.ahead.len() < READS_AHEAD {
            let from = self.ahead.back().map_or(self.at, |ahead| ahead.to);
            let to = head.min(Position(from.0.saturating_add(rows)));
            if to <= from {
                return;
            }
            let filter = Arc::clone(&self.filter);
            let slice = self.shared.begin(move |reader: &mut Reader| {
                reader.page(from, to, Direction::Forward, usize::MAX, &filter)
            });
            self.ahead.push_back(Ahead { from, to, slice });
        }
    }
}
