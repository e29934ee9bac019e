//! Links: events that stand for another one, `<revision>@<stream>`.

use std::sync::Arc;

use tonic::Status;

use super::errors;
use super::node::Node;
use crate::kernel::StreamName;
use crate::log::{Direction, ReadError, ReadFrom, RecordedEvent};

/// The type of a link event.
pub(super) const LINK_TYPE: &str = "$>";

/// An event as it is delivered.
pub(super) struct Resolved {
    /// What a link points at, or the event itself; none where a link leads nowhere.
    pub(super) event: Option<RecordedEvent>,
    /// The link that led there.
    pub(super) link: Option<RecordedEvent>,
}

impl Resolved {
    /// The event itself, whatever it is.
    pub(super) fn plain(event: RecordedEvent) -> Self {
        Self {
            event: Some(event),
            link: None,
        }
    }

    /// The one that has a place in what was read.
    pub(super) fn original(&self) -> Option<&RecordedEvent> {
        self.link.as_ref().or(self.event.as_ref())
    }

    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        let both = self.event.iter().chain(&self.link);
        let payload = both.map(|event| event.data.len() + event.metadata.len());
        payload.sum::<usize>() + size_of::<Self>()
    }
}

/// Where a link points. [`None`]: its data is no link at all.
enum Pointer {
    At(StreamName, ReadFrom),
    Nowhere,
}

/// Follows a link; any other event is itself.
pub(super) async fn resolve(node: &Arc<Node>, event: RecordedEvent) -> Result<Resolved, Status> {
    if &*event.event_type != LINK_TYPE {
        return Ok(Resolved::plain(event));
    }
    let target = match pointer(&event.data) {
        None => return Ok(Resolved::plain(event)),
        Some(Pointer::Nowhere) => None,
        Some(Pointer::At(stream, from)) => target(node, &stream, from).await?,
    };
    Ok(Resolved {
        event: target,
        link: Some(event),
    })
}

async fn target(
    node: &Arc<Node>,
    stream: &StreamName,
    from: ReadFrom,
) -> Result<Option<RecordedEvent>, Status> {
    // Backward, because what is asked for is either one revision or the last.
    let slice = match node.read_stream(stream, from, Direction::Backward, 1).await {
        Ok(slice) => slice,
        Err(ReadError::StreamDeleted(_)) => return Ok(None),
        Err(error) => return Err(errors::of_read(error)),
    };
    Ok(slice.events.into_iter().next().filter(|event| match from {
        ReadFrom::Revision(revision) => event.revision == revision,
        ReadFrom::Start | ReadFrom::End => true,
    }))
}

/// The number is read as the official server does: spaces around it are fine, and -1 is the last event.
fn pointer(data: &[u8]) -> Option<Pointer> {
    let (revision, stream) = std::str::from_utf8(data).ok()?.split_once('@')?;
    let revision: i64 = revision.trim().parse().ok()?;
    let from = match u64::try_from(revision) {
        Ok(revision) => ReadFrom::Revision(revision),
        Err(_) if revision == -1 => ReadFrom::End,
        Err(_) => return Some(Pointer::Nowhere),
    };
    Some(match StreamName::new(stream) {
        Ok(stream) => Pointer::At(stream, from),
        Err(_) => Pointer::Nowhere,
    })
}
