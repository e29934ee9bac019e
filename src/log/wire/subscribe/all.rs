//! A subscription to everything, filtered or not.
//!
//! The log is followed unfiltered: the official server's checkpoints count the events that were examined and name the
//! positions of events that did not pass, and a client may rely on either.

use std::sync::Arc;

use futures::StreamExt as _;
use tonic::Status;

use super::{caught_up, checkpoint, confirm};
use crate::kernel::Position;
use crate::log::wire::errors;
use crate::log::wire::filter::EventFilter;
use crate::log::wire::messages::{between, boundary, write_position};
use crate::log::wire::node::Node;
use crate::log::wire::read::{Pages, deliver, hidden};
use crate::log::wire::replies::{Over, Replies};
use crate::log::wire::request::{From, Shape};
use crate::log::{Delivery, Direction, Filter, RecordedEvent};

/// A subscription to everything.
pub(in crate::log::wire) struct AllSubscription {
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
    pub(in crate::log::wire) async fn begin(
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
                .or_else(|| between(at))
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
    pub(in crate::log::wire) async fn run(mut self, mut replies: Replies) -> Result<(), Over> {
        confirm(&mut replies).await?;
        self.catch_up(&mut replies).await?;
        caught_up(&mut replies).await?;
        self.progress = Progress::default();
        let mut live = self.node.log.subscribe(self.at, Filter::default());
        while let Some(delivery) = live.next().await {
            match delivery {
                Ok(Delivery::Events(events)) => {
                    for event in events.into_iter().filter(|event| !hidden(event)) {
                        self.live(&mut replies, event).await?;
                    }
                    replies.flush().await?;
                }
                Ok(Delivery::CaughtUp(_) | Delivery::Checkpoint(_)) => {}
                Err(error) => return Err(replies.fail(errors::of_read(error)).await),
            }
        }
        Err(replies.fail(errors::shutting_down()).await)
    }

    async fn catch_up(&mut self, replies: &mut Replies) -> Result<(), Over> {
        let mut pages = Pages::new(
            Arc::clone(&self.node),
            Direction::Forward,
            Filter::default(),
        );
        pages.ask(Some(self.at), u64::MAX).await;
        loop {
            let slice = match pages.take().await {
                Ok(slice) => slice,
                Err(status) => return Err(replies.fail(status).await),
            };
            if !slice.end {
                pages.ask(Some(slice.examined), u64::MAX).await;
            }
            for event in slice.events.into_iter().filter(|event| !hidden(event)) {
                let position = event.position;
                let passed = self.pass(replies, event).await?;
                if let Some((commit, prepare)) = self.examined(position, passed) {
                    checkpoint(replies, commit, prepare).await?;
                }
            }
            replies.flush().await?;
            self.at = slice.examined;
            if slice.end {
                return Ok(());
            }
        }
    }

    async fn live(&mut self, replies: &mut Replies, event: RecordedEvent) -> Result<(), Over> {
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
    async fn pass(&self, replies: &mut Replies, event: RecordedEvent) -> Result<bool, Over> {
        if let Some(filter) = &self.filter {
            match filter.admits(&event) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(status) => return Err(replies.fail(status).await),
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
