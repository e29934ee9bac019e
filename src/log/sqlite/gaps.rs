//! Positions that are missing: the scavenger wrote down those that it removed, every other is damage.

use rusqlite::{Connection, OptionalExtension};

use super::decode::damaged;
use super::reader::failed;
use super::rows::{from_column, to_column};
use crate::kernel::Position;
use crate::log::{Direction, ReadError};

/// Goes along positions and finds those that are missing.
pub(super) struct Walk<'c> {
    connection: &'c Connection,
    direction: Direction,
    pub(super) at: Position,
}

impl<'c> Walk<'c> {
    pub(super) fn new(connection: &'c Connection, near: Position, direction: Direction) -> Self {
        Self {
            connection,
            direction,
            at: near,
        }
    }

    /// The next row is at `to`.
    pub(super) fn step(&mut self, to: Position) -> Result<(), ReadError> {
        if self.at.0.abs_diff(to.0) > 1 {
            match self.direction {
                Direction::Forward => self.check(self.at.0 + 1, to.0 - 1)?,
                Direction::Backward => self.check(to.0 + 1, self.at.0 - 1)?,
            }
        }
        self.at = to;
        Ok(())
    }

    /// Nothing more came up to `far`, which is included.
    pub(super) fn finish(&mut self, far: Position) -> Result<(), ReadError> {
        match self.direction {
            Direction::Forward => self.check(self.at.0 + 1, far.0),
            Direction::Backward => self.check(far.0, self.at.0.saturating_sub(1)),
        }
    }

    fn check(&self, first: u64, last: u64) -> Result<(), ReadError> {
        match first_not_scavenged(self.connection, first, last) {
            Ok(None) => Ok(()),
            Ok(Some(missing)) => Err(damaged(Position(missing), "unknown", "the row is missing")),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// The first of these positions that the scavenger did not write down.
pub(super) fn first_not_scavenged(
    connection: &Connection,
    first: u64,
    last: u64,
) -> rusqlite::Result<Option<u64>> {
    let mut statement = connection.prepare_cached(
        "SELECT last FROM scavenged WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
    )?;
    let mut at = first;
    while at <= last {
        let to: Option<i64> = statement
            .query_row([to_column(at)], |row| row.get(0))
            .optional()?;
        match to.map(from_column) {
            Some(to) if to >= at => at = to + 1,
            _ => return Ok(Some(at)),
        }
    }
    Ok(None)
}
