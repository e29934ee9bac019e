//! A subscription to everything, filtered or not.
//!
//! The official server's checkpoints count the events that were examined and name the positions of events that did not
//! pass, and a client may rely on either. So what is there is surveyed, which touches the payload of nothing that does not
//! pass, and what comes is followed unfiltered: the log has it at hand.

use std::sync::Arc;

use futures::StreamExt as _;
use tonic::Status;

use super::{caught_up, checkpoint, confirm};
use crate::kernel::Position;
use crate::log::wire::errors;
use crate::log::wire::filter::EventFilter;
use crate::log::wire::messages::{between, boundary, write_position};
use crate::log::wire::node::Node;
use crate::log::wire::read::{Examined, Surveys, deliver, hidden, in_order};
use crate::log::wire::replies::{Over, Replies};
use crate::log::wire::request::{From, Shape};
use crate::log::{Delivery, Filter, RecordedEvent};

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
                    for event in events.into_iter().filter(|event| !hidden(&event.stream)) {
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
        let filter = self.filter.as_ref().map(|filter| filter.events.clone());
        let mut surveys = Surveys::begin(&self.node, self.at, filter.unwrap_or_default()).await;
        while let Some(survey) = surveys.next().await {
            let survey = match survey {
                Ok(survey) => survey,
                Err(status) => return Err(replies.fail(status).await),
            };
            self.at = survey.slice.examined;
            for examined in in_order(survey) {
                let (position, passed) = match examined {
                    Examined::Passed(event) => {
                        let position = event.position;
                        deliver(&self.node, replies, self.shape, event).await?;
                        (position, true)
                    }
                    Examined::LeftOut(position) => (position, false),
                };
                if let Some((commit, prepare)) = self.examined(position, passed) {
                    checkpoint(replies, commit, prepare).await?;
                }
            }
            replies.flush().await?;
        }
        Ok(())
    }

    async fn live(&mut self, replies: &mut Replies, event: RecordedEvent) -> Result<(), Over> {
        let Some(filter) = &self.filter else {
            return deliver(&self.node, replies, self.shape, event).await;
        };
        let position = event.position;
        match filter.admits(&event) {
            Ok(true) => deliver(&self.node, replies, self.shape, event).await?,
            Ok(false) => {}
            Err(status) => return Err(replies.fail(status).await),
        }
        self.progress.since += 1;
        if self.progress.since >= filter.interval {
            self.progress.since = 0;
            checkpoint(replies, position, position).await?;
        }
        Ok(())
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
