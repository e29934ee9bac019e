//! What the oracle remembers, and its judgements.

use std::collections::HashMap;

use super::rules::{self, Clock, Protected, TOMBSTONE_REVISION, Visible};
use super::system_events::{
    check_no_metastream, metadata_event, system_metadata_event, tombstone_event,
};
use super::{
    AllSlice, AppendError, Appended, Direction, Expected, Filter, NewEvent, ReadError, ReadFrom,
    RecordedEvent, StreamMetadata, StreamSlice,
};
use crate::kernel::{Position, Revision, StreamName};

/// All events in order, and where each stream's lie.
pub(super) struct State {
    clock: Clock,
    protected: Protected,
    events: Vec<RecordedEvent>,
    streams: HashMap<StreamName, Vec<usize>>,
}

/// What is to be done with an append.
enum Verdict {
    Write,
    Repeat(Revision),
}

impl State {
    pub(super) fn new(clock: Clock, protected: Protected) -> Self {
        Self {
            clock,
            protected,
            events: Vec::new(),
            streams: HashMap::new(),
        }
    }

    pub(super) fn head(&self) -> Position {
        self.events
            .last()
            .map_or(Position::START, |event| event.position)
    }

    pub(super) fn append(
        &mut self,
        stream: &StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        self.check_alive(stream)?;
        if let Some(owner) = rules::owner_of(stream) {
            self.protected.check_metadata(&owner, &events)?;
        }
        if let Verdict::Repeat(revision) = self.judge(stream, expected, &events)? {
            let original = self.of(stream).find(|event| event.revision == revision);
            return Ok(Appended {
                revision: Some(revision),
                position: original.map_or_else(|| self.head(), |event| event.position),
                repeated: true,
            });
        }
        let recreated = self.to_recreate(stream, &events);
        let next = self.last(stream).map_or(0, |last| last + 1);
        for (revision, event) in (next..).zip(events) {
            self.record(stream, revision, event);
        }
        let done = Appended {
            revision: self.last(stream),
            position: self.head(),
            repeated: false,
        };
        if let Some((owner, tail)) = recreated {
            let stored = self.of(&owner.metastream()).next_back();
            let data = stored.map_or_else(Vec::new, |event| {
                rules::recreating_metadata(event.is_json, &event.data, tail)
            });
            self.record_metadata(&owner, "recreate", data);
        }
        Ok(done)
    }

    /// The soft-deleted stream that an append to `stream` brings back, and its last revision before.
    fn to_recreate(
        &self,
        stream: &StreamName,
        events: &[NewEvent],
    ) -> Option<(StreamName, Option<Revision>)> {
        let owner = rules::owner_of(stream).unwrap_or_else(|| stream.clone());
        let deleted = rules::is_soft_deleted(&self.meta(&owner));
        (deleted && !events.is_empty()).then(|| (owner.clone(), self.last(&owner)))
    }

    fn judge(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: &[NewEvent],
    ) -> Result<Verdict, AppendError> {
        let last = self.last(stream);
        let wrong = || wrong(stream, expected, last);
        match expected {
            Expected::Any => self.judge_by_ids(stream, events).ok_or_else(wrong),
            Expected::StreamExists => {
                if rules::is_soft_deleted(&self.meta(stream)) {
                    return Err(AppendError::StreamDeleted(stream.clone()));
                }
                if last.is_none() && self.last(&stream.metastream()).is_none() {
                    return Err(wrong());
                }
                self.judge_by_ids(stream, events).ok_or_else(wrong)
            }
            Expected::NoStream => match last {
                None => Ok(Verdict::Write),
                Some(_) => self.judge_by_place(stream, 0, events).ok_or_else(wrong),
            },
            Expected::Exact(at) if last == Some(at) => Ok(Verdict::Write),
            Expected::Exact(at) if last.is_some_and(|last| at < last) => self
                .judge_by_place(stream, at + 1, events)
                .filter(|verdict| matches!(verdict, Verdict::Repeat(_)))
                .ok_or_else(wrong),
            Expected::Exact(_) => Err(wrong()),
        }
    }

