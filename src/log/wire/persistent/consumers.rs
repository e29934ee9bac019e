//! The consumers of a group, and who gets the next message.

use std::collections::VecDeque;

use serde_json::Value;
use tokio::sync::mpsc;
use tonic::Status;
use uuid::Uuid;

use super::settings::Strategy;
use crate::kernel::derived_id;
use crate::log::wire::links::Resolved;
use crate::log::wire::messages::{UuidForm, system_metadata, write_position, write_stream_name};
use crate::log::{RecordedEvent, rules};
use crate::proto::event_store::client::persistent_subscriptions::{ReadResp, read_resp};
use read_resp::read_event;

/// Bytes that a consumer has in flight, whatever it wishes for: it is sent one more while it has less.
const MAX_BYTES: usize = 16 * rules::MAX_APPEND_BYTES;

/// Messages that a consumer has not taken from its connection. One that takes none is not sent the same again and again.
pub(super) const UNREAD: usize = 512;

/// Replies to a consumer.
pub(super) type Replies = mpsc::Sender<Result<ReadResp, Status>>;

/// One consumer.
pub(super) struct Consumer {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) form: UuidForm,
    /// Messages it wants in flight at most.
    pub(super) room: usize,
    pub(super) in_flight: usize,
    /// Bytes of these.
    pub(super) bytes: usize,
    pub(super) total: u64,
    pub(super) replies: Replies,
}

impl Consumer {
    fn has_room(&self) -> bool {
        // A consumer that is gone takes what it is given, and is found out.
        let takes = self.replies.capacity() > 0 || self.replies.is_closed();
        takes && self.in_flight < self.room && self.bytes < MAX_BYTES
    }

    /// Sends a message. False where the consumer is gone.
    pub(super) fn send(&mut self, resolved: &Resolved, retries: i32) -> bool {
        let event = write(resolved, self.form, retries);
        let reply = ReadResp {
            content: Some(read_resp::Content::Event(event)),
        };
        self.in_flight += 1;
        self.bytes += resolved.weight();
        self.total += 1;
        self.replies.try_send(Ok(reply)).is_ok()
    }

    /// The last that it hears.
    pub(super) fn end(self, status: Status) {
        use mpsc::error::TrySendError;
        if let Err(TrySendError::Full(last)) = self.replies.try_send(Err(status)) {
            // It comes behind what was not read yet; one that went away does not hear it.
            tokio::spawn(async move { self.replies.send(last).await });
        }
    }
}

/// All consumers of a group, the one whose turn it is first.
#[derive(Default)]
pub(super) struct Consumers(pub(super) VecDeque<Consumer>);

impl Consumers {
    /// Who gets this message, if anybody has room.
    pub(super) fn choose(
        &mut self,
        strategy: Strategy,
        resolved: &Resolved,
    ) -> Option<&mut Consumer> {
        match strategy {
            Strategy::DispatchToSingle => self.0.iter_mut().find(|consumer| consumer.has_room()),
            Strategy::RoundRobin => {
                let turn = self.0.iter().position(Consumer::has_room)?;
                let chosen = self.0.remove(turn)?;
                self.0.push_back(chosen);
                self.0.back_mut()
            }
            Strategy::Pinned => self.pinned(&stream_of(resolved)),
            Strategy::PinnedByCorrelation => self.pinned(&correlation_of(resolved)),
        }
    }

    /// The consumer whose mix with the key weighs most: it stays the same while it is there, and when one comes or goes
    /// only its own keys move.
    fn pinned(&mut self, key: &str) -> Option<&mut Consumer> {
        self.0
            .iter_mut()
            .max_by_key(|consumer| weight(key, consumer.id))
            .filter(|consumer| consumer.has_room())
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Consumer> {
        self.0.iter_mut().find(|consumer| consumer.id == id)
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.0.retain(|consumer| consumer.id != id);
    }

    pub(super) fn any_room(&self) -> bool {
        self.0.iter().any(Consumer::has_room)
    }
}

/// What a key and a consumer weigh together.
fn weight(key: &str, consumer: u64) -> Uuid {
    derived_id(&[key.as_bytes(), &consumer.to_be_bytes()])
}

fn stream_of(resolved: &Resolved) -> String {
    let event = resolved.event.as_ref().or(resolved.link.as_ref());
    event.map_or_else(String::new, |event| event.stream.as_str().to_owned())
}

fn correlation_of(resolved: &Resolved) -> String {
    let metadata = resolved
        .event
        .as_ref()
        .and_then(|event| serde_json::from_slice::<Value>(&event.metadata).ok());
    metadata
        .as_ref()
        .and_then(|metadata| metadata.get("$correlationId")?.as_str())
        .map_or_else(|| stream_of(resolved), str::to_owned)
}

/// The id to acknowledge: the link's, if there is one.
pub(super) fn id_of(resolved: &Resolved) -> Uuid {
    resolved
        .original()
        .map(|event| event.id)
        .unwrap_or_default()
}

fn write(resolved: &Resolved, form: UuidForm, retries: i32) -> read_resp::ReadEvent {
    let position = resolved
        .original()
        .map(|original| write_position(original.position))
        .unwrap_or_default();
    // Event and link both carry the original's position here.
    let write = |event: &Option<RecordedEvent>| {
        event.as_ref().map(|event| read_event::RecordedEvent {
            id: Some(form.write(event.id)),
            stream_identifier: Some(write_stream_name(&event.stream)),
            stream_revision: event.revision,
            prepare_position: position,
            commit_position: position,
            metadata: system_metadata(event),
            custom_metadata: event.metadata.clone(),
            data: event.data.clone(),
        })
    };
    read_resp::ReadEvent {
        event: write(&resolved.event),
        link: write(&resolved.link),
        position: Some(read_event::Position::CommitPosition(position)),
        count: Some(read_event::Count::RetryCount(retries)),
    }
}
