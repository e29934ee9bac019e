//! The end of the log in memory: what was committed last, for subscribers that keep up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::kernel::Position;
use crate::log::{AllSlice, Filter, RecordedEvent, Undecided};

/// Events kept at most.
const EVENTS: usize = 4096;

/// Bytes of payload kept at most: 2 MiB, twelve for six logs.
const BYTES: usize = 2 * 1024 * 1024;

/// The events of one commit.
type Group = Arc<Vec<RecordedEvent>>;

/// The groups committed last, within [`EVENTS`] and [`BYTES`].
#[derive(Debug, Default)]
pub(super) struct Tail(Mutex<Groups>);

#[derive(Debug, Default)]
struct Groups {
    queue: VecDeque<(Group, usize)>,
    events: usize,
    bytes: usize,
}

impl Tail {
    /// Adds a commit's events and forgets the oldest ones.
    pub(super) fn push(&self, group: Vec<RecordedEvent>) {
        let bytes = group.iter().map(weight).sum();
        let group = Group::new(group);
        let mut tail = self.lock();
        tail.events += group.len();
        tail.bytes += bytes;
        tail.queue.push_back((group, bytes));
        while tail.events > EVENTS || tail.bytes > BYTES {
            let Some((dropped, bytes)) = tail.queue.pop_front() else {
                break;
            };
            tail.events -= dropped.len();
            tail.bytes -= bytes;
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.lock() = Groups::default();
    }

    /// At most `limit` events after `from`, or none at all where the memory does not reach back to it.
    pub(super) fn after(
        &self,
        from: Position,
        limit: usize,
        filter: &Filter,
    ) -> Result<Option<AllSlice>, Undecided> {
        let Some(groups) = self.groups_after(from) else {
            return Ok(None);
        };
        let mut slice = AllSlice {
            events: Vec::new(),
            examined: from,
            end: true,
        };
        for event in groups.iter().flat_map(|group| group.iter()) {
            if event.position <= from {
                continue;
            }
            if slice.events.len() == limit {
                slice.end = false;
                break;
            }
            slice.examined = event.position;
            if filter.admits(event.stream.as_str(), &event.event_type)? {
                slice.events.push(event.clone());
            }
        }
        Ok(Some(slice))
    }

    fn groups_after(&self, from: Position) -> Option<Vec<Group>> {
        let tail = self.lock();
        let first = tail.queue.front()?.0.first()?.position;
        if from.0 + 1 < first.0 {
            return None;
        }
        let known = tail
            .queue
            .partition_point(|(group, _)| group.last().is_some_and(|event| event.position <= from));
        let newer = tail.queue.iter().skip(known);
        Some(newer.map(|(group, _)| Arc::clone(group)).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(event: &RecordedEvent) -> usize {
    event.data.len() + event.metadata.len() + size_of::<RecordedEvent>()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::kernel::{Moment, StreamName};

    fn event(position: u64, bytes: usize) -> RecordedEvent {
        RecordedEvent {
            position: Position(position),
            stream: StreamName::new("a-1").unwrap(),
            revision: position - 1,
            id: Uuid::from_u128(position.into()),
            event_type: "Tested".into(),
            is_json: false,
            data: Bytes::from(vec![0; bytes]),
            metadata: Bytes::new(),
            recorded_at: Moment::EPOCH,
        }
    }

    fn after(tail: &Tail, from: u64, limit: usize) -> Option<(Vec<u64>, bool)> {
        let slice = tail
            .after(Position(from), limit, &Filter::default())
            .unwrap()?;
        let positions = slice.events.iter().map(|event| event.position.0);
        Some((positions.collect(), slice.end))
    }

    #[test]
    fn it_answers_only_where_nothing_lies_between_what_was_seen_and_what_it_has() {
        let tail = Tail::default();
        assert_eq!(after(&tail, 0, 9), None);
        // Groups of two, of which the first ones are forgotten.
        for first in (1..=6_001).step_by(2) {
            tail.push(vec![event(first, 0), event(first + 1, 0)]);
        }
        let (last, kept) = (6_002, EVENTS as u64);
        let first = last - kept + 1;
        assert_eq!(after(&tail, first - 2, 2), None, "{} is missing", first - 1);
        let beginning = Some((vec![first, first + 1], false));
        assert_eq!(after(&tail, first - 1, 2), beginning);
        // From within a group, and to the end.
        assert_eq!(after(&tail, first, 1), Some((vec![first + 1], false)));
        assert_eq!(
            after(&tail, last - 3, 3),
            Some((vec![last - 2, last - 1, last], true))
        );
        assert_eq!(after(&tail, last, 3), Some((Vec::new(), true)));
    }

    #[test]
    fn it_forgets_by_bytes_too() {
        let tail = Tail::default();
        for position in 1..=100 {
            tail.push(vec![event(position, 100_000)]);
        }
        let kept = after(&tail, 99, 9).unwrap();
        assert_eq!(kept, (vec![100], true));
        let reaches_back = (0..100).filter(|from| after(&tail, *from, 1).is_some());
        assert_eq!(reaches_back.count(), BYTES / 100_000);
    }
}
