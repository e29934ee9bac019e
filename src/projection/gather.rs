//! What logs deliver, gathered into one batch: many events share a transaction, and pages that are written once.

use std::time::Duration;

use futures::stream::{BoxStream, SelectAll, StreamExt as _};

use super::store::Batch;
use crate::kernel::Position;
use crate::log::{Delivery, ReadError};

/// Events in one transaction at most. Each page that they touch is written once: more events, fewer pages an event.
const BATCH_EVENTS: usize = 20_000;
/// Bytes of payload in one transaction at most; bounds memory where events are large.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// How long a batch waits for the next page of a log while much is to come, and how long it is gathered at most.
const PAGE_PATIENCE: Duration = Duration::from_millis(10);
const LONGEST_GATHERING: Duration = Duration::from_secs(1);

/// The deliveries of all sources, each with its source's index.
pub(super) type Feed = SelectAll<BoxStream<'static, (usize, Result<Delivery, ReadError>)>>;

/// What the feed delivered since the last batch was applied.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) batch: Batch,
    bytes: usize,
    pub(super) caught_up: Vec<usize>,
    /// Something was delivered.
    begun: bool,
    /// The feed ended with it, after what was gathered.
    pub(super) error: Option<ReadError>,
}

/// Waits for something, then takes what is there at once, and while much is to come what comes soon. May be abandoned at
/// any time: what was gathered stays.
pub(super) async fn gather(feed: &mut Feed, gathered: &mut Gathered, behind: bool) {
    let patience = if behind {
        PAGE_PATIENCE
    } else {
        Duration::ZERO
    };
    if !gathered.begun {
        let next = feed.next().await;
        if gathered.take(next) {
            return;
        }
    }
    let more = async {
        while let Ok(next) = tokio::time::timeout(patience, feed.next()).await {
            if gathered.take(next) {
                return;
            }
        }
    };
    tokio::time::timeout(LONGEST_GATHERING, more).await.ok();
}

impl Gathered {
    pub(super) fn from(positions: Vec<Position>) -> Self {
        let events = Vec::new();
        Self {
            batch: Batch { events, positions },
            ..Self::default()
        }
    }

    /// Whether it is enough.
    fn take(&mut self, next: Option<(usize, Result<Delivery, ReadError>)>) -> bool {
        // A feed never ends without an error.
        let Some((source, delivery)) = next else {
            return true;
        };
        self.begun = true;
        let reached = match delivery {
            Ok(Delivery::Events(events)) => {
                let reached = events.last().map(|event| event.position);
                let bytes = events
                    .iter()
                    .map(|event| event.data.len() + event.metadata.len());
                self.bytes += bytes.sum::<usize>();
                let events = events.into_iter().map(|event| (source, event));
                self.batch.events.extend(events);
                reached
            }
            Ok(Delivery::Checkpoint(position)) => Some(position),
            Ok(Delivery::CaughtUp(position)) => {
                self.caught_up.push(source);
                Some(position)
            }
            Err(error) => {
                self.error = Some(error);
                return true;
            }
        };
        if let (Some(position), Some(reached)) = (self.batch.positions.get_mut(source), reached) {
            *position = (*position).max(reached);
        }
        self.is_full()
    }

    fn is_full(&self) -> bool {
        self.batch.events.len() >= BATCH_EVENTS || self.bytes >= BATCH_BYTES
    }
}
