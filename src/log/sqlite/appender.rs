//! Decides and writes the appends of one transaction.
//!
//! An append is judged before anything of it is written, so a refused one leaves nothing behind and needs no
//! savepoint. What is remembered here is only right while every commit succeeds: after a failed one the writer
//! stops and all of this is thrown away.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::BytesMut;
use foldhash::fast::RandomState;

use super::group::Group;
use super::heads::{self, Head, Heads, Recent, Recents};
use super::index::StreamIndex;
use super::judge::Verdict;
use super::operation::{Halt, Operation};
use super::rows::Statements;
#[cfg(feature = "failpoints")]
use super::trouble;
use crate::kernel::{Moment, Position, Revision, StreamName};
use crate::log::canonical::{self, Parts};
use crate::log::rules::{self, Protected};
use crate::log::system_events::{metadata_event, system_metadata_event};
use crate::log::{Appended, Expected, NewEvent, RecordedEvent};

/// Event types remembered. Types are few; a client that invents them costs look-ups, not memory.
const TYPES: usize = 4096;

/// The writer's judgement and memory.
pub(super) struct Appender<'c> {
    pub(super) statements: Statements<'c>,
    pub(super) index: StreamIndex,
    pub(super) protected: Protected,
    pub(super) heads: Heads,
    /// Whether any stream has metadata: where none has, none is looked for.
    pub(super) metastreams: bool,
    pub(super) recents: Recents,
    pub(super) ids_before: usize,
    types: HashMap<Arc<str>, i64, RandomState>,
    scratch: BytesMut,
    pub(super) last_position: Position,
    now: Moment,
    pub(super) group: Group,
}

