//! The streams that hold a group's state: its parked messages and its checkpoint.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use tonic::Status;

use super::group::Message;
use super::settings::{Key, Source};
use crate::kernel::{Position, StreamName};
use crate::log::wire::errors;
use crate::log::wire::links::{self, LINK_TYPE, Resolved};
use crate::log::wire::messages::{boundary, write_position};
use crate::log::wire::node::Node;
use crate::log::wire::subscribe::subscription_id;
use crate::log::{
    AppendError, Direction, Expected, NewEvent, ReadFrom, StreamMetadata, StreamSlice, rules,
};

/// The type of a checkpoint.
const CHECKPOINT_TYPE: &str = "SubscriptionCheckpoint";

/// Checkpoints that are kept.
const CHECKPOINTS_KEPT: i64 = 2;

/// Parked messages fetched at a time.
const PAGE: usize = 256;

/// Parked messages that are being sent again at most, and their bytes; the rest stays parked for the next replay.
const MAX_REPLAYED: usize = 10_000;
const MAX_REPLAYED_BYTES: usize = 16 * rules::MAX_APPEND_BYTES;

/// The stream of parked messages.
pub(super) struct Parked {
    node: Arc<Node>,
    stream: StreamName,
    /// The group's events are numbered by their stream.
    numbered: bool,
    /// The first revision that is still parked, and the one after the last.
    first: u64,
    next: u64,
    /// Taken out to be sent again and not dealt with, with their bytes: until they are, they stay in the stream.
    out: BTreeMap<u64, usize>,
    /// What lies before this revision is gone from the stream.
    cut: u64,
}

impl Parked {
    pub(super) async fn open(node: &Arc<Node>, key: &Key) -> Result<Self, Status> {
        let stream = key.stream("parked")?;
        let slice = read(node, &stream, ReadFrom::Start, Direction::Forward, 1).await?;
        let next = slice.last_revision.map_or(0, |last| last.saturating_add(1));
        let first = slice.events.first().map_or(next, |event| event.revision);
        Ok(Self {
            node: Arc::clone(node),
            stream,
            numbered: key.source != Source::All,
            first,
            next,
            out: BTreeMap::new(),
            cut: first,
        })
    }

    pub(super) fn count(&self) -> u64 {
        self.next.saturating_sub(self.first)
    }

    /// Adds a link to what the message shows: the target, where it is a link.
    pub(super) async fn add(&mut self, message: &Message, reason: &str) -> Result<(), Status> {
        let resolved = &message.resolved;
        let Some(event) = resolved.event.as_ref().or(resolved.link.as_ref()) else {
            return Ok(());
        };
        let added = rules::system_clock()().to_string();
        let mut metadata = json!({"added": added, "reason": reason});
        // Only a revision is told, and not the first; a position is not.
        let number = message.place.map_or(0, |place| place.number);
        if let (true, Some(fields)) = (self.numbered && number > 0, metadata.as_object_mut()) {
            fields.insert("subscriptionEventNumber".to_owned(), number.into());
        }
        let link = NewEvent {
            id: subscription_id(),
            event_type: LINK_TYPE.into(),
            is_json: false,
            data: format!("{}@{}", event.revision, event.stream).into(),
            metadata: serde_json::to_vec_pretty(&metadata)
                .unwrap_or_default()
                .into(),
        };
        let added = append(&self.node, &self.stream, link).await?;
        self.next = added.saturating_add(1);
        Ok(())
    }

    /// Takes out the messages before `stop_at`, to be sent again, with their revisions. Links that lead nowhere are dropped.
    pub(super) async fn take(
        &mut self,
        stop_at: Option<u64>,
    ) -> Result<Vec<(u64, Resolved)>, Status> {
        let stop = stop_at.unwrap_or(u64::MAX).min(self.next);
        let (mut count, mut bytes) = (self.out.len(), self.out.values().sum::<usize>());
        let mut taken = Vec::new();
        let mut at = self.first;
        'pages: while at < stop {
            let from = ReadFrom::Revision(at);
            let slice = read(&self.node, &self.stream, from, Direction::Forward, PAGE).await?;
            let before = at;
            for event in slice.events {
                let full = count >= MAX_REPLAYED || bytes >= MAX_REPLAYED_BYTES;
                if event.revision >= stop || full {
                    break 'pages;
                }
                let revision = event.revision;
                at = revision + 1;
                let resolved = links::resolve(&self.node, event).await?;
                if resolved.event.is_some() {
                    count += 1;
                    bytes += resolved.weight();
                    taken.push((revision, resolved));
                }
            }
            if at == before {
                break;
            }
        }
        let out = taken.iter().map(|(at, resolved)| (*at, resolved.weight()));
        self.out.extend(out);
        self.first = at;
        Ok(taken)
    }

    /// One that was taken out is dealt with.
    pub(super) fn done(&mut self, revision: u64) {
        self.out.remove(&revision);
    }

    /// Removes what is dealt with from the stream, as far as nothing before it is not.
    pub(super) async fn forget(&mut self) -> Result<(), Status> {
        let first = self.out.keys().next().copied().unwrap_or(self.first);
        if first <= self.cut {
            return Ok(());
        }
        let metadata = StreamMetadata {
            truncate_before: i64::try_from(first).ok(),
            ..StreamMetadata::default()
        };
        set_metadata(&self.node, &self.stream, metadata).await?;
        self.cut = first;
        Ok(())
    }
}

