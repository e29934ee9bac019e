//! Messages on their way: to a consumer, and from there done, again, or parked.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use super::{Fed, Group, InFlight, Message, Place};
use crate::log::wire::persistent::consumers::id_of;
use crate::proto::event_store::client::persistent_subscriptions::read_req::nack::Action;

impl Group {
    /// Takes in what the feed read.
    pub(super) fn take(&mut self, fed: Fed) {
        match fed {
            Fed::Event(number, resolved) => {
                if number >= self.live_from {
                    self.came_live = self.came_live.saturating_add(1);
                }
                let before = self.examined.replace(number);
                self.last_known = Some(number);
                self.buffer_bytes += resolved.weight();
                self.buffer.push_back(Message {
                    place: Some(Place { number, before }),
                    parked: None,
                    resolved: *resolved,
                    retries: 0,
                });
            }
            Fed::Passed(number) => self.examined = Some(number),
            Fed::Live => self.live = true,
        }
    }

    /// Sends what can be sent: what was sent before first, then what is new.
    pub(super) fn dispatch(&mut self) {
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
                self.buffer_bytes = self.buffer_bytes.saturating_sub(message.resolved.weight());
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
            self.free(before.consumer, before.message.resolved.weight());
            self.dealt_with(&before.message);
        }
        if !sent {
            self.leave(consumer);
        }
    }

    fn free(&mut self, consumer: u64, bytes: usize) {
        if let Some(consumer) = self.consumers.get_mut(consumer) {
            consumer.in_flight = consumer.in_flight.saturating_sub(1);
            consumer.bytes = consumer.bytes.saturating_sub(bytes);
        }
    }

    /// The consumer has dealt with it.
    pub(super) fn ack(&mut self, id: Uuid) {
        if let Some(message) = self.done(id) {
            self.dealt_with(&message);
        }
    }

    /// It will not be sent again.
    fn dealt_with(&mut self, message: &Message) {
        self.any_dealt_with = true;
        if let Some(revision) = message.parked {
            self.parked.done(revision);
        }
    }

    /// The message is with its consumer no more. An id that is not in flight is passed over.
    fn done(&mut self, id: Uuid) -> Option<Message> {
        let in_flight = self.in_flight.remove(&id)?;
        let bytes = in_flight.message.resolved.weight();
        self.free(in_flight.consumer, bytes);
        Some(in_flight.message)
    }

    pub(super) async fn nack(&mut self, id: Uuid, action: Action, reason: &str) {
        let Some(message) = self.done(id) else {
            return;
        };
        match action {
            Action::Unknown | Action::Retry => self.again(message).await,
            Action::Park => {
                let reason = format!("Client explicitly NAK'ed message.\n{reason}");
                self.park(message, &reason).await;
            }
            Action::Skip | Action::Stop => self.dealt_with(&message),
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
        let number = message.place.map_or(u64::MAX, |place| place.number);
        self.retries.insert((number, self.next_retry), message);
    }

    async fn park(&mut self, message: Message, reason: &str) {
        if let Err(status) = self.parked.add(&message, reason).await {
            // Not to be lost: it is sent again, and parked when that fails again.
            tracing::warn!(%status, group = %self.key.subscription_id(), "a message could not be parked");
            return self.retry(message);
        }
        self.dealt_with(&message);
    }

    pub(super) async fn replay(&mut self, stop_at: Option<u64>) -> Result<(), Status> {
        for (revision, resolved) in self.parked.take(stop_at).await? {
            self.retry(Message {
                place: None,
                parked: Some(revision),
                resolved,
                retries: 0,
            });
        }
        Ok(())
    }

    /// What a consumer held goes to others, at once.
    pub(super) fn leave(&mut self, consumer: u64) {
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

    pub(super) async fn tick(&mut self) {
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
        self.write_checkpoint().await;
        self.forget_parked().await;
    }
}
