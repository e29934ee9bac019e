//! A read of everything, filtered or not.

use std::sync::Arc;

use tonic::Status;

use super::{Pages, deliver, hidden};
use crate::kernel::Position;
use crate::log::wire::errors;
use crate::log::wire::filter::EventFilter;
use crate::log::wire::messages::{between, boundary, write_position};
use crate::log::wire::node::Node;
use crate::log::wire::replies::{Over, Replies};
use crate::log::wire::request::{From, Shape};
use crate::log::{AllSlice, Direction};

/// A read of everything, its first page at hand.
pub(in crate::log::wire) struct AllRead {
    node: Arc<Node>,
    pages: Pages,
    left: u64,
    shape: Shape,
    page: AllSlice,
}

impl AllRead {
    /// Reads the first page.
    pub(in crate::log::wire) async fn begin(
        node: Arc<Node>,
        from: From<u64>,
        count: u64,
        filter: Option<EventFilter>,
        direction: Direction,
        shape: Shape,
    ) -> Result<Self, Status> {
        let head = node.log.head().await.map_err(errors::of_read)?;
        let start = match from {
            From::Start => Some(Position::START),
            From::End if direction == Direction::Backward => None,
            From::End => Some(head),
            From::At(at) => Some(start_at(at, direction, head, filter.is_some())?),
        };
        let filter = filter.map(|filter| filter.events).unwrap_or_default();
        let mut pages = Pages::new(Arc::clone(&node), direction, filter);
        pages.ask(start, count).await;
        let page = pages.take().await?;
        Ok(Self {
            node,
            pages,
            left: count,
            shape,
            page,
        })
    }

    /// Sends everything, fetching as it goes.
    pub(in crate::log::wire) async fn run(mut self, mut replies: Replies) -> Result<(), Over> {
        loop {
            let more = self.fetch_next().await;
            let events = std::mem::take(&mut self.page.events);
            for event in events.into_iter().filter(|event| !hidden(&event.stream)) {
                if self.left == 0 {
                    break;
                }
                deliver(&self.node, &mut replies, self.shape, event).await?;
                self.left -= 1;
            }
            replies.flush().await?;
            if !more || self.left == 0 {
                return Ok(());
            }
            self.page = match self.pages.take().await {
                Ok(page) => page,
                Err(status) => return Err(replies.fail(status).await),
            };
        }
    }

    /// Begins to fetch the page after this one, if one may be wanted.
    async fn fetch_next(&mut self) -> bool {
        let here = self
            .page
            .events
            .iter()
            .filter(|event| !hidden(&event.stream));
        let wanted = self.left.saturating_sub(here.count() as u64);
        let more = !self.page.end && wanted > 0;
        if more {
            self.pages.ask(Some(self.page.examined), wanted).await;
        }
        more
    }
}

/// Where the log's read begins, which is after its position; the protocol's forward reads begin with it.
fn start_at(
    at: u64,
    direction: Direction,
    head: Position,
    filtered: bool,
) -> Result<Position, Status> {
    if let Some(before) = between(at).filter(|before| *before <= head) {
        // After that event; of the events before it, it is the last.
        return Ok(match direction {
            Direction::Forward => before,
            Direction::Backward => Position(before.0 + 1),
        });
    }
    let beyond = at > write_position(head);
    match (direction, boundary(at)) {
        (Direction::Forward, _) if beyond => Ok(head),
        (Direction::Backward, _) if beyond => Err(errors::malformed(format!(
            "position {at} is beyond the end of the log, {}",
            write_position(head)
        ))),
        (Direction::Forward, Some(position)) => Ok(Position(position.0.saturating_sub(1))),
        (Direction::Backward, Some(position)) => Ok(position),
        // The official server's words for a position that no event has.
        (_, None) if filtered => Err(Status::unknown("Unexpected FilteredReadAllResult: Error")),
        (_, None) => Err(Status::unknown("Unexpected ReadAllResult: Error")),
    }
}
