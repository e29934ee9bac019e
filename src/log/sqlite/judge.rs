//! Whether an append is written, is a repeat of one, or is refused: the contract's rules, in its order.

use uuid::Uuid;

use super::appender::Appender;
use super::heads::{Head, IDS_OF_STREAM, Recent, Recents};
use super::index::StreamIndex;
use super::operation::Halt;
use super::rows::Statements;
use crate::kernel::{Position, Revision, StreamName};
use crate::log::{AppendError, Appended, Expected, NewEvent};

/// Ids read of a stream that is not remembered, beside as many as the append has: a retry is of what came last.
const IDS_BEFORE: usize = 32;

/// The same after a crash, when everybody who waited for an answer tries again at once.
const IDS_BEFORE_CRASH: usize = IDS_OF_STREAM;

/// How many ids are read of a stream, beside as many as the append has.
pub(super) fn ids_before(after_crash: bool) -> usize {
    if after_crash {
        IDS_BEFORE_CRASH
    } else {
        IDS_BEFORE
    }
}

/// What becomes of an append that is not refused.
pub(super) enum Verdict {
    /// It is written.
    Write,
    /// It was written before, its last event at this revision.
    Repeat(Revision),
}

impl Appender<'_> {
    pub(super) fn judge(
        &mut self,
        stream: &StreamName,
        head: Head,
        expected: Expected,
        events: &[NewEvent],
    ) -> Result<Verdict, Halt> {
        let verdict = match expected {
            Expected::Exact(at) if head.last == Some(at) => return Ok(Verdict::Write),
            Expected::NoStream if head.last.is_none() => return Ok(Verdict::Write),
            Expected::StreamExists if head.soft_deleted => {
                return Err(AppendError::StreamDeleted(stream.clone()).into());
            }
            Expected::StreamExists if head.last.or(head.described).is_none() => None,
            Expected::Any | Expected::StreamExists => self.judge_by_ids(head, events)?,
            Expected::NoStream => self.judge_by_place(head, 0, events, head.soft_deleted)?,
            Expected::Exact(at) if head.last.is_some_and(|last| at < last) => {
                self.judge_by_place(head, at + 1, events, false)?
            }
            Expected::Exact(_) => None,
        };
        verdict.ok_or_else(|| wrong(stream, expected, head.last).into())
    }

    /// The first id known: all must be. None is a conflict.
    fn judge_by_ids(
        &mut self,
        head: Head,
        events: &[NewEvent],
    ) -> rusqlite::Result<Option<Verdict>> {
        let Some((first, rest)) = events.split_first() else {
            return Ok(Some(Verdict::Write));
        };
        let (Some(stream), Some(_)) = (head.id, head.last) else {
            return Ok(Some(Verdict::Write));
        };
        if self.recents.get(stream).is_none() {
            self.group.insert(&mut self.statements)?;
        }
        let recent = recent_of(
            &mut self.recents,
            &self.index,
            &mut self.statements,
            stream,
            events.len() + self.ids_before,
        )?;
        let Some(place) = recent.revision_of(first.id) else {
            return Ok(Some(Verdict::Write));
        };
        let mut places = rest.iter().map(|event| recent.revision_of(event.id));
        let last = places.try_fold(place, |_, place| place);
        Ok(last.map(Verdict::Repeat))
    }

    /// The ids must be those that lie from `first` on; where they do not begin alike, `or_write`.
    fn judge_by_place(
        &mut self,
        head: Head,
        first: Revision,
        events: &[NewEvent],
        or_write: bool,
    ) -> rusqlite::Result<Option<Verdict>> {
        let Some(stream) = head.id else {
            return Ok(None);
        };
        for (revision, event) in (first..).zip(events) {
            if self.has(stream, revision, event.id)? {
                continue;
            }
            let new_beginning = or_write && revision == first;
            return Ok(new_beginning.then_some(Verdict::Write));
        }
        let last = (first + events.len() as u64).checked_sub(1);
        Ok(last.filter(|_| !events.is_empty()).map(Verdict::Repeat))
    }

    /// Whether the event at this place has this id.
    pub(super) fn has(
        &mut self,
        stream: i64,
        revision: Revision,
        id: Uuid,
    ) -> rusqlite::Result<bool> {
        let Some(position) = self.index.at(&mut self.statements, stream, revision)? else {
            return Ok(false);
        };
        self.group.insert_for(&mut self.statements, position)?;
        Ok(self.statements.id_at(position)? == Some(id))
    }

    pub(super) fn repeat(&mut self, head: Head, revision: Revision) -> Result<Appended, Halt> {
        let original = match head.id {
            Some(stream) => self.index.at(&mut self.statements, stream, revision)?,
            None => None,
        };
        Ok(Appended {
            revision: Some(revision),
            position: original.map_or(self.last_position, Position),
            repeated: true,
        })
    }
}

/// The last ids of a stream, read if they are not remembered.
fn recent_of<'a>(
    recents: &'a mut Recents,
    index: &StreamIndex,
    statements: &mut Statements<'_>,
    stream: i64,
    limit: usize,
) -> rusqlite::Result<&'a Recent> {
    if recents.get(stream).is_none() {
        let mut recent = Recent::default();
        for (revision, position) in index.lasts(statements, stream, limit)? {
            if let Some(id) = statements.id_at(position)? {
                recent.push(id, revision, limit);
            }
        }
        recents.put(stream, recent);
    }
    recents
        .get(stream)
        .map(|recent| &*recent)
        .ok_or(rusqlite::Error::QueryReturnedNoRows)
}

pub(super) fn wrong(
    stream: &StreamName,
    expected: Expected,
    current: Option<Revision>,
) -> AppendError {
    AppendError::WrongExpected {
        stream: stream.clone(),
        expected,
        current,
    }
}
