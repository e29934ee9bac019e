//! What the writer does beside appending: taking over events of another log, and what it removed; the scavenger's removals.

use super::SqliteLog;
use super::appender::Appender;
use super::heads::Head;
use super::operation::{Halt, Operation};
use super::removed::Note;
use super::scavenge::{BATCH_PAGES, ranges};
use super::tools::ToolError;
use crate::kernel::{Position, Revision};
use crate::log::compare::{compare, go_on};
use crate::log::reading::Reading;
use crate::log::rules::{self, TOMBSTONE_REVISION};
use crate::log::{
    AppendError, Appended, EventLog, Expected, Filter, NewEvent, RecordedEvent, Removed,
};

/// Events taken over in one step.
pub(super) const BATCH_EVENTS: usize = 512;

/// What becomes of the positions of another log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// They stay, so that digests stay; what is missing between them counts as scavenged. For logs of this engine.
    Keep,
    /// New ones without gaps. For logs whose positions are addresses.
    Renumber,
}

/// What a copy did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Events that are in both logs now.
    pub events: u64,
    /// How far in the source.
    pub examined: Position,
}

impl SqliteLog {
    /// Takes over events with their ids, times and revisions, each on its own: what is there already is passed
    /// over, so that a broken-off copy can be repeated.
    ///
    /// # Errors
    /// [`AppendError::WrongExpected`] where another event has the place, or the one before it is missing.
    pub async fn import(
        &self,
        events: Vec<RecordedEvent>,
        numbering: Numbering,
    ) -> Result<Appended, AppendError> {
        self.operate(Operation::Import(events, numbering)).await
    }

    /// Copies all of `from` into this log, going on where an earlier copy ended, and then compares both.
    /// `progress` hears what was done.
    ///
    /// # Errors
    /// A log that cannot be read or written, a difference, or that this log holds something else; then nothing was written.
    pub async fn copy_from(
        &self,
        from: &dyn EventLog,
        numbering: Numbering,
        mut progress: impl FnMut(Copied) + Send,
    ) -> Result<Copied, ToolError> {
        let same =
            |left: &RecordedEvent, right: Option<&RecordedEvent>| same(left, right, numbering);
        let at = go_on(from, self, same).await?;
        let mut source = Reading::of(from, at, Filter::default());
        loop {
            let slice = source.page(BATCH_EVENTS).await?;
            if !slice.events.is_empty() {
                self.import(slice.events, numbering).await?;
            }
            progress(Copied {
                events: 0,
                examined: slice.examined,
            });
            if slice.end {
                break;
            }
        }
        if numbering == Numbering::Keep {
            self.note_removed(from).await?;
        }
        compare(from, self, same, progress).await
    }

    /// Takes over what `from` knows of events that it removed, up to where this log ends.
    async fn note_removed(&self, from: &dyn EventLog) -> Result<(), ToolError> {
        let end = self.head().await?;
        let (all, mut at) = (Filter::default(), Position::START);
        while at < end {
            let removals = from.removed(at, end, BATCH_EVENTS, &all).await?;
            at = removals.examined;
            self.expect_removal(removals.events.last().map(|last| last.position));
            self.operate(Operation::Note(removals.events)).await?;
        }
        Ok(())
    }
}

/// Whether everything of two events is equal, but for what `numbering` lets differ.
pub(in crate::log) fn same(
    left: &RecordedEvent,
    right: Option<&RecordedEvent>,
    numbering: Numbering,
) -> Result<(), ToolError> {
    let differs = |what: &str| ToolError::Differs {
        position: left.position.0,
        stream: left.stream.to_string(),
        revision: left.revision,
        what: what.to_owned(),
    };
    let Some(right) = right else {
        return Err(differs("it is missing in the copy"));
    };
    if numbering == Numbering::Keep && left.position != right.position {
        return Err(differs("its position"));
    }
    let here = RecordedEvent {
        position: left.position,
        ..right.clone()
    };
    if here != *left {
        return Err(differs("its content"));
    }
    Ok(())
}

