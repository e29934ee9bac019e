//! One group at work: a task that owns its messages, consumers and checkpoint.

mod delivery;
mod progress;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use super::consumers::{Consumer, Consumers, Replies};
use super::feed::{Ended, Fed, Feed};
use super::info;
use super::parked::{Checkpoint, Parked};
use super::settings::{Key, Settings, Source, Start};
use crate::kernel::StreamName;
use crate::log::wire::errors;
use crate::log::wire::links::Resolved;
use crate::log::wire::messages::{UuidForm, first_at};
use crate::log::wire::node::Node;
use crate::log::{Direction, ReadError, ReadFrom, rules};
use crate::proto::event_store::client::persistent_subscriptions::SubscriptionInfo;
use crate::proto::event_store::client::persistent_subscriptions::read_req::nack::Action;

/// How often timeouts and the checkpoint are looked at.
const TICK: Duration = Duration::from_millis(200);

/// Bytes that are read ahead for consumers, however many events the settings ask for: 16 of the largest size.
const MAX_BUFFER_BYTES: usize = 16 * rules::MAX_APPEND_BYTES;

/// Requests to a group that may wait.
const REQUESTS: usize = 256;

/// What can be asked of a group.
pub(super) enum Ask {
    Join(Join),
    Ack(Vec<Uuid>),
    Nack(Vec<Uuid>, Action, String),
    Leave(u64),
    Info(oneshot::Sender<SubscriptionInfo>),
    Replay(Option<u64>, oneshot::Sender<Result<(), Status>>),
    /// Ends the group's task: its consumers are told that they were dropped.
    End(oneshot::Sender<()>),
}

/// A consumer that wants to join.
pub(super) struct Join {
    pub(super) name: String,
    pub(super) form: UuidForm,
    pub(super) room: usize,
    pub(super) replies: Replies,
    pub(super) answer: oneshot::Sender<Result<u64, Status>>,
}

/// A message that is not done.
pub(super) struct Message {
    /// Where it stands in the source; none for one that was parked and is sent again.
    pub(super) place: Option<Place>,
    /// Where it is parked while it is sent again.
    pub(super) parked: Option<u64>,
    pub(super) resolved: Resolved,
    pub(super) retries: i32,
}

/// A message's number in the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) number: u64,
    /// The number that was examined before it: how far the group has come while this message is not done.
    pub(super) before: Option<u64>,
}

struct InFlight {
    message: Message,
    consumer: u64,
    since: Instant,
}

/// A group's state.
pub(super) struct Group {
    node: Arc<Node>,
    pub(super) key: Key,
    pub(super) settings: Settings,
    pub(super) consumers: Consumers,
    /// Read and not sent yet.
    pub(super) buffer: VecDeque<Message>,
    buffer_bytes: usize,
    /// To be sent again, by number; those that were parked come last.
    pub(super) retries: BTreeMap<(u64, u64), Message>,
    in_flight: HashMap<Uuid, InFlight>,
    pub(super) parked: Parked,
    pub(super) checkpoint: Checkpoint,
    /// The last event that was read.
    pub(super) last_known: Option<u64>,
    /// Everything up to here was examined.
    examined: Option<u64>,
    pub(super) live: bool,
    /// What begins here came after the group was started.
    live_from: u64,
    /// How many events that was.
    pub(super) came_live: usize,
    /// The source has failed: whoever joins is dropped.
    source_ended: bool,
    pub(super) total: u64,
    next_consumer: u64,
    next_retry: u64,
    checkpointed_at: Instant,
    /// Where a group without a checkpoint began.
    first: u64,
    /// Whether a message was dealt with since the checkpoint.
    any_dealt_with: bool,
    feed: mpsc::Receiver<Fed>,
    feeding: JoinHandle<Ended>,
}

/// Starts a group where its checkpoint stands.
pub(super) async fn start(
    node: &Arc<Node>,
    key: Key,
    settings: Settings,
) -> Result<mpsc::Sender<Ask>, Status> {
    let parked = Parked::open(node, &key).await?;
    let checkpoint = Checkpoint::open(node, &key).await?;
    let live_from = end_of(node, &key.source).await?;
    let next = match (checkpoint.written, settings.start) {
        (Some(done), _) => done.saturating_add(1),
        (None, Start::At(number)) => number,
        (None, Start::Between(at)) => first_at(at).0,
        (None, Start::End) => live_from,
    };
    let (out, feed) = mpsc::channel(
        usize::try_from(settings.read_batch_size)
            .unwrap_or(1)
            .max(1),
    );
    let source = Feed {
        node: Arc::clone(node),
        source: key.source.clone(),
        filter: settings
            .filter
            .as_ref()
            .map(super::settings::FilterSetting::parse)
            .transpose()?,
        resolve: settings.resolve_links,
        next,
        out,
    };
    let group = Group {
        node: Arc::clone(node),
        examined: checkpoint.written,
        key,
        settings,
        consumers: Consumers::default(),
        buffer: VecDeque::new(),
        buffer_bytes: 0,
        retries: BTreeMap::new(),
        in_flight: HashMap::new(),
        parked,
        checkpoint,
        last_known: None,
        live: false,
        live_from,
        came_live: 0,
        source_ended: false,
        total: 0,
        next_consumer: 0,
        next_retry: 0,
        checkpointed_at: Instant::now(),
        first: next,
        any_dealt_with: false,
        feed,
        feeding: tokio::spawn(source.run()),
    };
    let (asks, asked) = mpsc::channel(REQUESTS);
    tokio::spawn(group.run(asked));
    Ok(asks)
}

