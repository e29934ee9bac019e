//! One read of a derived stream.

use super::numbering::{Marks, Numbering};
use super::{Index, link};
use crate::kernel::{Position, Revision, StreamName};
use crate::log::{Direction, EventLog, Filter, ReadError, ReadFrom, RecordedEvent, StreamSlice};

/// Events read at a time only to be counted.
const PAGE: usize = 256;

/// A read, and what it reads.
pub(super) struct Page<'a> {
    pub(super) stream: &'a StreamName,
    pub(super) filter: &'a Filter,
    pub(super) log: &'a dyn EventLog,
    pub(super) index: &'a Index,
    pub(super) limit: usize,
}

impl Page<'_> {
    /// The links that are there from `from` on, at most `limit` of them.
    pub(super) async fn read(
        &self,
        from: ReadFrom,
        direction: Direction,
    ) -> Result<StreamSlice, ReadError> {
        let Some(last) = self.index.count.checked_sub(1) else {
            return Ok(StreamSlice {
                end: true,
                ..StreamSlice::default()
            });
        };
        let from = match from {
            ReadFrom::Start => 0,
            ReadFrom::End => last,
            ReadFrom::Revision(revision) => revision,
        };
        let (events, end) = match direction {
            Direction::Forward => self.forward(from, self.limit).await?,
            Direction::Backward => self.backward(from.min(last)).await?,
        };
        let links = events
            .into_iter()
            .map(|(revision, event)| link(self.stream, revision, &event));
        Ok(StreamSlice {
            events: links.collect(),
            last_revision: Some(last),
            exists: true,
            end,
        })
    }

    /// At most `limit` events with these numbers and higher ones, and whether there are no more. Never none with more to come.
    async fn forward(
        &self,
        first: Revision,
        limit: usize,
    ) -> Result<(Vec<(Revision, RecordedEvent)>, bool), ReadError> {
        let mut found = Vec::new();
        let there = first < self.index.count;
        let near = self.index.marks.near(first);
        let Some((number, mark)) = near.filter(|_| there && limit > 0) else {
            return Ok((found, !there));
        };
        let mut numbering = Numbering::new(number, mark, self.filter);
        let mut at = mark;
        while at < self.index.examined {
            let before = usize::try_from(first - number).unwrap_or(PAGE);
            let wanted = (limit - found.len()).saturating_add(before);
            let slice = self.slice(at, Direction::Forward, wanted).await?;
            let events = numbering
                .by_marks(self.log, slice.0, &self.index.marks)
                .await?;
            let wanted = events.into_iter().filter(|(number, event)| {
                *number >= first && event.position <= self.index.examined
            });
            found.extend(wanted);
            if found.len() >= limit {
                found.truncate(limit);
                let beyond = found.last().map_or(first, |(number, _)| number + 1);
                return Ok((found, beyond >= self.index.count));
            }
            at = slice.1;
        }
        Ok((found, true))
    }

    /// The same, from this number down.
    async fn backward(
        &self,
        last: Revision,
    ) -> Result<(Vec<(Revision, RecordedEvent)>, bool), ReadError> {
        if self.limit == 0 {
            return Ok((Vec::new(), false));
        }
        let above = self.forward(last + 1, 1).await?.0;
        let mut at = above
            .first()
            .map_or(Position(self.index.examined.0 + 1), |(_, event)| {
                event.position
            });
        let mut events = Vec::new();
        while events.len() < self.limit && at > Position(1) {
            let wanted = self.limit - events.len();
            let slice = self.slice(at, Direction::Backward, wanted).await?;
            events.extend(slice.0);
            at = slice.1;
        }
        let all = events.len() < self.limit;
        events.reverse();
        let mut found = self.numbered(events).await?;
        let first = found.first().map_or(0, |(number, _)| *number);
        found.reverse();
        Ok((found, all || first == 0))
    }

    /// Numbers events between which none is left out.
    async fn numbered(
        &self,
        events: Vec<RecordedEvent>,
    ) -> Result<Vec<(Revision, RecordedEvent)>, ReadError> {
        let Some(first) = events.first().map(|event| event.position) else {
            return Ok(Vec::new());
        };
        let marks: &Marks = &self.index.marks;
        let (number, mark) = marks.before(first).unwrap_or_default();
        let mut numbering = Numbering::new(number, mark, self.filter);
        let mut at = mark;
        while at.0 + 1 < first.0 {
            let (mut between, examined) = self.slice(at, Direction::Forward, PAGE).await?;
            between.retain(|event| event.position < first);
            numbering.by_marks(self.log, between, marks).await?;
            at = examined;
        }
        numbering.by_marks(self.log, events, marks).await
    }

    /// Some events, and up to where that is all of them.
    async fn slice(
        &self,
        from: Position,
        direction: Direction,
        limit: usize,
    ) -> Result<(Vec<RecordedEvent>, Position), ReadError> {
        let slice = self
            .log
            .read_all(Some(from), direction, limit, self.filter)
            .await?;
        Ok((slice.events, slice.examined))
    }
}
