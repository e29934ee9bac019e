//! One subscriber: reads the file until it has caught up, then the tail in memory, woken by the writer.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::shared::{Shared, closed};
use crate::kernel::Position;
use crate::log::{AllSlice, Delivery, Direction, Filter, ReadError};

/// Events of one delivery.
const BATCH_EVENTS: usize = 512;

/// Rows that a read of the file examines for one delivery, so that a filter that matches nothing still reports
/// how far it is.
const BATCH_ROWS: u64 = 16_384;

pub(super) struct Subscription {
    shared: Arc<Shared>,
    head: watch::Receiver<Position>,
    filter: Arc<Filter>,
    at: Position,
    ready: VecDeque<Delivery>,
    told: Option<Position>,
    over: bool,
}

impl Subscription {
    pub(super) fn new(shared: Arc<Shared>, from: Position, filter: Filter) -> Self {
        Self {
            head: shared.head.subscribe(),
            shared,
            filter: Arc::new(filter),
            at: from,
            ready: VecDeque::new(),
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
                let slice = self.page().await?;
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
        if last.is_some() {
            self.ready.push_back(Delivery::Events(slice.events));
        }
        if last != Some(slice.examined) {
            self.ready.push_back(Delivery::Checkpoint(slice.examined));
        }
    }

    async fn page(&self) -> Result<AllSlice, ReadError> {
        if let Some(slice) = self.shared.tail.after(self.at, BATCH_EVENTS, &self.filter) {
            return Ok(slice);
        }
        let (from, filter) = (self.at, Arc::clone(&self.filter));
        let head = *self.shared.head.borrow();
        self.shared
            .read(move |reader| {
                let to = Position(head.0.min(from.0.saturating_add(BATCH_ROWS)));
                reader.page(from, to, Direction::Forward, BATCH_EVENTS, &filter)
            })
            .await
    }
}
