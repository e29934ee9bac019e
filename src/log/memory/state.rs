//! What the oracle remembers, and how it is written.

use std::collections::HashMap;

use super::judge::{Verdict, wrong};
use crate::kernel::{Position, Revision, StreamName};
use crate::log::rules::{self, Clock, Protected, TOMBSTONE_REVISION};
use crate::log::system_events::{
    check_no_metastream, metadata_event, system_metadata_event, tombstone_event,
};
use crate::log::{AppendError, Appended, Expected, NewEvent, RecordedEvent, StreamMetadata};

/// All events in order, and where each stream's lie.
pub(super) struct State {
    pub(super) clock: Clock,
    protected: Protected,
    pub(super) events: Vec<RecordedEvent>,
    streams: HashMap<StreamName, Vec<usize>>,
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

    pub(super) fn of(
        &self,
        stream: &StreamName,
    ) -> impl DoubleEndedIterator<Item = &RecordedEvent> {
        let places = self.streams.get(stream).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| self.events.get(*place))
    }

    pub(super) fn last(&self, stream: &StreamName) -> Option<Revision> {
        self.of(stream).next_back().map(|event| event.revision)
    }

    pub(super) fn meta(&self, stream: &StreamName) -> StreamMetadata {
        self.of(&stream.metastream())
            .next_back()
            .map(|event| rules::parse_metadata(event.is_json, &event.data))
            .unwrap_or_default()
    }

    pub(super) fn tombstoned(&self, stream: &StreamName) -> bool {
        self.last(stream) == Some(TOMBSTONE_REVISION)
    }

    pub(super) fn check_alive(&self, stream: &StreamName) -> Result<(), AppendError> {
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