impl<'c> Appender<'c> {
    pub(super) fn new(
        statements: Statements<'c>,
        index: StreamIndex,
        protected: Protected,
        last_position: Position,
        last_recorded: Moment,
        ids_before: usize,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            metastreams: statements.has_metastreams()?,
            statements,
            index,
            protected,
            heads: heads::heads(),
            recents: Recents::default(),
            ids_before,
            types: HashMap::default(),
            scratch: BytesMut::new(),
            last_position,
            now: last_recorded,
            group: Group::default(),
        })
    }

    /// Begins a transaction at `now`. The clock may be set back; the log's times are not.
    pub(super) fn begin(&mut self, now: Moment) -> rusqlite::Result<()> {
        self.now = self.now.max(now);
        self.statements.begin()
    }

    /// Commits it; answers what was written.
    pub(super) fn commit(&mut self) -> rusqlite::Result<Vec<RecordedEvent>> {
        fail::fail_point!("log-commit", |_| Err(trouble::injected()));
        fail::fail_point!("log-commit-full", |_| Err(trouble::injected_full()));
        self.group.insert(&mut self.statements)?;
        self.index.write_some(&mut self.statements)?;
        self.statements.commit()?;
        self.index.committed();
        Ok(self.group.take())
    }

    /// Gives up the transaction that failed with `error`; answers the worse of both errors.
    pub(super) fn rollback(&self, error: rusqlite::Error) -> rusqlite::Error {
        self.statements.rollback().err().unwrap_or(error)
    }

    /// The log is being closed: the next one to open it need not look for the newest events.
    pub(super) fn finish(&mut self) -> rusqlite::Result<()> {
        while !self.index.is_written() {
            self.statements.begin()?;
            self.index.hurry();
            let written = self.index.write_some(&mut self.statements);
            written
                .and_then(|()| self.statements.commit())
                .map_err(|error| self.rollback(error))?;
            self.index.committed();
        }
        Ok(())
    }

    pub(super) fn apply(&mut self, operation: Operation) -> Result<Appended, Halt> {
        match operation {
            Operation::Append(stream, expected, events) => self.append(&stream, expected, events),
            Operation::Describe(stream, expected, metadata) => {
                let described = self.head(&stream)?.described;
                let event = metadata_event(&stream, expected, described, &metadata);
                rules::validate(std::slice::from_ref(&event))?;
                self.append(&stream.metastream(), expected, vec![event])
            }
            Operation::Delete(stream, expected) => self.delete(&stream, expected),
            Operation::Tombstone(stream, expected) => self.tombstone(&stream, expected),
            Operation::Remove(positions) => self.remove(&positions),
            Operation::Note(removed) => self.note(&removed),
            Operation::GiveBack => self.give_back(),
            Operation::Index => {
                self.index.hurry();
                Ok(self.written(None))
            }
            Operation::Import(events, numbering) => self.import(events, numbering),
        }
    }

    fn append(
        &mut self,
        stream: &StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, Halt> {
        let head = self.living_head(stream)?;
        let owner = rules::owner_of(stream);
        if let Some(owner) = &owner {
            self.protected.check_metadata(owner, &events)?;
        }
        if let Verdict::Repeat(revision) = self.judge(stream, head, expected, &events)? {
            return self.repeat(head, revision);
        }
        if events.is_empty() {
            return Ok(self.written(head.last));
        }
        // A metadata write brings its stream back, an event its own.
        let whose = owner.as_ref().unwrap_or(stream);
        let before = if owner.is_some() {
            self.head(whose)?
        } else {
            head
        };
        let by_ids = matches!(expected, Expected::Any | Expected::StreamExists);
        let done = self.write(stream, head, by_ids, events)?;
        if before.soft_deleted {
            let (is_json, data) = self.stored_metadata(whose)?.unwrap_or_default();
            let data = rules::recreating_metadata(is_json, &data, before.last);
            self.write_metadata(whose, "recreate", data)?;
        }
        Ok(done)
    }

    pub(super) fn write_metadata(
        &mut self,
        stream: &StreamName,
        why: &str,
        data: Vec<u8>,
    ) -> Result<Appended, Halt> {
        let metastream = stream.metastream();
        let head = self.head(&metastream)?;
        let next = head.last.map_or(0, |last| last + 1);
        let event = system_metadata_event(stream, why, next, data);
        self.write(&metastream, head, false, vec![event])
    }

    /// Writes `events` after `head.last`. Everything was judged before.
    pub(super) fn write(
        &mut self,
        stream: &StreamName,
        mut head: Head,
        remember_ids: bool,
        events: Vec<NewEvent>,
    ) -> Result<Appended, Halt> {
        fail::fail_point!("log-insert", |_| Err(trouble::injected().into()));
        fail::fail_point!("log-insert-full", |_| Err(trouble::injected_full().into()));
        let id = match head.id {
            Some(id) => id,
            None => self.statements.new_stream(stream.as_str())?,
        };
        if remember_ids && head.last.is_none() {
            self.recents.put(id, Recent::default());
        }
        head.id = Some(id);
        let count = events.len();
        for event in events {
            let revision = head.last.map_or(0, |last| last + 1);
            self.recents.note(id, event.id, revision, count);
            self.write_one(stream, id, revision, event, self.now)?;
            head.last = Some(revision);
        }
        self.remember(stream, head);
        Ok(self.written(head.last))
    }

    pub(super) fn write_one(
        &mut self,
        stream: &StreamName,
        stream_id: i64,
        revision: Revision,
        event: NewEvent,
        recorded_at: Moment,
    ) -> rusqlite::Result<()> {
        let position = Position(self.last_position.0 + 1);
        let event_type = self.type_id(&event.event_type)?;
        self.scratch.clear();
        let parts = Parts {
            position: position.0,
            revision,
            recorded_micros: recorded_at.unix_micros(),
            id: event.id,
            is_json: event.is_json,
            stream: stream.as_str(),
            event_type: &event.event_type,
            data: &event.data,
            metadata: &event.metadata,
        };
        parts.put(&mut self.scratch);
        let digest = canonical::sha256(&self.scratch);
        let event = RecordedEvent {
            position,
            stream: stream.clone(),
            revision,
            id: event.id,
            event_type: event.event_type,
            is_json: event.is_json,
            data: event.data,
            metadata: event.metadata,
            recorded_at,
        };
        let numbers = (stream_id, event_type);
        self.group
            .add(&mut self.statements, event, numbers, digest)?;
        self.last_position = position;
        self.index.add(stream_id, revision, position.0);
        Ok(())
    }

    pub(super) fn type_id(&mut self, name: &Arc<str>) -> rusqlite::Result<i64> {
        if let Some(id) = self.types.get(name) {
            return Ok(*id);
        }
        if self.types.len() == TYPES {
            self.types.clear();
        }
        let id = self.statements.intern_type(name)?;
        self.types.insert(Arc::clone(name), id);
        Ok(id)
    }

    pub(super) fn written(&self, last: Option<Revision>) -> Appended {
        Appended {
            revision: last,
            position: self.last_position,
            repeated: false,
        }
    }
}
