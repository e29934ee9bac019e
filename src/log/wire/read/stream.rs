//! A read of one stream.

use std::sync::Arc;

use tonic::Status;

use super::{deliver, page_size};
use crate::kernel::{Revision, StreamName};
use crate::log::wire::errors;
use crate::log::wire::messages::write_stream_name;
use crate::log::wire::node::Node;
use crate::log::wire::replies::{Over, Replies};
use crate::log::wire::request::{From, Shape};
use crate::log::{Direction, ReadFrom, StreamSlice};
use crate::proto::event_store::client::streams::read_resp;

/// The page by which the official server judges whether a stream's head is missing.
const OFFICIAL_PAGE: u64 = 32;

/// A read of one stream, its first page at hand: what is wrong with the stream is known before the first reply.
pub(in crate::log::wire) struct StreamRead {
    node: Arc<Node>,
    stream: StreamName,
    start: Revision,
    direction: Direction,
    left: u64,
    page_wanted: u64,
    shape: Shape,
    page: StreamSlice,
}

impl StreamRead {
    /// Reads the first page.
    pub(in crate::log::wire) async fn begin(
        node: Arc<Node>,
        stream: StreamName,
        from: From<Revision>,
        count: u64,
        direction: Direction,
        shape: Shape,
    ) -> Result<Self, Status> {
        let forward = direction == Direction::Forward;
        if count == 0 || (forward && from == From::End) {
            // The official server's word for both.
            return Err(Status::unknown("Unexpected ReadStreamResult: Error"));
        }
        let (from, start) = match from {
            From::Start => (ReadFrom::Start, 0),
            From::At(revision) => (ReadFrom::Revision(revision), revision),
            From::End => (ReadFrom::End, 0),
        };
        let page = node
            .read_stream(&stream, from, direction, page_size(count))
            .await
            .map_err(errors::of_read)?;
        Ok(Self {
            node,
            stream,
            start,
            direction,
            left: count,
            page_wanted: count.min(OFFICIAL_PAGE),
            shape,
            page,
        })
    }

    /// Sends everything, fetching as it goes.
    pub(in crate::log::wire) async fn run(mut self, mut replies: Replies) -> Result<(), Over> {
        if !self.page.exists {
            let not_found = read_resp::StreamNotFound {
                stream_identifier: Some(write_stream_name(&self.stream)),
            };
            return replies
                .send(read_resp::Content::StreamNotFound(not_found))
                .await;
        }
        if let Some(first) = self.first_if_hidden() {
            replies
                .send(read_resp::Content::FirstStreamPosition(first))
                .await?;
        }
        loop {
            let page = std::mem::take(&mut self.page.events);
            let next = page.last().and_then(|event| match self.direction {
                Direction::Forward => event.revision.checked_add(1),
                Direction::Backward => event.revision.checked_sub(1),
            });
            for event in page {
                deliver(&self.node, &mut replies, self.shape, event).await?;
                self.left = self.left.saturating_sub(1);
            }
            replies.flush().await?;
            let (Some(next), false) = (next, self.page.end || self.left == 0) else {
                break;
            };
            self.page = match self.fetch(next).await {
                Ok(page) => page,
                Err(status) => return Err(replies.fail(status).await),
            };
        }
        match self.page.last_revision {
            Some(last) if self.shape.positions => {
                replies
                    .send(read_resp::Content::LastStreamPosition(last))
                    .await
            }
            _ => Ok(()),
        }
    }

    async fn fetch(&self, from: Revision) -> Result<StreamSlice, Status> {
        let from = ReadFrom::Revision(from);
        let slice = self
            .node
            .read_stream(&self.stream, from, self.direction, page_size(self.left))
            .await
            .map_err(errors::of_read)?;
        Ok(slice)
    }

    /// The first revision that can be read, where the official server would have met an empty page before it.
    fn first_if_hidden(&self) -> Option<Revision> {
        if !self.shape.positions || self.direction == Direction::Backward {
            return None;
        }
        let beyond_page = self.start.saturating_add(self.page_wanted);
        match self.page.events.first() {
            Some(first) => (first.revision >= beyond_page).then_some(first.revision),
            None => self
                .page
                .last_revision
                .and_then(|last| last.checked_add(1))
                .filter(|next| *next != self.start),
        }
    }
}
