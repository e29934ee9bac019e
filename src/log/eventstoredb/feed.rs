//! One subscription of the crate's, on a thread of its own.
//!
//! A subscription that the server ends without an error makes the crate spin without ever yielding, and some replies make
//! it panic. On its own thread it takes nobody along, and [`circles`] ends the thread: whoever waits for the feed sees
//! its end, and makes another one.

use std::sync::{Arc, Weak};

use eventstore::{
    StreamPosition, SubscribeToAllOptions, Subscription, SubscriptionEvent, SubscriptionFilter,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::circles;
use super::cluster::Cluster;
use super::convert::recorded;
use super::read::{original, place};
use super::trouble::{self, Trouble};
use crate::kernel::Position;
use crate::log::{ReadError, RecordedEvent};

/// Events that may wait for a slow reader, and their bytes: 16 MiB. Then the server waits, too.
const WAITING: usize = 256;
const WAITING_BYTES: u32 = 16 * 1024 * 1024;

/// What a feed brings.
#[derive(Debug)]
pub(super) enum Fed {
    /// The next event.
    Event(RecordedEvent),
    /// Nothing that passes the filter was left out up to here.
    Checkpoint(Position),
    /// The server has nothing more now.
    CaughtUp,
}

type Item = Result<Fed, ReadError>;

/// An item, and the room that it takes until somebody has it.
type Held = (Item, Option<OwnedSemaphorePermit>);

/// Everything after a position. Ends without a word when the connection is lost.
pub(super) struct Feed(mpsc::Receiver<Held>);

impl Feed {
    /// Subscribes to what comes after `from` and passes `filter`.
    pub(super) fn start(
        cluster: &Arc<Cluster>,
        from: Position,
        filter: Option<SubscriptionFilter>,
    ) -> Self {
        let (sender, replies) = mpsc::channel(WAITING);
        let (weak, runtime) = (Arc::downgrade(cluster), cluster.runtime().clone());
        let spawned = std::thread::Builder::new()
            .name("esdb-feed".into())
            .spawn(move || {
                let ended = circles::run(&runtime, async {
                    tokio::select! {
                        () = sender.closed() => {}
                        () = run(&weak, from, filter, &sender) => {}
                    }
                });
                if let Err(turns) = ended {
                    tracing::warn!(turns, "the server ended a subscription without an error");
                }
            });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for a subscription");
        }
        Self(replies)
    }

    /// What comes next; none when the feed is over.
    pub(super) async fn next(&mut self) -> Option<Item> {
        self.0.recv().await.map(|(item, _room)| item)
    }

    /// What is there already.
    pub(super) fn ready(&mut self) -> Option<Item> {
        self.0.try_recv().ok().map(|(item, _room)| item)
    }
}

async fn run(
    cluster: &Weak<Cluster>,
    from: Position,
    filter: Option<SubscriptionFilter>,
    sender: &mpsc::Sender<Held>,
) {
    let room = Arc::new(Semaphore::new(WAITING_BYTES as usize));
    let Some((generation, mut subscription)) = subscribe(cluster, from, filter).await else {
        return;
    };
    loop {
        let item = match subscription.next_subscription_event().await {
            Ok(event) => match understood(event) {
                Some(item) => item,
                None => continue,
            },
            Err(error) => match trouble::of(&error) {
                Trouble::Lost(cause) | Trouble::NotLeader(cause) => {
                    if let Some(cluster) = cluster.upgrade() {
                        cluster.lost(generation, &cause);
                    }
                    return;
                }
                other @ (Trouble::WrongRevision(_)
                | Trouble::Precondition
                | Trouble::Deleted
                | Trouble::Refused(_)
                | Trouble::Closed) => Err(other.of_read(None)),
            },
        };
        let over = item.is_err();
        // Only a semaphore that is closed gives no room, and nobody closes it.
        let taken = Arc::clone(&room).acquire_many_owned(size(&item)).await.ok();
        if sender.send((item, taken)).await.is_err() || over {
            return;
        }
    }
}

/// The room that an item takes: all there is, where it is larger.
fn size(item: &Item) -> u32 {
    let Ok(Fed::Event(event)) = item else {
        return 0;
    };
    u32::try_from(event.bytes()).map_or(WAITING_BYTES, |bytes| bytes.min(WAITING_BYTES))
}

async fn subscribe(
    cluster: &Weak<Cluster>,
    from: Position,
    filter: Option<SubscriptionFilter>,
) -> Option<(u64, Subscription)> {
    let (generation, client, user) = {
        let cluster = cluster.upgrade()?;
        let (generation, client) = cluster.client();
        (generation, client, cluster.user())
    };
    let start = if from == Position::START {
        StreamPosition::Start
    } else {
        StreamPosition::Position(place(from))
    };
    let mut options = SubscribeToAllOptions::default().position(start);
    if let Some(filter) = filter {
        options = options.filter(filter);
    }
    if let Some(user) = user {
        options = options.authenticated(user);
    }
    Some((generation, client.subscribe_to_all(&options).await))
}

fn understood(event: SubscriptionEvent) -> Option<Result<Fed, ReadError>> {
    match event {
        SubscriptionEvent::EventAppeared(event) => {
            original(event).map(|event| recorded(event).map(Fed::Event))
        }
        SubscriptionEvent::Checkpoint(position) => {
            Some(Ok(Fed::Checkpoint(Position(position.commit))))
        }
        SubscriptionEvent::CaughtUp => Some(Ok(Fed::CaughtUp)),
        SubscriptionEvent::Confirmed(_)
        | SubscriptionEvent::FirstStreamPosition(_)
        | SubscriptionEvent::LastStreamPosition(_)
        | SubscriptionEvent::LastAllPosition(_)
        | SubscriptionEvent::FellBehind => None,
    }
}
