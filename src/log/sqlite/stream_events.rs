//! The events of one stream, as a read takes them: those that the file's index leads to, then those that memory's does.

use rusqlite::{Connection, Row, Statement, params_from_iter};

use super::decode::{Columns, Names, Page, damaged};
use super::gaps::Walk;
use super::place::Place;
use super::reader::{COLUMNS, SLICE_BYTES, failed, prepared};
use super::rows::{from_column, to_column};
use super::runs::{self, Run};
use crate::kernel::{Position, Revision, StreamName};
use crate::log::rules::Visible;
use crate::log::{Direction, ReadError};

/// The events of a stream that a read has found so far.
pub(super) struct Taken<'a> {
    pub(super) connection: &'a Connection,
    pub(super) names: &'a mut Names,
    /// The stream's name, of this read alone: see [`Names::begin_page`].
    pub(super) name: StreamName,
    pub(super) stream: &'a Place,
    pub(super) visible: Visible,
    pub(super) limit: usize,
    pub(super) page: Page,
    /// Its first event must be there.
    pub(super) whole: bool,
    /// The revision that must follow.
    pub(super) next: Option<Revision>,
}

impl Taken<'_> {
    /// Those from `low` to `high`, both included; whether nothing is left.
    pub(super) fn forward(&mut self, low: Revision, high: Revision) -> Result<bool, ReadError> {
        self.next = Some(low).filter(|_| self.whole);
        if !self.take_indexed(low, high, Direction::Forward)? {
            return Ok(false);
        }
        let next = self.next.unwrap_or(low);
        let newest = self.stream.entries.iter();
        let newest = newest.filter(|(revision, _)| (next..=high).contains(revision));
        let newest = newest.copied();
        Ok(self.take_all(newest, Direction::Forward)? && self.check_end(low, high, high + 1)?)
    }

    /// Those from `high` down to `low`, both included; whether nothing is left.
    pub(super) fn backward(&mut self, low: Revision, high: Revision) -> Result<bool, ReadError> {
        self.next = Some(high).filter(|_| self.whole);
        let newest = self.stream.entries.iter().rev();
        let newest = newest.filter(|(revision, _)| (low..=high).contains(revision));
        if !self.take_all(newest.copied(), Direction::Backward)? {
            return Ok(false);
        }
        let in_memory = self.stream.entries.first().map(|(revision, _)| *revision);
        let below = in_memory.map_or(high, |first| high.min(first.wrapping_sub(1)));
        if in_memory != Some(0)
            && low <= below
            && !self.take_indexed(low, below, Direction::Backward)?
        {
            return Ok(false);
        }
        self.check_end(low, high, low.wrapping_sub(1))
    }

    /// Nothing more came, and `next` would be the next one.
    fn check_end(&self, low: Revision, high: Revision, next: Revision) -> Result<bool, ReadError> {
        if self.whole && low <= high && self.next != Some(next) {
            let missing = self.next.unwrap_or_default();
            let stream = format!("number {}", self.stream.id);
            let problem = format!("revision {missing} is missing");
            return Err(damaged(Position::START, &stream, &problem));
        }
        Ok(true)
    }

    fn take_indexed(
        &mut self,
        low: Revision,
        high: Revision,
        direction: Direction,
    ) -> Result<bool, ReadError> {
        let connection = self.connection;
        let (sql, bounds) = match direction {
            Direction::Forward => (runs::UPWARDS, [low, high].map(to_column).to_vec()),
            Direction::Backward => (runs::DOWNWARDS, vec![to_column(high)]),
        };
        let mut statement = prepared(connection, sql)?;
        let bounds = params_from_iter([self.stream.id].into_iter().chain(bounds));
        let mut rows = statement.query(bounds).map_err(|error| failed(&error))?;
        while let Some(row) = rows.next().map_err(|error| failed(&error))? {
            let run = Run::of(row).map_err(|error| {
                let position = row.get(1).map(from_column).unwrap_or_default();
                damaged(Position(position), self.name.as_str(), &error.to_string())
            })?;
            let entries = run.entries();
            let entries = entries.filter(|(revision, _)| (low..=high).contains(revision));
            let room = match direction {
                Direction::Forward => self.take_all(entries, direction)?,
                Direction::Backward => self.take_all(entries.rev(), direction)?,
            };
            if !room {
                return Ok(false);
            }
            if direction == Direction::Backward && run.first() <= low {
                break;
            }
        }
        Ok(true)
    }

    /// Takes the events that entries lead to; false where there is no room for one.
    fn take_all(
        &mut self,
        entries: impl Iterator<Item = (Revision, u64)>,
        direction: Direction,
    ) -> Result<bool, ReadError> {
        let connection = self.connection;
        let sql = match direction {
            Direction::Forward => {
                format!("{COLUMNS} WHERE position BETWEEN ?1 AND ?2 ORDER BY position")
            }
            Direction::Backward => {
                format!("{COLUMNS} WHERE position BETWEEN ?2 AND ?1 ORDER BY position DESC")
            }
        };
        let mut statement = prepared(connection, &sql)?;
        let mut entries = entries.peekable();
        while let Some(first) = entries.next() {
            let mut last = first;
            while let Some(next) = entries.next_if_eq(&neighbour(last, direction)) {
                last = next;
            }
            if !self.take_between(&mut statement, first, last, direction)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Those of revisions that follow each other as their positions do: one look into the file finds them.
    fn take_between(
        &mut self,
        statement: &mut Statement<'_>,
        (revision, near): (Revision, u64),
        (_, far): (Revision, u64),
        direction: Direction,
    ) -> Result<bool, ReadError> {
        let mut rows = statement
            .query([to_column(near), to_column(far)])
            .map_err(|error| failed(&error))?;
        let before = match direction {
            Direction::Forward => near.wrapping_sub(1),
            Direction::Backward => near.wrapping_add(1),
        };
        // An entry goes with the last one of its run, and one in memory was seen before the file was: the event of either may have
        // been scavenged.
        let mut walk = Walk::new(self.connection, Position(before), direction);
        while walk.at.0 != far {
            let Some(row) = rows.next().map_err(|error| failed(&error))? else {
                walk.finish(Position(far))?;
                break;
            };
            let columns = Columns::of(row)?;
            walk.step(columns.position)?;
            let steps = columns.position.0.abs_diff(near);
            let revision = match direction {
                Direction::Forward => revision.wrapping_add(steps),
                Direction::Backward => revision.wrapping_sub(steps),
            };
            if !self.take(row, &columns, revision, direction)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes an event if it is visible; false where there is no room for it.
    fn take(
        &mut self,
        row: &Row<'_>,
        columns: &Columns,
        revision: Revision,
        direction: Direction,
    ) -> Result<bool, ReadError> {
        let stream = if columns.stream == self.stream.id {
            self.name.clone()
        } else {
            self.names.stream(self.connection, columns)?
        };
        let problem = |problem: &str| damaged(columns.position, stream.as_str(), problem);
        if (columns.stream, columns.revision) != (self.stream.id, revision) {
            return Err(problem("the stream index leads here from another event"));
        }
        if let Some(missing) = self.next.filter(|next| *next != revision) {
            return Err(problem(&format!("revision {missing} is missing before it")));
        }
        self.next = Some(match direction {
            Direction::Forward => revision + 1,
            Direction::Backward => revision.wrapping_sub(1),
        });
        let recorded_at = columns.recorded_at(stream.as_str())?;
        if !self.visible.shows(revision, recorded_at) {
            return Ok(true);
        }
        if self.page.len() == self.limit || self.page.bytes() >= SLICE_BYTES {
            return Ok(false);
        }
        let event_type = self.names.event_type(self.connection, columns, &stream)?;
        self.page.add(row, columns, stream, event_type)?;
        Ok(true)
    }
}

/// The entry after this one, if both its revision and its position follow.
fn neighbour((revision, position): (Revision, u64), direction: Direction) -> (Revision, u64) {
    match direction {
        Direction::Forward => (revision.wrapping_add(1), position.wrapping_add(1)),
        Direction::Backward => (revision.wrapping_sub(1), position.wrapping_sub(1)),
    }
}
