//! Subscriptions: confirmed, what is there, caught up, what comes. They end with an error or with the client.
//!
//! What is there is read page by page; what comes is the log's own subscription from where the pages ended, so nothing is
//! missed and nothing comes twice. A slow client holds up nobody: its call waits, the log's subscription is read on later.

use std::sync::Arc;

use futures::StreamExt as _;
use tonic::Status;
use uuid::Uuid;

use super::derived;
use super::errors;
use super::filter::EventFilter;
use super::messages::{MAX_NUMBER, boundary, write_position};
use super::node::Node;
use super::read::{Over, Replies, deliver, fail, send};
use super::request::{From, Shape};
use crate::kernel::{Position, Revision, StreamName};
use crate::log::{Delivery, Direction, Filter, ReadFrom, RecordedEvent, rules};
use crate::proto::event_store::client::streams::read_resp;

/// Events fetched at a time while catching up.
const PAGE: usize = 256;

/// A subscription to one stream, found to be possible.
pub(super) struct StreamSubscription {
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
    pub(super) async fn begin(
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
    pub(super) async fn run(mut self, replies: Replies) -> Result<(), Over> {
        confirm(&replies).await?;
        let mut to_tell = !self.from_end;
        if self.from_end {
            caught_up(&replies).await?;
        } else if self.catch_up(&replies).await? {
            caught_up(&replies).await?;
            to_tell = false;
        }
        let filter = self.source.clone().unwrap_or_else(|| Filter {
            stream_prefixes: vec![self.stream.as_str().to_owned()],
            ..Filter::default()
        });
        let mut numbered = self.next;
        if let Some(source) = self.source.clone() {
            // Derived links are counted, so the count must begin where the log's subscription does.
            match self.node.derived_end(&self.stream, &source).await {
                Ok((count, examined)) if !self.from_end => {
                    self.head = examined;
                    numbered = count;
                    self.links_before(&replies, count).await?;
                }
                Ok(_) => {}
                Err(error) => return Err(fail(&replies, errors::of_read(error)).await),
            }
        }
        let mut live = self.node.log.subscribe(self.head, filter);
        let mut touched = false;
        while let Some(delivery) = live.next().await {
            match delivery {
                Ok(Delivery::Events(events)) => {
                    for event in events {
                        touched |= self.live(&replies, event, &mut numbered).await?;
                    }
                }
                Ok(Delivery::CaughtUp(_)) if to_tell && touched => {
                    caught_up(&replies).await?;
                    to_tell = false;
                }
                Ok(Delivery::CaughtUp(_) | Delivery::Checkpoint(_)) => {}
                Err(error) => return Err(fail(&replies, errors::of_read(error)).await),
            }
        }
        Err(fail(&replies, errors::shutting_down()).await)
    }

    /// Sends what is there. False where there is no such stream yet.
    async fn catch_up(&mut self, replies: &Replies) -> Result<bool, Over> {
        loop {
            let from = ReadFrom::Revision(self.next);
            let forward = Direction::Forward;
            let read = self.node.read_stream(&self.stream, from, forward, PAGE);
            let slice = match read.await {
                Ok(slice) => slice,
                Err(error) => return Err(fail(replies, errors::of_read(error)).await),
            };
            for event in slice.events {
                self.next = event.revision.saturating_add(1);
                deliver(&self.node, replies, self.shape, event).await?;
            }
            if slice.end {
                return Ok(slice.exists);
            }
        }
    }

    /// Sends the links of a derived stream that came to be since it was last read.
    async fn links_before(&mut self, replies: &Replies, count: u64) -> Result<(), Over> {
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
    async fn live(
        &mut self,
        replies: &Replies,
        event: RecordedEvent,
        numbered: &mut Revision,
    ) -> Result<bool, Over> {
        let event = if self.source.is_some() {
            let link = derived::link(&self.stream, *numbered, &event);
            *numbered += 1;
            link
        } else {
            event
        };
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
            return Err(fail(replies, errors::stream_deleted(&self.stream)).await);
        }
        Ok(true)
    }
}

/// A subscription to everything.
pub(super) struct AllSubscription {
    node: Arc<Node>,
    shape: Shape,
    filter: Option<EventFilter>,
    /// Everything up to here was examined.
    at: Position,
    progress: Progress,
}

/// How far a filtered subscription has come since it last said so.
#[derive(Default)]
struct Progress {
    /// Events examined in this window.
    window: u64,
    /// The window's first event.
    first: Position,
    /// The last event of the window that passed.
    passed: Option<Position>,
    /// Events examined since the last checkpoint.
    since: u64,
}

impl AllSubscription {
    /// Finds where to begin.
    pub(super) async fn begin(
        node: Arc<Node>,
        from: From<u64>,
        filter: Option<EventFilter>,
        shape: Shape,
    ) -> Result<Self, Status> {
        let head = node.log.head().await.map_err(errors::of_read)?;
        let at = match from {
            From::Start => Position::START,
            // From beyond the end nothing is skipped.
            From::At(at) if at > write_position(head) => head,
            From::At(at) => boundary(at)
                .ok_or_else(|| errors::malformed(format!("no event begins at position {at}")))?,
            From::End => head,
        };
        Ok(Self {
            node,
            shape,
            filter,
            at,
            progress: Progress::default(),
        })
    }

