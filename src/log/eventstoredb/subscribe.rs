//! One subscriber: first the server's own subscription, filtered as far as it can, then the tail that all share.
//!
//! ```text
//!   at ─────────────> until = the end of the log, and of the tail, when the reading began
//!      server's feed  │
//!                     └────> the tail: every event, so the position is exact
//!                            fell behind the tail, or lost it: begin again after the last event examined
//! ```
//!
//! Whoever only reads what is there ends where the tail would take over, and needs none.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::{sleep, timeout};

use super::cluster::Cluster;
use super::feed::{Fed, Feed};
use super::filter::Scoped;
use super::hub::Kept;
use super::trouble::Trouble;
use crate::kernel::Position;
use crate::log::{Delivery, Health, ReadError, RecordedEvent, rules};

/// Events in one delivery, and bytes that end it earlier: 4 MiB, four of the largest appends.
const BATCH_EVENTS: usize = 256;
const BATCH_BYTES: usize = 4 * rules::MAX_APPEND_BYTES;

/// A feed that brings nothing for so long, although its end is not reached, is replaced.
const STALL: Duration = Duration::from_secs(5);

/// Pause before something that was lost is asked for again.
const PAUSE: Duration = Duration::from_millis(50);

type Tail = broadcast::Receiver<Kept>;
type Item = Result<Delivery, ReadError>;

/// What is done at the end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// What is appended later comes, too, however long the server is away.
    Follow,
    /// That was all. A server that stays away is an error.
    End,
}

enum Phase {
    /// Nothing is open.
    Begin,
    /// The server's feed brings what lies up to `until`; the tail, if it is wanted, is already being kept.
    CatchUp {
        feed: Feed,
        until: Position,
        tail: Option<Tail>,
    },
    /// The tail brings everything.
    Live(Tail),
    /// The error was told, or the end is.
    Over,
}

/// See the module.
pub(super) struct Subscription {
    cluster: Arc<Cluster>,
    filter: Scoped,
    at: Position,
    then: Then,
    told: Option<Position>,
    ready: VecDeque<Delivery>,
    health: watch::Receiver<Health>,
    phase: Phase,
}

impl Subscription {
    pub(super) fn new(
        cluster: Arc<Cluster>,
        filter: Scoped,
        (at, then): (Position, Then),
        health: watch::Receiver<Health>,
    ) -> Self {
        Self {
            cluster,
            filter,
            at,
            then,
            told: None,
            ready: VecDeque::new(),
            health,
            phase: Phase::Begin,
        }
    }

    pub(super) async fn next(&mut self) -> Option<Item> {
        if matches!(self.phase, Phase::Over) {
            return self.ready.pop_front().map(Ok);
        }
        let mut health = self.health.clone();
        let item = tokio::select! {
            biased;
            _ = health.wait_for(|health| *health == Health::Closed) => {
                Err(Trouble::Closed.of_read(None))
            }
            item = self.deliver() => item,
        };
        if item.is_err() {
            self.ready.clear();
            self.phase = Phase::Over;
        }
        Some(item)
    }

    async fn deliver(&mut self) -> Item {
        loop {
            if let Some(delivery) = self.ready.pop_front() {
                return Ok(delivery);
            }
            match std::mem::replace(&mut self.phase, Phase::Begin) {
                Phase::Begin | Phase::Over => self.begin().await?,
                Phase::CatchUp { feed, until, tail } => self.catch_up(feed, until, tail).await?,
                Phase::Live(tail) => self.live(tail).await?,
            }
        }
    }

    async fn begin(&mut self) -> Result<(), ReadError> {
        let (tail, until) = match self.open().await {
            Ok(opened) => opened,
            Err(Trouble::Lost(_) | Trouble::NotLeader(_)) if self.then == Then::Follow => {
                sleep(PAUSE).await;
                return Ok(());
            }
            Err(trouble) => return Err(trouble.of_read(None)),
        };
        if self.at >= until {
            self.take_over(tail);
            return Ok(());
        }
        let feed = Feed::start(&self.cluster, self.at, self.filter.of_server());
        self.phase = Phase::CatchUp { feed, until, tail };
        Ok(())
    }

