//! Taking over the events of another log, in its order, with ids, revisions, metadata and times.
//!
//! The server numbers and stamps events itself. So each is appended at exactly the revision before its own, which makes a
//! repeat harmless, and keeps its time in its metadata (see [`convert`](super::convert)). Does not: keep positions, or
//! the first events of a stream that was truncated by a scavenge, since the server numbers every stream from 0.

use super::convert::with_time;
use super::engine::EsdbLog;
use crate::kernel::Revision;
use crate::log::compare::{compare, go_on};
use crate::log::rules::{self, TOMBSTONE_REVISION};
use crate::log::sqlite::{Copied, Numbering, ToolError, same};
use crate::log::{AppendError, Direction, EventLog, Expected, Filter, NewEvent, RecordedEvent};

/// Events read in one step, and at most appended in one.
const BATCH_EVENTS: usize = 256;

/// Bytes appended in one step: half of what an append may have, since times come to it.
const BATCH_BYTES: usize = rules::MAX_APPEND_BYTES / 2;

impl EsdbLog {
    /// Copies all of `from` into this log's part of the server, going on where an earlier copy ended, and then compares
    /// both. `progress` hears what was done.
    ///
    /// # Errors
    /// A log that cannot be read or written, a difference, or that this part of the server holds something else or has no
    /// room for a stream; then nothing was written.
    pub async fn copy_from(
        &self,
        from: &dyn EventLog,
        mut progress: impl FnMut(Copied) + Send,
    ) -> Result<Copied, ToolError> {
        let mut at = go_on(from, self, same_but_tombstones).await?;
        let all = Filter::default();
        loop {
            let slice = from
                .read_all(at, Direction::Forward, BATCH_EVENTS, &all)
                .await?;
            for group in groups(&slice.events) {
                self.take_over(group).await?;
            }
            at = Some(slice.examined);
            progress(Copied {
                events: 0,
                examined: slice.examined,
            });
            if slice.end {
                break;
            }
        }
        compare(from, self, same_but_tombstones, progress).await
    }

    async fn take_over(&self, group: &[RecordedEvent]) -> Result<(), ToolError> {
        let Some(first) = group.first() else {
            return Ok(());
        };
        if !self.has_room_for(&first.stream) {
            return Err(ToolError::Elsewhere {
                stream: first.stream.to_string(),
            });
        }
        if first.revision == TOMBSTONE_REVISION {
            return match self.tombstone(&first.stream, Expected::Any).await {
                Ok(_) | Err(AppendError::StreamDeleted(_)) => Ok(()),
                Err(error) => Err(error.into()),
            };
        }
        let expected = match first.revision {
            0 => Expected::NoStream,
            revision => Expected::Exact(revision - 1),
        };
        let events = group.iter().map(kept).collect();
        match self.append(&first.stream, expected, events).await {
            // Of an ended stream the server keeps what it has; whether that is all is seen when both are compared.
            Ok(_) | Err(AppendError::StreamDeleted(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A tombstone is the server's own event: it is there, and is all the same otherwise another.
fn same_but_tombstones(
    left: &RecordedEvent,
    right: Option<&RecordedEvent>,
) -> Result<(), ToolError> {
    let ended = |event: &RecordedEvent| event.revision == TOMBSTONE_REVISION;
    match right {
        Some(right) if ended(left) && ended(right) && left.stream == right.stream => Ok(()),
        other => same(left, other, Numbering::Renumber),
    }
}

fn kept(event: &RecordedEvent) -> NewEvent {
    NewEvent {
        id: event.id,
        event_type: event.event_type.clone(),
        is_json: event.is_json,
        data: event.data.clone(),
        metadata: with_time(&event.metadata, event.recorded_at),
    }
}

/// Neighbours that one append can take: of one stream, one after the other, not too large.
fn groups(events: &[RecordedEvent]) -> impl Iterator<Item = &[RecordedEvent]> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let (mut count, mut bytes) = (1, size(first));
        let mut last: Revision = first.revision;
        for event in rest.iter().skip(1) {
            bytes += size(event);
            let follows =
                event.stream == first.stream && last.checked_add(1) == Some(event.revision);
            if !follows || event.revision == TOMBSTONE_REVISION || bytes > BATCH_BYTES {
                break;
            }
            last = event.revision;
            count += 1;
        }
        let (group, after) = rest.split_at(count);
        rest = after;
        Some(group)
    })
}

fn size(event: &RecordedEvent) -> usize {
    event.data.len() + event.metadata.len() + 2 * event.event_type.len()
}
