//! Reads that end: a stream or everything, either way, page by page.

mod ahead;
mod all;
mod stream;

use std::sync::Arc;

pub(super) use ahead::{Examined, Pages, Surveys, in_order};
pub(super) use all::AllRead;
pub(super) use stream::StreamRead;

use super::links::{self, Resolved};
use super::node::Node;
use super::replies::{Over, Replies};
use super::request::Shape;
use crate::kernel::StreamName;
use crate::log::RecordedEvent;

/// Events fetched at a time.
const PAGE: usize = 256;

/// Whether the event is a note of a group's on everything: those are in their streams, and nowhere else, or every note
/// would make more of them.
pub(super) fn hidden(stream: &StreamName) -> bool {
    let name = stream.as_str();
    let owner = name.strip_prefix("$$").unwrap_or(name);
    owner.starts_with("$persistentsubscription-$all::")
}

/// Adds an event to the replies, its link followed where that was asked for.
pub(super) async fn deliver(
    node: &Arc<Node>,
    replies: &mut Replies,
    shape: Shape,
    event: RecordedEvent,
) -> Result<(), Over> {
    let resolved = if shape.resolve {
        match links::resolve(node, event).await {
            Ok(resolved) => resolved,
            Err(status) => return Err(replies.fail(status).await),
        }
    } else {
        Resolved::plain(event)
    };
    replies.event(&resolved, shape.form).await
}

fn page_size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(PAGE).min(PAGE)
}