    /// The first id known: all must be. None is a conflict.
    fn judge_by_ids(&self, stream: &StreamName, events: &[NewEvent]) -> Option<Verdict> {
        let place = |event: &NewEvent| {
            // Of equal ids the first counts.
            self.of(stream)
                .find(|known| known.id == event.id)
                .map(|known| known.revision)
        };
        if events.first().and_then(place).is_none() {
            return Some(Verdict::Write);
        }
        let places: Option<Vec<Revision>> = events.iter().map(place).collect();
        places?.last().copied().map(Verdict::Repeat)
    }

    /// The ids must be those that lie from `first` on. A soft-deleted stream takes others as its new beginning.
    fn judge_by_place(
        &self,
        stream: &StreamName,
        first: Revision,
        events: &[NewEvent],
    ) -> Option<Verdict> {
        let same = |(revision, event): (Revision, &NewEvent)| {
            self.of(stream)
                .any(|known| known.revision == revision && known.id == event.id)
        };
        let begins_alike = (first..).zip(events).next().map(same)?;
        if !begins_alike {
            return rules::is_soft_deleted(&self.meta(stream)).then_some(Verdict::Write);
        }
        let last = first + events.len() as u64 - 1;
        (first..)
            .zip(events)
            .all(same)
            .then_some(Verdict::Repeat(last))
    }

    pub(super) fn set_metadata(
        &mut self,
        stream: &StreamName,
        expected: Expected,
        metadata: &StreamMetadata,
    ) -> Result<Appended, AppendError> {
        let metastream = stream.metastream();
        let event = metadata_event(stream, expected, self.last(&metastream), metadata);
        rules::validate(std::slice::from_ref(&event))?;
        self.append(&metastream, expected, vec![event])
    }