    /// Delivers until the client or the node goes away.
    pub(super) async fn run(mut self, replies: Replies) -> Result<(), Over> {
        confirm(&replies).await?;
        self.catch_up(&replies).await?;
        caught_up(&replies).await?;
        self.progress = Progress::default();
        let mut live = self.node.log.subscribe(self.at, Filter::default());
        while let Some(delivery) = live.next().await {
            match delivery {
                Ok(Delivery::Events(events)) => {
                    for event in events {
                        self.live(&replies, event).await?;
                    }
                }
                Ok(Delivery::CaughtUp(_) | Delivery::Checkpoint(_)) => {}
                Err(error) => return Err(fail(&replies, errors::of_read(error)).await),
            }
        }
        Err(fail(&replies, errors::shutting_down()).await)
    }

    async fn catch_up(&mut self, replies: &Replies) -> Result<(), Over> {
        loop {
            let everything = Filter::default();
            let from = Some(self.at);
            let forward = Direction::Forward;
            let read = self.node.log.read_all(from, forward, PAGE, &everything);
            let slice = match read.await {
                Ok(slice) => slice,
                Err(error) => return Err(fail(replies, errors::of_read(error)).await),
            };
            for event in slice.events {
                let position = event.position;
                let passed = self.pass(replies, event).await?;
                if let Some((commit, prepare)) = self.examined(position, passed) {
                    checkpoint(replies, commit, prepare).await?;
                }
            }
            self.at = slice.examined;
            if slice.end {
                return Ok(());
            }
        }
    }

    async fn live(&mut self, replies: &Replies, event: RecordedEvent) -> Result<(), Over> {
        let position = event.position;
        self.pass(replies, event).await?;
        let Some(filter) = &self.filter else {
            return Ok(());
        };
        self.progress.since += 1;
        if self.progress.since >= filter.interval {
            self.progress.since = 0;
            checkpoint(replies, position, position).await?;
        }
        Ok(())
    }

    /// Sends the event if it passes the filter. Whether it did.
    async fn pass(&self, replies: &Replies, event: RecordedEvent) -> Result<bool, Over> {
        if let Some(filter) = &self.filter {
            match filter.admits(&event) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(status) => return Err(fail(replies, status).await),
            }
        }
        deliver(&self.node, replies, self.shape, event).await?;
        Ok(true)
    }

    /// Counts an event that was examined while catching up. The checkpoint that is due with it: at the window's last
    /// event that passed; or, where none did, at its first, with no prepare position (as the official server has it).
    fn examined(&mut self, position: Position, passed: bool) -> Option<(Position, Position)> {
        let filter = self.filter.as_ref()?;
        let progress = &mut self.progress;
        if progress.window == 0 {
            progress.first = position;
            progress.passed = None;
        }
        progress.window += 1;
        if passed {
            progress.passed = Some(position);
        }
        if progress.window < filter.window {
            return None;
        }
        progress.window = 0;
        progress.since += filter.window;
        if progress.since < filter.interval {
            return None;
        }
        progress.since = 0;
        Some(match progress.passed {
            Some(passed) => (passed, passed),
            None => (progress.first, Position::START),
        })
    }
}

async fn confirm(replies: &Replies) -> Result<(), Over> {
    let confirmation = read_resp::SubscriptionConfirmation {
        subscription_id: subscription_id().to_string(),
    };
    send(replies, read_resp::Content::Confirmation(confirmation)).await
}

/// Ids of subscriptions only tell one from another.
pub(super) fn subscription_id() -> Uuid {
    #[expect(
        clippy::disallowed_methods,
        reason = "names a call, not anything that is recorded"
    )]
    Uuid::new_v4()
}

async fn caught_up(replies: &Replies) -> Result<(), Over> {
    let caught_up = read_resp::CaughtUp {};
    send(replies, read_resp::Content::CaughtUp(caught_up)).await
}

async fn checkpoint(replies: &Replies, commit: Position, prepare: Position) -> Result<(), Over> {
    let checkpoint = read_resp::Checkpoint {
        commit_position: write_position(commit),
        prepare_position: write_position(prepare),
    };
    send(replies, read_resp::Content::Checkpoint(checkpoint)).await
}