/// The first number after what is there now: whoever asked for what comes misses nothing from then on.
async fn end_of(node: &Arc<Node>, source: &Source) -> Result<u64, Status> {
    let name = match source {
        Source::All => {
            let head = node.log.head().await.map_err(errors::of_read)?;
            return Ok(head.0.saturating_add(1));
        }
        Source::Stream(name) => name,
    };
    let stream = StreamName::new(name.as_str());
    let stream = stream.map_err(|error| errors::malformed(error.to_string()))?;
    let end = node.read_stream(&stream, ReadFrom::End, Direction::Backward, 1);
    match end.await {
        Ok(slice) => Ok(slice.last_revision.map_or(0, |last| last.saturating_add(1))),
        // Its consumers are told when they come.
        Err(ReadError::StreamDeleted(_)) => Ok(0),
        Err(error) => Err(errors::of_read(error)),
    }
}

impl Group {
    async fn run(mut self, mut asked: mpsc::Receiver<Ask>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let most = usize::try_from(self.settings.history_buffer_size).unwrap_or(1);
        let mut fed = true;
        let node = Arc::clone(&self.node);
        let closed = node.closed();
        tokio::pin!(closed);
        loop {
            tokio::select! {
                () = &mut closed => return self.end(&errors::shutting_down()),
                ask = asked.recv() => match ask {
                    Some(Ask::End(done)) => {
                        self.end(&self.key.dropped());
                        // Who asked may have given up waiting.
                        let _ = done.send(());
                        return;
                    }
                    Some(ask) => self.answer(ask).await,
                    // The registry is gone: the node goes down.
                    None => return self.end(&errors::shutting_down()),
                },
                event = self.feed.recv(),
                    if fed && self.buffer.len() < most && self.buffer_bytes < MAX_BUFFER_BYTES => {
                    if let Some(event) = event {
                        self.take(event);
                    } else {
                        fed = false;
                        self.source_ended().await;
                    }
                }
                _ = ticks.tick() => self.tick().await,
            }
            self.dispatch();
        }
    }

    async fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Join(join) => self.join(join),
            Ask::Ack(ids) => {
                for id in ids {
                    self.ack(id);
                }
            }
            Ask::Nack(ids, action, reason) => {
                for id in ids {
                    self.nack(id, action, &reason).await;
                }
            }
            Ask::Leave(consumer) => self.leave(consumer),
            Ask::Info(answer) => {
                // Who asked may have given up waiting.
                let _ = answer.send(info::of(self));
            }
            Ask::Replay(stop_at, answer) => {
                let replayed = self.replay(stop_at).await;
                let _ = answer.send(replayed);
            }
            Ask::End(_) => {}
        }
        self.write_checkpoint().await;
        self.forget_parked().await;
    }

    fn join(&mut self, join: Join) {
        let limit = usize::try_from(self.settings.max_subscriber_count).unwrap_or(0);
        if limit > 0 && self.consumers.0.len() >= limit {
            let _ = join.answer.send(Err(self.key.full()));
            return;
        }
        self.next_consumer += 1;
        let id = self.next_consumer;
        if join.answer.send(Ok(id)).is_err() {
            return;
        }
        let consumer = Consumer {
            id,
            name: join.name,
            form: join.form,
            room: join.room,
            in_flight: 0,
            bytes: 0,
            total: 0,
            replies: join.replies,
        };
        if self.source_ended {
            return consumer.end(self.key.dropped());
        }
        self.consumers.0.push_back(consumer);
    }

    /// How many messages are with consumers.
    pub(super) fn outstanding(&self) -> usize {
        self.in_flight.len()
    }

    /// No more events will come: a tombstoned stream, a filter that failed, a log that cannot be read.
    async fn source_ended(&mut self) {
        let why = match (&mut self.feeding).await {
            Ok(Ended(Some(status))) => status.to_string(),
            Ok(Ended(None)) => "the log was closed".to_owned(),
            Err(panicked) => panicked.to_string(),
        };
        tracing::info!(why, group = %self.key.subscription_id(), "a group's source ended");
        self.source_ended = true;
        self.end(&self.key.dropped());
    }

    fn end(&mut self, status: &Status) {
        for consumer in self.consumers.0.drain(..) {
            consumer.end(status.clone());
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.feeding.abort();
    }
}