    pub(super) fn delete(
        &mut self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Appended, AppendError> {
        check_no_metastream(stream)?;
        self.check_deletable(stream)?;
        self.check_alive(&stream.metastream())?;
        let known = self.last(stream).is_some() || self.last(&stream.metastream()).is_some();
        if !known {
            return Err(wrong(stream, expected, None));
        }
        self.check_ending(stream, expected)?;
        let data = rules::metadata_bytes(&rules::deleting_metadata());
        self.record_metadata(stream, "delete", data);
        Ok(self.just_written(&stream.metastream()))
    }

    pub(super) fn tombstone(
        &mut self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Appended, AppendError> {
        self.check_deletable(stream)?;
        self.check_ending(stream, expected)?;
        let event = tombstone_event(stream);
        self.record(stream, TOMBSTONE_REVISION, event);
        Ok(self.just_written(stream))
    }

    fn check_deletable(&self, stream: &StreamName) -> Result<(), AppendError> {
        self.check_alive(stream)?;
        if self.protected.covers_either(stream) {
            return Err(AppendError::Protected(stream.clone()));
        }
        Ok(())
    }

    fn check_ending(&self, stream: &StreamName, expected: Expected) -> Result<(), AppendError> {
        let last = self.last(stream);
        let deleted = rules::is_soft_deleted(&self.meta(stream));
        let described = self.last(&stream.metastream()).is_some();
        let fits = match expected {
            Expected::Any => true,
            Expected::NoStream => deleted || last.is_none(),
            Expected::StreamExists if deleted => {
                return Err(AppendError::StreamDeleted(stream.clone()));
            }
            Expected::StreamExists => described || last.is_some(),
            Expected::Exact(at) => last == Some(at),
        };
        if !fits {
            return Err(wrong(stream, expected, last));
        }
        Ok(())
    }

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
        let visible = if rules::owner_of(stream).is_some() {
            Visible::last_only(last)
        } else {
            Visible::by(&meta, last, (self.clock)())
        };
        let start = match from {
            ReadFrom::Start => 0,
            ReadFrom::End => last,
            ReadFrom::Revision(revision) => revision,
        };
        let shown = self
            .of(stream)
            .filter(|event| visible.shows(event.revision, event.recorded_at));
        let mut events: Vec<RecordedEvent> = match direction {
            Direction::Forward => shown
                .filter(|event| event.revision >= start)
                .cloned()
                .collect(),
            Direction::Backward => shown
                .filter(|event| event.revision <= start)
                .cloned()
                .collect(),
        };
        if direction == Direction::Backward {
            events.reverse();
        }
        let end = events.len() <= limit;
        events.truncate(limit);
        Ok(StreamSlice {
            events,
            last_revision: Some(last),
            exists: true,
            end,
        })
    }

    pub(super) fn read_all(
        &self,
        from: Option<Position>,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllSlice, ReadError> {
        let forward = direction == Direction::Forward;
        let ahead: Box<dyn Iterator<Item = &RecordedEvent>> = if forward {
            let after = from.unwrap_or(Position::START);
            Box::new(
                self.events
                    .iter()
                    .filter(move |event| event.position > after),
            )
        } else {
            let before =
                move |event: &&RecordedEvent| from.is_none_or(|from| event.position < from);
            Box::new(self.events.iter().rev().filter(before))
        };
        let mut events = Vec::new();
        for event in ahead {
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
        let edge = match (forward, end) {
            (true, true) => self.head().max(from.unwrap_or(Position::START)),
            (false, true) => Position::START,
            (_, false) => events
                .last()
                .map_or(from.unwrap_or_default(), |event| event.position),
        };
        Ok(AllSlice {
            events,
            examined: edge,
            end,
        })
    }

    fn of(&self, stream: &StreamName) -> impl DoubleEndedIterator<Item = &RecordedEvent> {
        let places = self.streams.get(stream).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| self.events.get(*place))
    }

    fn last(&self, stream: &StreamName) -> Option<Revision> {
        self.of(stream).next_back().map(|event| event.revision)
    }

    fn meta(&self, stream: &StreamName) -> StreamMetadata {
        self.of(&stream.metastream())
            .next_back()
            .map(|event| rules::parse_metadata(event.is_json, &event.data))
            .unwrap_or_default()
    }

    fn tombstoned(&self, stream: &StreamName) -> bool {
        self.last(stream) == Some(TOMBSTONE_REVISION)
    }

    fn check_alive(&self, stream: &StreamName) -> Result<(), AppendError> {
        let owner = rules::owner_of(stream);
        if self.tombstoned(stream) || owner.is_some_and(|owner| self.tombstoned(&owner)) {
            return Err(AppendError::StreamDeleted(stream.clone()));
        }
        Ok(())
    }

    fn just_written(&self, stream: &StreamName) -> Appended {
        Appended {
            revision: self.last(stream),
            position: self.head(),
            repeated: false,
        }
    }

    fn record_metadata(&mut self, stream: &StreamName, why: &str, data: Vec<u8>) {
        let metastream = stream.metastream();
        let next = self.last(&metastream).map_or(0, |last| last + 1);
        let event = system_metadata_event(stream, why, next, data);
        self.record(&metastream, next, event);
    }

    fn record(&mut self, stream: &StreamName, revision: Revision, event: NewEvent) {
        let before = self.events.last().map(|event| event.recorded_at);
        let now = (self.clock)();
        self.streams
            .entry(stream.clone())
            .or_default()
            .push(self.events.len());
        self.events.push(RecordedEvent {
            position: Position(self.head().0 + 1),
            stream: stream.clone(),
            revision,
            id: event.id,
            event_type: event.event_type,
            is_json: event.is_json,
            data: event.data,
            metadata: event.metadata,
            // The clock may be set back; the log's times are not.
            recorded_at: before.map_or(now, |before| before.max(now)),
        });
    }
}

fn wrong(stream: &StreamName, expected: Expected, current: Option<Revision>) -> AppendError {
    AppendError::WrongExpected {
        stream: stream.clone(),
        expected,
        current,
    }
}
