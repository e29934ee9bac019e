//! What the oracle answers to readers.

use super::state::State;
use crate::kernel::{Position, Revision, StreamName};
use crate::log::rules::{self, Visible};
use crate::log::{
    AllSlice, Direction, Filter, ReadError, ReadFrom, RecordedEvent, StreamMetadata, StreamSlice,
};

impl State {
    pub(super) fn metadata(
        &self,
        stream: &StreamName,
    ) -> Result<(StreamMetadata, Option<u64>), ReadError> {
        if self.tombstoned(stream) || self.tombstoned(&stream.metastream()) {
            return Err(ReadError::StreamDeleted(stream.clone()));
        }
        Ok((self.meta(stream), self.last(&stream.metastream())))
    }

    pub(super) fn read_stream(
        &self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
    ) -> Result<StreamSlice, ReadError> {
        if self.check_alive(stream).is_err() {
            return Err(ReadError::StreamDeleted(stream.clone()));
        }
        let Some(last) = self.last(stream) else {
            return Ok(StreamSlice {
                end: true,
                ..StreamSlice::default()
            });
        };
        let meta = self.meta(stream);
        if rules::is_soft_deleted(&meta) {
            return Ok(StreamSlice {
                last_revision: Some(last),
                end: true,
                ..StreamSlice::default()
            });
        }
        let start = match from {
            ReadFrom::Start => 0,
            ReadFrom::End => last,
            ReadFrom::Revision(revision) => revision,
        };
        let shown = self.shown(stream, last, &meta);
        let ahead: Box<dyn Iterator<Item = &RecordedEvent>> = match direction {
            Direction::Forward => Box::new(shown.filter(|event| event.revision >= start)),
            Direction::Backward => Box::new(shown.rev().filter(|event| event.revision <= start)),
        };
        // One more than asked for tells whether more is there.
        let mut events: Vec<_> = ahead.take(limit.saturating_add(1)).cloned().collect();
        let end = events.len() <= limit;
        events.truncate(limit);
        Ok(StreamSlice {
            events,
            last_revision: Some(last),
            exists: true,
            end,
        })
    }

    /// The events of a stream that its metadata does not hide. Of a metastream only the last one is.
    fn shown(
        &self,
        stream: &StreamName,
        last: Revision,
        meta: &StreamMetadata,
    ) -> impl DoubleEndedIterator<Item = &RecordedEvent> {
        let visible = if rules::owner_of(stream).is_some() {
            Visible::last_only(last)
        } else {
            Visible::by(meta, last, (self.clock)())
        };
        self.of(stream)
            .filter(move |event| visible.shows(event.revision, event.recorded_at))
    }

    pub(super) fn read_all(
        &self,
        from: Option<Position>,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllSlice, ReadError> {
        let mut events = Vec::new();
        for event in self.ahead(from, direction) {
            if filter.admits(event.stream.as_str(), &event.event_type)? {
                events.push(event.clone());
            }
            // One more than asked for tells whether more is there.
            if events.len() > limit {
                break;
            }
        }
        let end = events.len() <= limit;
        events.truncate(limit);
        let examined = match (direction, end) {
            (Direction::Forward, true) => self.head().max(from.unwrap_or(Position::START)),
            (Direction::Backward, true) => Position::START,
            (_, false) => events
                .last()
                .map_or(from.unwrap_or_default(), |event| event.position),
        };
        Ok(AllSlice {
            events,
            examined,
            end,
        })
    }

    fn ahead(
        &self,
        from: Option<Position>,
        direction: Direction,
    ) -> Box<dyn Iterator<Item = &RecordedEvent> + '_> {
        match direction {
            Direction::Forward => {
                let after = from.unwrap_or(Position::START);
                Box::new(
                    self.events
                        .iter()
                        .filter(move |event| event.position > after),
                )
            }
            Direction::Backward => {
                let before =
                    move |event: &&RecordedEvent| from.is_none_or(|from| event.position < from);
                Box::new(self.events.iter().rev().filter(before))
            }
        }
    }
}
