//! The tail of the log: one unfiltered subscription, handed to every subscriber that has caught up.
//!
//! A subscriber must learn how far it is even when nothing passes its filter, and the server tells that now and
//! then only. Whoever sees every event knows it exactly. One such subscription serves all: the services that share a
//! server are read once, not once each.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::cluster::Cluster;
use super::feed::{Fed, Feed};
use crate::kernel::Position;
use crate::log::RecordedEvent;

/// Events that a subscriber may be behind the tail before it has to read again, and their bytes: 8 MiB.
const TAIL_EVENTS: usize = 1_024;
const TAIL_BYTES: usize = 8 * 1024 * 1024;

/// After so long without an event, the end of the log is looked up: a dead connection is as quiet as an idle log.
const QUIET: Duration = Duration::from_secs(1);

/// How often the log may be found longer than what the feed brought, before the feed is given up.
const STRIKES: u32 = 2;

/// Pause before a lost feed is replaced.
const PAUSE: Duration = Duration::from_millis(50);

/// How long somebody who asks for the end of a part waits for the tail to be there.
const LAG: Duration = Duration::from_secs(1);

/// The last position of each part that somebody asked for, by the beginning of its streams' names. Held while the tail
/// moves on, so that it is as far as the tail.
type Last = Arc<Mutex<HashMap<String, Position>>>;

/// An event of the tail; nothing where it was too much to keep.
pub(super) type Kept = Weak<RecordedEvent>;

/// See the module.
pub(super) struct Hub {
    events: broadcast::Sender<Kept>,
    at: watch::Sender<Position>,
    last: Last,
    task: JoinHandle<()>,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hub {
    /// Follows the log from `from` on.
    pub(super) fn start(cluster: &Arc<Cluster>, from: Position) -> Self {
        let events = broadcast::Sender::new(TAIL_EVENTS);
        let at = watch::Sender::new(from);
        let last = Last::default();
        let tail = Tail {
            cluster: Arc::downgrade(cluster),
            events: events.clone(),
            at: at.clone(),
            last: Arc::clone(&last),
            newest: Newest::default(),
        };
        Self {
            events,
            at,
            last,
            task: cluster.runtime().spawn(tail.run()),
        }
    }

    /// Every event after the answered position.
    pub(super) fn tail(&self) -> (broadcast::Receiver<Kept>, Position) {
        // In this order: what is sent in between is in the receiver, and is at most what the position says.
        let events = self.events.subscribe();
        (events, *self.at.borrow())
    }

    /// The end of the part that `scope` names, as of `head`: nothing of it lies behind, and it stays where it is until
    /// there is more of the part. `head` itself where the tail does not get there.
    pub(super) async fn end_of(&self, scope: &[String], head: Position) -> Position {
        let mut at = self.at.subscribe();
        if !matches!(timeout(LAG, at.wait_for(|at| *at >= head)).await, Ok(Ok(_))) {
            return head;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = *self.at.borrow();
        let ends = scope
            .iter()
            .map(|own| *last.entry(own.clone()).or_insert(now));
        ends.max().unwrap_or(head)
    }
}

/// The events that subscribers may still take, within [`TAIL_EVENTS`] and [`TAIL_BYTES`], or the last one alone.
#[derive(Default)]
struct Newest {
    events: VecDeque<Arc<RecordedEvent>>,
    bytes: usize,
}

impl Newest {
    fn push(&mut self, event: RecordedEvent) -> Kept {
        let event = Arc::new(event);
        let kept = Arc::downgrade(&event);
        self.bytes += event.bytes();
        self.events.push_back(event);
        while self.events.len() > TAIL_EVENTS || (self.bytes > TAIL_BYTES && self.events.len() > 1)
        {
            let oldest = self.events.pop_front();
            self.bytes -= oldest.map_or(0, |event| event.bytes());
        }
        kept
    }
}

struct Tail {
    cluster: Weak<Cluster>,
    events: broadcast::Sender<Kept>,
    at: watch::Sender<Position>,
    last: Last,
    newest: Newest,
}

impl Tail {
    async fn run(mut self) {
        while let Some(cluster) = self.cluster.upgrade() {
            let feed = Feed::start(&cluster, self.position(), None);
            drop(cluster);
            self.follow(feed).await;
            sleep(PAUSE).await;
        }
    }

    fn position(&self) -> Position {
        *self.at.borrow()
    }

    /// Hands on what the feed brings, until it is over or brings nothing although there is something.
    async fn follow(&mut self, mut feed: Feed) {
        let mut strikes = 0;
        while strikes < STRIKES {
            match timeout(QUIET, feed.next()).await {
                Ok(Some(Ok(item))) => {
                    strikes = 0;
                    self.take(item);
                }
                Ok(Some(Err(error))) => {
                    tracing::warn!(%error, "the tail of the log cannot be read");
                    return;
                }
                Ok(None) => return,
                Err(_elapsed) => match self.is_behind().await {
                    Some(true) => strikes += 1,
                    Some(false) => strikes = 0,
                    None => return,
                },
            }
        }
        tracing::warn!("the subscription to the tail of the log is stuck");
    }

    /// Whether the log is longer than what was brought; none where nobody can tell.
    async fn is_behind(&self) -> Option<bool> {
        let cluster = self.cluster.upgrade()?;
        Some(cluster.head().await.ok()? > self.position())
    }

    fn take(&mut self, item: Fed) {
        let Fed::Event(event) = item else { return };
        if event.position <= self.position() {
            return;
        }
        if let Some(cluster) = self.cluster.upgrade() {
            cluster.saw(event.position);
        }
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            for (own, position) in last.iter_mut() {
                if event.stream.as_str().starts_with(own.as_str()) {
                    *position = event.position;
                }
            }
            // First the position, then the event: see `tail`.
            self.at.send_replace(event.position);
        }
        // Nobody may be listening.
        let _ = self.events.send(self.newest.push(event));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::kernel::{Moment, StreamName};

    fn event(position: u64, bytes: usize) -> RecordedEvent {
        RecordedEvent {
            position: Position(position),
            stream: StreamName::new("a-1").unwrap(),
            revision: position,
            id: Uuid::from_u128(position.into()),
            event_type: "Tested".into(),
            is_json: false,
            data: Bytes::from(vec![0; bytes]),
            metadata: Bytes::new(),
            recorded_at: Moment::EPOCH,
        }
    }

    fn kept(events: u64, bytes: usize) -> Vec<u64> {
        let mut newest = Newest::default();
        let tail: Vec<Kept> = (0..events)
            .map(|at| newest.push(event(at, bytes)))
            .collect();
        let kept = tail.iter().filter_map(Weak::upgrade);
        kept.map(|event| event.position.0).collect()
    }

    #[test]
    fn what_a_slow_subscriber_may_still_take_is_bounded_in_number_and_in_bytes() {
        let many = TAIL_EVENTS as u64 + 3;
        assert_eq!(kept(many, 1), (3..many).collect::<Vec<_>>());
        assert_eq!(kept(9, TAIL_BYTES / 2 - 1_000), [7, 8]);
        assert_eq!(kept(3, 2 * TAIL_BYTES), [2], "the last one, however large");
    }
}
