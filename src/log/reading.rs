//! A log, or what a filter lets through of it, read from a place to its end on one call.
//!
//! Pages of [`EventLog::read_all`] are a call each, and a server that sends everything sends it again with every one. Here the
//! engine goes on while what came is worked on, and where it is a server, only what is wanted comes.
//!
//! Does not: wait for what is appended later.

use std::collections::VecDeque;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{AllSlice, Delivery, EventLog, Filter, Health, ReadError, RecordedEvent};
use crate::kernel::Position;

/// How long nothing may come before the reader is told. Engines in another process go on by themselves as soon as there is a
/// connection again; a restart of a server takes some seconds, and so does an election.
const SILENCE: Duration = Duration::from_secs(30);

/// Bytes of a page: 16 MiB, 16 of the largest appends.
const PAGE_BYTES: usize = 16 * super::rules::MAX_APPEND_BYTES;

/// See the module.
pub(super) struct Reading {
    deliveries: BoxStream<'static, Result<Delivery, ReadError>>,
    health: watch::Receiver<Health>,
    waiting: VecDeque<RecordedEvent>,
    examined: Position,
    /// As far as nothing waits any more.
    ended: bool,
}

impl Reading {
    /// Of what comes after `from`; none: from the beginning.
    pub(super) fn of(log: &dyn EventLog, from: Option<Position>, filter: Filter) -> Self {
        let from = from.unwrap_or(Position::START);
        Self {
            deliveries: log.read_through(from, filter),
            health: log.health(),
            waiting: VecDeque::new(),
            examined: from,
            ended: false,
        }
    }

    /// The next event; none at the end.
    pub(super) async fn event(&mut self) -> Result<Option<RecordedEvent>, ReadError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            self.wait().await?;
        }
    }

    /// The next events, `limit` at most. Fewer where they are large, and none where much was passed over: what was examined is
    /// told all the same.
    pub(super) async fn page(&mut self, limit: usize) -> Result<AllSlice, ReadError> {
        let (mut page, mut bytes) = (AllSlice::default(), 0);
        while page.events.len() < limit && bytes < PAGE_BYTES {
            match self.waiting.pop_front() {
                Some(event) => {
                    bytes += event.bytes();
                    page.examined = event.position;
                    page.events.push(event);
                }
                None if self.ended => {
                    page.end = true;
                    break;
                }
                None => {
                    let passed_over = self.wait().await?;
                    if passed_over && page.events.is_empty() {
                        break;
                    }
                }
            }
        }
        if self.waiting.is_empty() {
            page.examined = self.examined;
        }
        Ok(page)
    }

    /// What a read of `limit` events answers.
    pub(super) async fn slice(mut self, limit: usize) -> Result<AllSlice, ReadError> {
        let mut slice = AllSlice {
            examined: self.examined,
            ..AllSlice::default()
        };
        while let Some(event) = self.event().await? {
            // One more than asked for tells whether more is there.
            if slice.events.len() == limit {
                return Ok(slice);
            }
            slice.examined = event.position;
            slice.events.push(event);
        }
        slice.examined = self.examined;
        slice.end = true;
        Ok(slice)
    }

    /// Takes what comes next, and tells whether that is only how far it is.
    async fn wait(&mut self) -> Result<bool, ReadError> {
        let Ok(next) = timeout(SILENCE, self.deliveries.next()).await else {
            return Err(self.silent());
        };
        let next = next.transpose()?;
        let passed_over = matches!(next, Some(Delivery::Checkpoint(_)));
        match next {
            Some(Delivery::Events(events)) => {
                if let Some(last) = events.last() {
                    self.examined = last.position;
                }
                self.waiting = events.into();
            }
            Some(Delivery::Checkpoint(position)) => self.examined = position,
            Some(Delivery::CaughtUp(position)) => {
                self.examined = position;
                self.ended = true;
            }
            None => self.ended = true,
        }
        Ok(passed_over)
    }

    fn silent(&self) -> ReadError {
        let why = match &*self.health.borrow() {
            Health::Degraded(cause) | Health::Failed(cause) => format!(": {cause}"),
            Health::Serving | Health::Closed => String::new(),
        };
        ReadError::Unavailable {
            cause: format!("nothing came for {SILENCE:?}{why}"),
            retry: true,
        }
    }
}