    /// The tail, and how far to read before it can take over.
    async fn open(&self) -> Result<(Option<Tail>, Position), Trouble> {
        if self.then == Then::End {
            return Ok((None, self.cluster.head().await?));
        }
        let (tail, base) = self.cluster.hub().await?.tail();
        let head = self.cluster.head().await?;
        Ok((Some(tail), base.max(head)))
    }

    /// At the end of what the server was asked for.
    fn take_over(&mut self, tail: Option<Tail>) {
        self.caught_up();
        self.phase = tail.map_or(Phase::Over, Phase::Live);
    }

    async fn catch_up(
        &mut self,
        mut feed: Feed,
        until: Position,
        tail: Option<Tail>,
    ) -> Result<(), ReadError> {
        let Ok(Some(mut item)) = timeout(STALL, feed.next()).await else {
            // Over or stuck: the next one begins after what was examined.
            sleep(PAUSE).await;
            return Ok(());
        };
        let (mut events, before) = (Vec::new(), self.at);
        let (mut reached, mut bytes) = (false, 0);
        loop {
            match item? {
                Fed::Event(event) => {
                    self.at = self.at.max(event.position);
                    bytes += event.bytes();
                    self.keep(event, &mut events)?;
                }
                Fed::Checkpoint(position) => self.at = self.at.max(position),
                // The server looked no earlier than we did for `until`.
                Fed::CaughtUp => self.at = self.at.max(until),
            }
            reached = reached || self.at >= until;
            if reached || events.len() >= BATCH_EVENTS || bytes >= BATCH_BYTES {
                break;
            }
            match feed.ready() {
                Some(next) => item = next,
                None => break,
            }
        }
        let moved = self.at > before && events.is_empty();
        self.hand_out(events);
        if reached {
            self.take_over(tail);
        } else {
            if moved {
                self.ready.push_back(Delivery::Checkpoint(self.at));
            }
            self.phase = Phase::CatchUp { feed, until, tail };
        }
        Ok(())
    }

    async fn live(&mut self, mut tail: Tail) -> Result<(), ReadError> {
        let mut kept = match tail.recv().await {
            Ok(kept) => kept,
            Err(RecvError::Lagged(_)) => return Ok(()),
            Err(RecvError::Closed) => return Err(Trouble::Closed.of_read(None)),
        };
        let mut events = Vec::new();
        loop {
            let Some(event) = kept.upgrade() else {
                // What was missed is read again, from after what was examined.
                self.hand_out(events);
                return Ok(());
            };
            if event.position > self.at {
                self.at = event.position;
                self.keep(RecordedEvent::clone(&event), &mut events)?;
            }
            if events.len() >= BATCH_EVENTS {
                break;
            }
            kept = match tail.try_recv() {
                Ok(next) => next,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                // Likewise missed.
                Err(TryRecvError::Lagged(_)) => Kept::new(),
            };
        }
        self.hand_out(events);
        self.caught_up();
        self.phase = Phase::Live(tail);
        Ok(())
    }

    fn keep(&self, event: RecordedEvent, events: &mut Vec<RecordedEvent>) -> Result<(), ReadError> {
        if self
            .filter
            .admits(event.stream.as_str(), &event.event_type)?
        {
            events.push(event);
        }
        Ok(())
    }

    fn hand_out(&mut self, events: Vec<RecordedEvent>) {
        if !events.is_empty() {
            self.ready.push_back(Delivery::Events(events));
        }
    }

    fn caught_up(&mut self) {
        if self.told != Some(self.at) {
            self.told = Some(self.at);
            self.ready.push_back(Delivery::CaughtUp(self.at));
        }
    }
}
