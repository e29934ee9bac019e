//! Pages of everything, the next one being read while this one is sent.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tonic::Status;

use super::PAGE;
use crate::kernel::Position;
use crate::log::wire::errors;
use crate::log::wire::node::Node;
use crate::log::{AllSlice, Direction, Filter, ReadError};

/// Reads everything in one direction. Holds one page at most, however slow the client.
pub(in crate::log::wire) struct Pages {
    node: Arc<Node>,
    direction: Direction,
    next: Option<JoinHandle<Result<AllSlice, ReadError>>>,
}

impl Pages {
    pub(in crate::log::wire) fn new(node: Arc<Node>, direction: Direction) -> Self {
        Self {
            node,
            direction,
            next: None,
        }
    }

    /// Begins to read what follows `from`, at most `wanted` events.
    pub(in crate::log::wire) fn ask(&mut self, from: Option<Position>, wanted: u64) {
        let (node, direction) = (Arc::clone(&self.node), self.direction);
        let size = usize::try_from(wanted).unwrap_or(PAGE).min(PAGE);
        self.next = Some(tokio::spawn(async move {
            let everything = Filter::default();
            node.log.read_all(from, direction, size, &everything).await
        }));
    }

    /// What was asked for.
    pub(in crate::log::wire) async fn take(&mut self) -> Result<AllSlice, Status> {
        let Some(next) = self.next.take() else {
            return Ok(AllSlice {
                end: true,
                ..AllSlice::default()
            });
        };
        match next.await {
            Ok(page) => page.map_err(errors::of_read),
            // The runtime goes down.
            Err(_) => Err(errors::shutting_down()),
        }
    }
}
