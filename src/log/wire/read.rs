//! Reads that end: a stream or everything, either way, page by page.

use std::sync::Arc;

use tokio::sync::mpsc;
use tonic::Status;

use super::errors;
use super::filter::EventFilter;
use super::links::{self, Resolved};
use super::messages::{boundary, write_event, write_position, write_stream_name};
use super::node::Node;
use super::request::{From, Shape};
use crate::kernel::{Position, Revision, StreamName};
use crate::log::{AllSlice, Direction, Filter, ReadFrom, RecordedEvent, StreamSlice};
use crate::proto::event_store::client as shared;
use shared::streams::{ReadResp, read_resp};

/// Events fetched at a time.
const PAGE: usize = 256;

/// The page by which the official server judges whether a stream's head is missing.
const OFFICIAL_PAGE: u64 = 32;

/// Replies waiting for the client of one call.
pub(super) const REPLIES: usize = 256;

/// Where the replies of one call go.
pub(super) type Replies = mpsc::Sender<Result<ReadResp, Status>>;

/// The client went away, or the call was answered with an error: nothing more is to be sent.
pub(super) struct Over;

/// Sends one reply.
pub(super) async fn send(replies: &Replies, content: read_resp::Content) -> Result<(), Over> {
    let reply = ReadResp {
        content: Some(content),
    };
    replies.send(Ok(reply)).await.map_err(|_| Over)
}

/// Ends the call with an error.
pub(super) async fn fail(replies: &Replies, status: Status) -> Over {
    // A client that went away does not hear of it.
    let _ = replies.send(Err(status)).await;
    Over
}

/// Sends an event, its link followed where that was asked for.
pub(super) async fn deliver(
    node: &Arc<Node>,
    replies: &Replies,
    shape: Shape,
    event: RecordedEvent,
) -> Result<(), Over> {
    let resolved = if shape.resolve {
        match links::resolve(node, event).await {
            Ok(resolved) => resolved,
            Err(status) => return Err(fail(replies, status).await),
        }
    } else {
        Resolved::plain(event)
    };
    send(replies, read_resp::Content::Event(write(&resolved, shape))).await
}

fn write(resolved: &Resolved, shape: Shape) -> read_resp::ReadEvent {
    use read_resp::read_event::Position;
    let position = resolved
        .original()
        .map_or(Position::NoPosition(shared::Empty {}), |original| {
            Position::CommitPosition(write_position(original.position))
        });
    let write =
        |event: &Option<RecordedEvent>| event.as_ref().map(|event| write_event(event, shape.form));
    read_resp::ReadEvent {
        event: write(&resolved.event),
        link: write(&resolved.link),
        position: Some(position),
    }
}

/// A read of one stream, its first page at hand: what is wrong with the stream is known before the first reply.
pub(super) struct StreamRead {
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
    pub(super) async fn begin(
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
    pub(super) async fn run(mut self, replies: Replies) -> Result<(), Over> {
        if !self.page.exists {
            let not_found = read_resp::StreamNotFound {
                stream_identifier: Some(write_stream_name(&self.stream)),
            };
            return send(&replies, read_resp::Content::StreamNotFound(not_found)).await;
        }
        if let Some(first) = self.first_if_hidden() {
            send(&replies, read_resp::Content::FirstStreamPosition(first)).await?;
        }
        loop {
            let page = std::mem::take(&mut self.page.events);
            let next = page.last().and_then(|event| match self.direction {
                Direction::Forward => event.revision.checked_add(1),
                Direction::Backward => event.revision.checked_sub(1),
            });
            for event in page {
                deliver(&self.node, &replies, self.shape, event).await?;
                self.left = self.left.saturating_sub(1);
            }
            let (Some(next), false) = (next, self.page.end || self.left == 0) else {
                break;
            };
            self.page = match self.fetch(next).await {
                Ok(page) => page,
                Err(status) => return Err(fail(&replies, status).await),
            };
        }
        match self.page.last_revision {
            Some(last) if self.shape.positions => {
                send(&replies, read_resp::Content::LastStreamPosition(last)).await
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

/// A read of everything, its first page at hand.
pub(super) struct AllRead {
    node: Arc<Node>,
    direction: Direction,
    left: u64,
    filter: Option<EventFilter>,
    shape: Shape,
    page: AllSlice,
}

impl AllRead {
    /// Reads the first page.
    pub(super) async fn begin(
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
    pub(super) async fn run(mut self, replies: Replies) -> Result<(), Over> {
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

fn page_size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(PAGE).min(PAGE)
}
