//! Reads that end: a stream or everything, either way, page by page.

mod all;
mod stream;

use std::sync::Arc;

use tokio::sync::mpsc;
use tonic::Status;

pub(super) use all::AllRead;
pub(super) use stream::StreamRead;

use super::links::{self, Resolved};
use super::messages::{write_event, write_position};
use super::node::Node;
use super::request::Shape;
use crate::log::RecordedEvent;
use crate::proto::event_store::client as shared;
use shared::streams::{ReadResp, read_resp};

/// Events fetched at a time.
const PAGE: usize = 256;

/// Replies waiting for the client of one call.
pub(super) const REPLIES: usize = 256;

/// Where the replies of one call go.
pub(super) type Replies = mpsc::Sender<Result<ReadResp, Status>>;

/// The client went away, or the call was answered with an error: nothing more is to be sent.
pub(super) struct Over;

/// Whether the event is a note of a group's on everything: those are in their streams, and nowhere else, or every note
/// would make more of them.
pub(super) fn hidden(event: &RecordedEvent) -> bool {
    let name = event.stream.as_str();
    let owner = name.strip_prefix("$$").unwrap_or(name);
    owner.starts_with("$persistentsubscription-$all::")
}

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

fn page_size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(PAGE).min(PAGE)
}
