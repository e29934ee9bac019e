//! The numbers of a derived stream's links: every event that ever was counts, also those that a scavenge removed.

use std::collections::VecDeque;

use crate::kernel::{Position, Revision};
use crate::log::{EventLog, Filter, ReadError, RecordedEvent};

/// Removed events asked for at a time.
const PAGE: usize = if cfg!(test) { 3 } else { 1024 };

/// Positions of removed events, in order.
///
/// An event is there, or written down as removed, at every moment, and may go from the one to the other at any. So the log is
/// read first and what was removed of the same positions is asked for after that: each event then is in one of the two answers,
/// or in both.
pub(super) struct Removals {
    filter: Filter,
    ahead: VecDeque<Position>,
    /// Those up to here were asked for.
    asked: Position,
}

impl Removals {
    pub(super) fn after(position: Position, filter: &Filter) -> Self {
        Self {
            filter: filter.clone(),
            ahead: VecDeque::new(),
            asked: position,
        }
    }

    /// The next one before `bound`, and not after `read`, up to which the log was read.
    pub(super) async fn before(
        &mut self,
        log: &dyn EventLog,
        bound: Position,
        read: Position,
    ) -> Result<Option<Position>, ReadError> {
        while self.ahead.is_empty() && self.asked < read && self.asked.0 + 1 < bound.0 {
            let page = log.removed(self.asked, read, PAGE, &self.filter).await?;
            self.asked = page.examined;
            self.ahead
                .extend(page.events.iter().map(|removed| removed.position));
        }
        Ok(self.ahead.pop_front_if(|next| *next < bound))
    }

    /// Those up to here are of no interest.
    pub(super) fn pass(&mut self, to: Position) {
        while self.ahead.pop_front_if(|next| *next <= to).is_some() {}
        self.asked = self.asked.max(to);
    }
}

/// Numbers events in the order of the log.
pub(in crate::log::wire) struct Numbering {
    next: Revision,
    at: Position,
    removals: Removals,
}

impl Numbering {
    /// The first event after `position` has the number `next`.
    pub(in crate::log::wire) fn new(next: Revision, position: Position, filter: &Filter) -> Self {
        Self {
            next,
            at: position,
            removals: Removals::after(position, filter),
        }
    }

    /// The numbers of the next events that are there, none between them left out.
    pub(in crate::log::wire) async fn of(
        &mut self,
        log: &dyn EventLog,
        events: Vec<RecordedEvent>,
    ) -> Result<Vec<(Revision, RecordedEvent)>, ReadError> {
        self.by_marks(log, events, &Marks::default()).await
    }

    /// The same, where marks tell the number without counting.
    pub(super) async fn by_marks(
        &mut self,
        log: &dyn EventLog,
        events: Vec<RecordedEvent>,
        marks: &Marks,
    ) -> Result<Vec<(Revision, RecordedEvent)>, ReadError> {
        let read = events.last().map_or(self.at, |event| event.position);
        let mut numbered = Vec::with_capacity(events.len());
        for event in events {
            let position = event.position;
            if let Some((number, mark)) = marks.before(position).filter(|mark| mark.1 > self.at) {
                self.next = number;
                self.removals.pass(mark);
            }
            while self.removals.before(log, position, read).await?.is_some() {
                self.next += 1;
            }
            numbered.push((self.next, event));
            self.next += 1;
            self.at = position;
            self.removals.pass(position);
        }
        Ok(numbered)
    }
}

/// Events from one mark to the next.
const STRIDE: u64 = if cfg!(test) { 4 } else { 256 };

/// The position before every [`STRIDE`]th event.
#[derive(Default)]
pub(super) struct Marks(Vec<Position>);

impl Marks {
    /// The event at `position` has this number.
    pub(super) fn note(&mut self, number: Revision, position: Position) {
        if number.is_multiple_of(STRIDE) {
            self.0.push(Position(position.0.saturating_sub(1)));
        }
    }

    /// The last mark before what has this number, and the number of the first event after it.
    pub(super) fn near(&self, number: Revision) -> Option<(Revision, Position)> {
        let index = usize::try_from(number / STRIDE).ok()?;
        let mark = self.0.get(index)?;
        Some((number - number % STRIDE, *mark))
    }

    /// The last mark before this position, and the number of the first event after it.
    pub(super) fn before(&self, position: Position) -> Option<(Revision, Position)> {
        let beyond = self.0.partition_point(|mark| *mark < position);
        let index = beyond.checked_sub(1)?;
        let mark = self.0.get(index)?;
        Some((index as u64 * STRIDE, *mark))
    }
}
