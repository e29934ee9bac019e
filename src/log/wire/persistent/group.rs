//! One group at work: a task that owns its messages, consumers and checkpoint.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use super::consumers::{Consumer, Consumers, Replies, id_of};
use super::feed::{Ended, Fed, Feed};
use super::info;
use super::parked::{Checkpoint, Parked};
use super::settings::{Key, Settings, Start};
use crate::log::wire::errors;
use crate::log::wire::links::Resolved;
use crate::log::wire::messages::UuidForm;
use crate::log::wire::node::Node;
use crate::proto::event_store::client::persistent_subscriptions::SubscriptionInfo;
use crate::proto::event_store::client::persistent_subscriptions::read_req::nack::Action;

/// How often timeouts and the checkpoint are looked at.
const TICK: Duration = Duration::from_millis(200);

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
    /// Its number in the source; none for one that was parked and is sent again.
    pub(super) number: Option<u64>,
    pub(super) resolved: Resolved,
    pub(super) retries: i32,
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
    pub(super) total: u64,
    next_consumer: u64,
    next_retry: u64,
    checkpointed_at: Instant,
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
    let next = match (checkpoint.written, settings.start) {
        (Some(done), _) => Some(done.saturating_add(1)),
        (None, Start::At(number)) => Some(number),
        (None, Start::End) => None,
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
        retries: BTreeMap::new(),
        in_flight: HashMap::new(),
        parked,
        checkpoint,
        last_known: None,
        live: false,
        total: 0,
        next_consumer: 0,
        next_retry: 0,
        checkpointed_at: Instant::now(),
        feed,
        feeding: tokio::spawn(source.run()),
    };
    let (asks, asked) = mpsc::channel(REQUESTS);
    tokio::spawn(group.run(asked));
    Ok(asks)
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
                event = self.feed.recv(), if fed && self.buffer.len() < most => {
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
                    self.done(id);
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
        self.write_checkpoint(false).await;
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
        self.consumers.0.push_back(Consumer {
            id,
            name: join.name,
            form: join.form,
            room: join.room,
            in_flight: 0,
            total: 0,
            replies: join.replies,
        });
    }

    fn take(&mut self, fed: Fed) {
        match fed {
            Fed::Event(number, resolved) => {
                self.last_known = Some(number);
                self.examined = Some(number);
                self.buffer.push_back(Message {
                    number: Some(number),
                    resolved: *resolved,
                    retries: 0,
                });
            }
            Fed::Passed(number) => self.examined = Some(number),
            Fed::Live => self.live = true,
        }
    }

    /// Sends what can be sent: what was sent before first, then what is new.
    fn dispatch(&mut self) {
        while self.consumers.any_room() {
            let again = self.retries.iter().find_map(|(place, message)| {
                let chosen = self
                    .consumers
                    .choose(self.settings.strategy, &message.resolved)?;
                Some((*place, chosen.id))
            });
            if let Some((place, consumer)) = again {
                if let Some(message) = self.retries.remove(&place) {
                    self.send(message, consumer);
                }
                continue;
            }
            let new = self.buffer.iter().enumerate().find_map(|(index, message)| {
                let chosen = self
                    .consumers
                    .choose(self.settings.strategy, &message.resolved)?;
                Some((index, chosen.id))
            });
            let Some((index, consumer)) = new else {
                return;
            };
            if let Some(message) = self.buffer.remove(index) {
                self.send(message, consumer);
            }
        }
    }

    fn send(&mut self, message: Message, consumer: u64) {
        let sent = self
            .consumers
            .get_mut(consumer)
            .is_some_and(|consumer| consumer.send(&message.resolved, message.retries));
        self.total += 1;
        let id = id_of(&message.resolved);
        let in_flight = InFlight {
            message,
            consumer,
            since: Instant::now(),
        };
        if let Some(before) = self.in_flight.insert(id, in_flight) {
            // Two events of one id: the official server loses track of one as well.
            self.free(before.consumer);
        }
        if !sent {
            self.leave(consumer);
        }
    }

    fn free(&mut self, consumer: u64) {
        if let Some(consumer) = self.consumers.get_mut(consumer) {
            consumer.in_flight = consumer.in_flight.saturating_sub(1);
        }
    }

    /// The message is dealt with. An id that is not in flight is passed over.
    fn done(&mut self, id: Uuid) -> Option<Message> {
        let in_flight = self.in_flight.remove(&id)?;
        self.free(in_flight.consumer);
        Some(in_flight.message)
    }

    async fn nack(&mut self, id: Uuid, action: Action, reason: &str) {
        let Some(message) = self.done(id) else {
            return;
        };
        match action {
            Action::Unknown | Action::Retry => self.again(message).await,
            Action::Park => {
                let reason = format!("Client explicitly NAK'ed message.\n{reason}");
                self.park(message, &reason).await;
            }
            Action::Skip | Action::Stop => {}
        }
    }

    async fn again(&mut self, mut message: Message) {
        if message.retries >= self.settings.max_retry_count {
            let reason = format!("Reached retry count of {}", self.settings.max_retry_count);
            return self.park(message, &reason).await;
        }
        message.retries += 1;
        self.retry(message);
    }

    fn retry(&mut self, message: Message) {
        self.next_retry += 1;
        let number = message.number.unwrap_or(u64::MAX);
        self.retries.insert((number, self.next_retry), message);
    }

    async fn park(&mut self, message: Message, reason: &str) {
        if let Err(status) = self.parked.add(&message, reason).await {
            // Not to be lost: it is sent again, and parked when that fails again.
            tracing::warn!(%status, group = %self.key.subscription_id(), "a message could not be parked");
            self.retry(message);
        }
    }

    async fn replay(&mut self, stop_at: Option<u64>) -> Result<(), Status> {
        for resolved in self.parked.take(stop_at).await? {
            self.retry(Message {
                number: None,
                resolved,
                retries: 0,
            });
        }
        Ok(())
    }

    /// What a consumer held goes to others, at once.
    fn leave(&mut self, consumer: u64) {
        self.consumers.remove(consumer);
        let held: Vec<Uuid> = self
            .in_flight
            .iter()
            .filter(|(_, held)| held.consumer == consumer)
            .map(|(id, _)| *id)
            .collect();
        for id in held {
            if let Some(mut message) = self.done(id) {
                message.retries += 1;
                self.retry(message);
            }
        }
    }

    async fn tick(&mut self) {
        let timeout = u64::try_from(self.settings.message_timeout_ms).unwrap_or(0);
        let now = Instant::now();
        let late: Vec<Uuid> = self
            .in_flight
            .iter()
            .filter(|(_, held)| timeout > 0 && now - held.since >= Duration::from_millis(timeout))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            if let Some(message) = self.done(id) {
                self.again(message).await;
            }
        }
        let gone: Vec<u64> = self
            .consumers
            .0
            .iter()
            .filter(|consumer| consumer.replies.is_closed())
            .map(|consumer| consumer.id)
            .collect();
        for consumer in gone {
            self.leave(consumer);
        }
        self.write_checkpoint(true).await;
    }

    /// Everything below is done; what was parked is, and what is sent again from there holds nothing up.
    fn reached(&self) -> Option<u64> {
        let numbers = self
            .in_flight
            .values()
            .map(|held| &held.message)
            .chain(self.retries.values())
            .chain(&self.buffer)
            .filter_map(|message| message.number);
        match numbers.min() {
            Some(lowest) => lowest.checked_sub(1),
            None => self.examined,
        }
    }

    async fn write_checkpoint(&mut self, in_time: bool) {
        let Some(reached) = self.reached() else {
            return;
        };
        let advance = match self.checkpoint.written {
            Some(written) => reached.saturating_sub(written),
            None => reached.saturating_add(1),
        };
        let at_least = |count: i32| advance >= u64::try_from(count).unwrap_or(0).max(1);
        let after = u64::try_from(self.settings.checkpoint_after_ms).unwrap_or(0);
        let due = in_time
            && after > 0
            && self.checkpointed_at.elapsed() >= Duration::from_millis(after)
            && at_least(self.settings.min_checkpoint_count);
        if advance == 0 || !(due || at_least(self.settings.max_checkpoint_count)) {
            return;
        }
        self.checkpointed_at = Instant::now();
        if let Err(status) = self.checkpoint.write(&self.key, reached).await {
            tracing::warn!(%status, group = %self.key.subscription_id(), "a checkpoint could not be written");
        }
    }

    /// How many messages are with consumers.
    pub(super) fn outstanding(&self) -> usize {
        self.in_flight.len()
    }

    /// No more events will come: a tombstoned stream, a filter that failed, a log that cannot be read.
    async fn source_ended(&mut self) {
        if let Ok(Ended(Some(status))) = (&mut self.feeding).await {
            tracing::info!(%status, group = %self.key.subscription_id(), "a group's source ended");
            self.end(&self.key.dropped());
        }
    }

    fn end(&mut self, status: &Status) {
        for consumer in self.consumers.0.drain(..) {
            // A consumer that went away does not hear it.
            let _ = consumer.replies.send(Err(status.clone()));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.feeding.abort();
    }
}
