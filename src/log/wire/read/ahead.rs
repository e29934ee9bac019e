//! Pages of everything, or of what passes a filter, the next one being read while this one is sent.

use std::pin::Pin;
use std::sync::Arc;

use futures::future::{BoxFuture, MaybeDone, maybe_done};
use tonic::Status;

use crate::kernel::Position;
use crate::log::wire::errors;
use crate::log::wire::node::Node;
use crate::log::{AllSlice, Direction, Filter, ReadError};

/// Events fetched at a time.
const PAGE: usize = 512;

/// Reads in one direction. Holds one page at most, however slow the client.
pub(in crate::log::wire) struct Pages {
    node: Arc<Node>,
    direction: Direction,
    filter: Arc<Filter>,
    next: Option<MaybeDone<BoxFuture<'static, Result<AllSlice, ReadError>>>>,
}

impl Pages {
    pub(in crate::log::wire) fn new(node: Arc<Node>, direction: Direction, filter: Filter) -> Self {
        Self {
            node,
            direction,
            filter: Arc::new(filter),
            next: None,
        }
    }

    /// Begins to read what follows `from`, at most `wanted` events.
    pub(in crate::log::wire) async fn ask(&mut self, from: Option<Position>, wanted: u64) {
        let (node, direction) = (Arc::clone(&self.node), self.direction);
        let filter = Arc::clone(&self.filter);
        let size = usize::try_from(wanted).unwrap_or(PAGE).min(PAGE);
        let mut next: MaybeDone<BoxFuture<'static, _>> = maybe_done(Box::pin(async move {
            node.log.read_all(from, direction, size, &filter).await
        }));
        // To look once is what begins it; the engine's own threads go on.
        let _ = futures::poll!(Pin::new(&mut next));
        self.next = Some(next);
    }

    /// What was asked for.
    pub(in crate::log::wire) async fn take(&mut self) -> Result<AllSlice, Status> {
        let nothing = || AllSlice {
            end: true,
            ..AllSlice::default()
        };
        let Some(mut next) = self.next.take() else {
            return Ok(nothing());
        };
        let mut next = Pin::new(&mut next);
        next.as_mut().await;
        let page = next.take_output().unwrap_or_else(|| Ok(nothing()));
        page.map_err(errors::of_read)
    }
}