impl Appender<'_> {
    pub(super) fn import(
        &mut self,
        events: Vec<RecordedEvent>,
        numbering: Numbering,
    ) -> Result<Appended, Halt> {
        let mut last = None;
        for (index, event) in events.into_iter().enumerate() {
            last = Some(event.revision);
            self.import_one(index, event, numbering)?;
        }
        Ok(self.written(last))
    }

    fn import_one(
        &mut self,
        index: usize,
        event: RecordedEvent,
        numbering: Numbering,
    ) -> Result<(), Halt> {
        let head = self.head(&event.stream)?;
        if let Some(stream) = head.id
            && self.has(stream, event.revision, event.id)?
        {
            return Ok(());
        }
        if !follows(head.last, event.revision) {
            let before = event.revision.checked_sub(1);
            return Err(AppendError::WrongExpected {
                expected: before.map_or(Expected::NoStream, Expected::Exact),
                current: head.last,
                stream: event.stream,
            }
            .into());
        }
        if event.revision == TOMBSTONE_REVISION && self.protected.covers(&event.stream) {
            return Err(AppendError::Protected(event.stream).into());
        }
        let (stream, revision, recorded_at) = (event.stream, event.revision, event.recorded_at);
        let position = event.position;
        let event = NewEvent {
            id: event.id,
            event_type: event.event_type,
            is_json: event.is_json,
            data: event.data,
            metadata: event.metadata,
        };
        if let Some(owner) = rules::owner_of(&stream) {
            self.protected
                .check_metadata(&owner, std::slice::from_ref(&event))?;
        }
        if numbering == Numbering::Keep {
            self.move_to(index, position)?;
        }
        let id = match head.id {
            Some(id) => id,
            None => self.statements.new_stream(stream.as_str())?,
        };
        self.write_one(&stream, id, revision, event, recorded_at)?;
        let head = Head {
            id: Some(id),
            last: Some(revision),
            ..head
        };
        self.remember(&stream, head);
        Ok(())
    }

    /// Makes `position` the next one; those passed over are written down.
    fn move_to(&mut self, index: usize, position: Position) -> Result<(), Halt> {
        let next = self.last_position.0 + 1;
        if position.0 < next {
            let problem = format!("its position {position} is taken, {next} is the next one");
            return Err(AppendError::Invalid { index, problem }.into());
        }
        if position.0 > next {
            self.statements.mark_missing(next, position.0 - 1)?;
            self.last_position = Position(position.0 - 1);
        }
        Ok(())
    }

    pub(super) fn note(&mut self, removed: &[Removed]) -> Result<Appended, Halt> {
        self.group.insert(&mut self.statements)?;
        for (index, event) in removed.iter().enumerate() {
            let Some(stream) = self.statements.stream_id(event.stream.as_str())? else {
                let problem = format!("nothing is left of {}, of which it was", event.stream);
                return Err(AppendError::Invalid { index, problem }.into());
            };
            let note = Note {
                position: event.position.0,
                stream,
                event_type: self.type_id(&event.event_type)?,
            };
            self.statements.take_over(note)?;
        }
        Ok(self.written(None))
    }

    pub(super) fn remove(&mut self, positions: &[u64]) -> Result<Appended, Halt> {
        self.group.insert(&mut self.statements)?;
        for (first, last) in ranges(positions) {
            self.statements.mark_scavenged(first, last)?;
            self.statements.note_removed(first, last)?;
            self.statements.delete_between(first, last)?;
        }
        Ok(self.written(None))
    }

    pub(super) fn give_back(&mut self) -> Result<Appended, Halt> {
        self.statements.give_back(BATCH_PAGES)?;
        Ok(self.written(None))
    }
}

/// A stream may begin anywhere, because its beginning may have been scavenged, and end at any time.
fn follows(last: Option<Revision>, revision: Revision) -> bool {
    match last {
        None => true,
        Some(TOMBSTONE_REVISION) => false,
        Some(last) => revision == last + 1 || revision == TOMBSTONE_REVISION,
    }
}
