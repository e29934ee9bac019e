//! A subscription to one stream, stored or derived.

use std::sync::Arc;

use futures::StreamExt as _;
use tonic::Status;

use super::{PAGE, caught_up, confirm};
use crate::kernel::{Position, Revision, StreamName};
use crate::log::wire::derived::{self, Numbering};
use crate::log::wire::errors;
use crate::log::wire::messages::MAX_NUMBER;
use crate::log::wire::node::Node;
use crate::log::wire::read::deliver;
use crate::log::wire::replies::{Over, Replies};
use crate::log::wire::request::{From, Shape};
use crate::log::{Delivery, Direction, Filter, Match, ReadFrom, RecordedEvent, rules};

/// A subscription to one stream, found to be possible.
pub(in crate::log::wire) struct StreamSubscription {
    node: Arc<Node>,
    stream: StreamName,
    shape: Shape,
    /// The first revision to deliver.
    next: Revision,
    /// Where the log stood before anything was read: what comes after that comes live.
    head: Position,
    /// What is there is not wanted.
    from_end: bool,
    /// Of a derived stream: which events it links to.
    source: Option<Filter>,
}

impl StreamSubscription {
    /// Finds where to begin.
    pub(in crate::log::wire) async fn begin(
        node: Arc<Node>,
        stream: StreamName,
        from: From<Revision>,
        shape: Shape,
    ) -> Result<Self, Status> {
        let next = match from {
            From::Start | From::End => 0,
            From::At(revision) if revision >= MAX_NUMBER => {
                return Err(errors::malformed(format!(
                    "nothing can follow revision {revision}"
                )));
            }
            From::At(revision) => revision + 1,
        };
        let from_end = from == From::End;
        let mut head = node.log.head().await.map_err(errors::of_read)?;
        let known = node
            .log
            .read_stream(&stream, ReadFrom::End, Direction::Backward, 1)
            .await;
        let source = match known {
            Ok(slice) if slice.last_revision.is_none() => derived::source_of(&stream),
            Ok(_) => None,
            // Who asks only for what comes is not told that nothing will.
            Err(_) if from_end => None,
            Err(error) => return Err(errors::of_read(error)),
        };
        let mut next = next;
        if let (Some(source), true) = (&source, from_end) {
            (next, head) = node
                .derived_end(&stream, source)
                .await
                .map_err(errors::of_read)?;
        }
        Ok(Self {
            node,
            stream,
            shape,
            next,
            head,
            from_end,
            source,
        })
    }

    /// Delivers until the client or the node goes away.
    pub(in crate::log::wire) async fn run(mut self, mut replies: Replies) -> Result<(), Over> {
        confirm(&mut replies).await?;
        let mut to_tell = !self.from_end;
        if self.from_end {
            caught_up(&mut replies).await?;
        } else if self.catch_up(&mut replies).await? {
            caught_up(&mut replies).await?;
            to_tell = false;
        }
        let filter = self
            .source
            .clone()
            .unwrap_or_else(|| Filter::by_stream(Match::one_of([self.stream.as_str()])));
        let mut numbering = match self.source.clone() {
            Some(source) => Some(self.count(&mut replies, &source).await?),
            None => None,
        };
        let mut live = self.node.log.subscribe(self.head, filter);
        let mut touched = false;
        while let Some(delivery) = live.next().await {
            match delivery {
                Ok(Delivery::Events(events)) => {
                    let events = match &mut numbering {
                        Some(numbering) => self.links(&mut replies, numbering, events).await?,
                        None => events,
                    };
                    for event in events {
                        touched |= self.live(&mut replies, event).await?;
                    }
                    replies.flush().await?;
                }
                Ok(Delivery::CaughtUp(_)) if to_tell && touched => {
                    caught_up(&mut replies).await?;
                    to_tell = false;
                }
                Ok(Delivery::CaughtUp(_) | Delivery::Checkpoint(_)) => {}
                Err(error) => return Err(replies.fail(errors::of_read(error)).await),
            }
        }
        Err(replies.fail(errors::shutting_down()).await)
    }

    /// Begins to number the links of a derived stream where the log's subscription will begin.
    async fn count(&mut self, replies: &mut Replies, source: &Filter) -> Result<Numbering, Over> {
        if self.from_end {
            return Ok(Numbering::new(self.next, self.head, source));
        }
        let (count, examined) = match self.node.derived_end(&self.stream, source).await {
            Ok(counted) => counted,
            Err(error) => return Err(replies.fail(errors::of_read(error)).await),
        };
        self.head = examined;
        self.links_before(replies, count).await?;
        Ok(Numbering::new(count, examined, source))
    }

    /// The links to events that have come.
    async fn links(
        &self,
        replies: &mut Replies,
        numbering: &mut Numbering,
        events: Vec<RecordedEvent>,
    ) -> Result<Vec<RecordedEvent>, Over> {
        let numbered = match numbering.of(&*self.node.log, events).await {
            Ok(numbered) => numbered.into_iter(),
            Err(error) => return Err(replies.fail(errors::of_read(error)).await),
        };
        Ok(numbered
            .map(|(revision, event)| derived::link(&self.stream, revision, &event))
            .collect())
    }

    /// Sends what is there. False where there is no such stream yet.
    async fn catch_up(&mut self, replies: &mut Replies) -> Result<bool, Over> {
        loop {
            let from = ReadFrom::Revision(self.next);
            let forward = Direction::Forward;
            let read = self.node.read_stream(&self.stream, from, forward, PAGE);
            let slice = match read.await {
                Ok(slice) => slice,
                Err(error) => return Err(replies.fail(errors::of_read(error)).await),
            };
            for event in slice.events {
                self.next = event.revision.saturating_add(1);
                deliver(&self.node, replies, self.shape, event).await?;
            }
            replies.flush().await?;
            if slice.end {
                return Ok(slice.exists);
            }
        }
    }

    /// Sends the links of a derived stream that came to be since it was last read.
    async fn links_before(&mut self, replies: &mut Replies, count: u64) -> Result<(), Over> {
        while self.next < count {
            let before = self.next;
            self.catch_up(replies).await?;
            if self.next == before {
                break;
            }
        }
        Ok(())
    }

    /// Sends an event of the log if it is of this stream and new. Whether it was of this stream at all.
    async fn live(&mut self, replies: &mut Replies, event: RecordedEvent) -> Result<bool, Over> {
        if event.stream != self.stream {
            return Ok(false);
        }
        if event.revision < self.next {
            return Ok(true);
        }
        self.next = event.revision.saturating_add(1);
        let ended = event.revision == rules::TOMBSTONE_REVISION;
        deliver(&self.node, replies, self.shape, event).await?;
        if ended {
            return Err(replies.fail(errors::stream_deleted(&self.stream)).await);
        }
        Ok(true)
    }
}
