//! Whether an append is written, is a repeat of one, or is refused: the contract's rules, in its order.

use super::state::State;
use crate::kernel::{Revision, StreamName};
use crate::log::rules;
use crate::log::{AppendError, Expected, NewEvent};

/// What is to be done with an append.
pub(super) enum Verdict {
    Write,
    Repeat(Revision),
}

impl State {
    pub(super) fn judge(
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

    pub(super) fn check_ending(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<(), AppendError> {
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
