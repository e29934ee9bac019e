//! A read of everything, filtered or not.

use std::sync::Arc;

use tonic::Status;

use super::{Over, Replies, deliver, fail, hidden, page_size};
use crate::kernel::Position;
use crate::log::wire::errors;
use crate::log::wire::filter::EventFilter;
use crate::log::wire::messages::{boundary, write_position};
use crate::log::wire::node::Node;
use crate::log::wire::request::{From, Shape};
use crate::log::{AllSlice, Direction, Filter, RecordedEvent};

/// A read of everything, its first page at hand.
pub(in crate::log::wire) struct AllRead {
    node: Arc<Node>,
    direction: Direction,
    left: u64,
    filter: Option<EventFilter>,
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
        let size = page_size(if filter.is_some() { u64::MAX } else { count });
        let page = node
            .log
            .read_all(start, direction, size, &Filter::default())
            .await
            .map_err(errors::of_read)?;
        Ok(Self {
            node,
            direction,
            left: count,
            filter,
            shape,
            page,
        })
    }

    /// Sends everything, fetching as it goes.
    pub(in crate::log::wire) async fn run(mut self, replies: Replies) -> Result<(), Over> {
        loop {
            for event in std::mem::take(&mut self.page.events) {
                if self.left == 0 {
                    return Ok(());
                }
                match self.admits(&event) {
                    Ok(true) => deliver(&self.node, &replies, self.shape, event).await?,
                    Ok(false) => continue,
                    Err(status) => return Err(fail(&replies, status).await),
                }
                self.left -= 1;
            }
            if self.page.end || self.left == 0 {
                return Ok(());
            }
            let from = Some(self.page.examined);
            let size = page_size(if self.filter.is_some() {
                u64::MAX
            } else {
                self.left
            });
            let everything = Filter::default();
            let read = self
                .node
                .log
                .read_all(from, self.direction, size, &everything);
            self.page = match read.await {
                Ok(page) => page,
                Err(error) => return Err(fail(&replies, errors::of_read(error)).await),
            };
        }
    }

    fn admits(&self, event: &RecordedEvent) -> Result<bool, Status> {
        if hidden(event) {
            return Ok(false);
        }
        self.filter
            .as_ref()
            .map_or(Ok(true), |filter| filter.admits(event))
    }
}

/// Where the log's read begins, which is after its position; the protocol's forward reads begin with it.
fn start_at(
    at: u64,
    direction: Direction,
    head: Position,
    filtered: bool,
) -> Result<Position, Status> {
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