/// The stream of checkpoints, and the last one.
pub(super) struct Checkpoint {
    node: Arc<Node>,
    stream: StreamName,
    pub(super) written: Option<u64>,
    limited: bool,
}

impl Checkpoint {
    pub(super) async fn open(node: &Arc<Node>, key: &Key) -> Result<Self, Status> {
        let stream = key.stream("checkpoint")?;
        let slice = read(node, &stream, ReadFrom::End, Direction::Backward, 1).await?;
        let written = slice.events.first().and_then(|event| parse(&event.data));
        Ok(Self {
            node: Arc::clone(node),
            stream,
            limited: written.is_some(),
            written,
        })
    }

    pub(super) async fn write(&mut self, key: &Key, reached: u64) -> Result<(), Status> {
        if !self.limited {
            let metadata = StreamMetadata {
                max_count: Some(CHECKPOINTS_KEPT),
                ..StreamMetadata::default()
            };
            set_metadata(&self.node, &self.stream, metadata).await?;
            self.limited = true;
        }
        let checkpoint = NewEvent {
            id: subscription_id(),
            event_type: CHECKPOINT_TYPE.into(),
            is_json: true,
            data: json!(place(&key.source, reached)).to_string().into(),
            metadata: bytes::Bytes::new(),
        };
        append(&self.node, &self.stream, checkpoint).await?;
        self.written = Some(reached);
        Ok(())
    }
}

/// A number as checkpoints and infos show it: a revision, or a position of the log.
pub(super) fn place(source: &Source, number: u64) -> String {
    match source {
        Source::Stream(_) => number.to_string(),
        Source::All => {
            let at = write_position(Position(number));
            format!("C:{at}/P:{at}")
        }
    }
}

fn parse(data: &[u8]) -> Option<u64> {
    let text: String = serde_json::from_slice(data).ok()?;
    match text.strip_prefix("C:") {
        None => text.parse().ok(),
        Some(position) => {
            let commit = position.split_once('/')?.0.parse().ok()?;
            boundary(commit).map(|position| position.0)
        }
    }
}

/// Takes a group's streams away.
pub(super) async fn remove(node: &Arc<Node>, key: &Key) -> Result<(), Status> {
    for what in ["checkpoint", "parked"] {
        let stream = key.stream(what)?;
        match node.log.delete(&stream, Expected::Any).await {
            // There was none.
            Ok(_) | Err(AppendError::WrongExpected { .. } | AppendError::StreamDeleted(_)) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

pub(super) async fn read(
    node: &Arc<Node>,
    stream: &StreamName,
    from: ReadFrom,
    direction: Direction,
    limit: usize,
) -> Result<StreamSlice, Status> {
    let read = node.log.read_stream(stream, from, direction, limit);
    read.await.map_err(errors::of_read)
}

/// Appends one event; answers its revision.
pub(super) async fn append(
    node: &Arc<Node>,
    stream: &StreamName,
    event: NewEvent,
) -> Result<u64, Status> {
    let done = node.log.append(stream, Expected::Any, vec![event]).await;
    let done = done.map_err(failed)?;
    Ok(done.revision.unwrap_or_default())
}

async fn set_metadata(
    node: &Arc<Node>,
    stream: &StreamName,
    metadata: StreamMetadata,
) -> Result<(), Status> {
    let set = node.log.set_metadata(stream, Expected::Any, metadata).await;
    set.map(|_| ()).map_err(failed)
}

fn failed(error: AppendError) -> Status {
    errors::of_append(error, crate::log::wire::messages::Expectation::Any)
}
