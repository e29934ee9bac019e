//! `annals log verify`: reads everything and names every damage.
//!
//! Checks every row's digest, that positions have no gap that the scavenger did not write down, that the stream index
//! names every event and nothing else, that revisions have no gap within a stream, what is written down of removed events, and
//! SQLite's own integrity check. Goes on after a damage; changes nothing.

use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::decode::{Columns, Names, Page};
use super::gaps::first_not_scavenged;
use super::reader::COLUMNS;
use super::rows::{from_column, to_column};
use super::tools::{self, ToolError};
use super::verify_removed::removed;
use super::verify_streams::streams;
use super::writer;
use crate::kernel::Position;
use crate::log::ReadError;

/// Damages that are listed; more are only counted.
const LISTED: usize = 1_000;

/// Events between two reports of progress.
const REPORT_EVERY: u64 = 10_000;

/// One damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where; 0 for what belongs to no event.
    pub position: Position,
    /// Which stream, as far as it can be told.
    pub stream: String,
    /// What is wrong.
    pub problem: String,
}

/// What `verify` found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// The last position.
    pub head: Position,
    /// Events that are as they were written.
    pub whole: u64,
    /// Damages, the first thousand.
    pub damages: Vec<Damage>,
    /// All damages.
    pub damaged: u64,
}

impl Verified {
    pub(super) fn add(&mut self, position: Position, stream: &str, problem: impl Into<String>) {
        self.damaged += 1;
        if self.damages.len() < LISTED {
            self.damages.push(Damage {
                position,
                stream: stream.to_owned(),
                problem: problem.into(),
            });
        }
    }

    fn add_error(&mut self, error: ReadError) {
        match error {
            ReadError::Damaged {
                position,
                stream,
                problem,
            } => self.add(position, &stream, problem),
            other @ (ReadError::StreamDeleted(_)
            | ReadError::Undecided(_)
            | ReadError::Unavailable { .. }) => {
                self.add(Position::START, "unknown", other.to_string());
            }
        }
    }
}

/// Verifies the log in `dir`, also while it is being served. `progress` hears the position reached and the last one.
///
/// # Errors
/// No log at all. Damage is not an error but the answer.
pub fn verify(
    dir: &Path,
    mut progress: impl FnMut(Position, Position),
) -> Result<Verified, ToolError> {
    let (connection, path) = tools::open_beside(dir)?;
    let (head, _) = writer::end_of(&connection).map_err(tools::refused(&path))?;
    let mut found = Verified {
        head,
        ..Verified::default()
    };
    rows(&connection, head, &mut found, &mut progress);
    streams(&connection, head, &mut found);
    removed(&connection, &mut found);
    integrity(&connection, &mut found);
    progress(head, head);
    Ok(found)
}

/// Every row, jumping over what cannot be read in ever larger steps.
fn rows(
    connection: &Connection,
    head: Position,
    found: &mut Verified,
    progress: &mut impl FnMut(Position, Position),
) {
    let mut names = Names::default();
    let mut at = Position::START;
    let mut step = 1;
    while at < head {
        let before = at;
        let outcome = rows_from(connection, &mut at, head, &mut names, found, progress);
        let Err(error) = outcome else {
            break;
        };
        step = if at > before { 1 } else { step * 2 };
        found.add(
            Position(at.0 + 1),
            "unknown",
            format!("cannot be read, going on {step} further: {error}"),
        );
        at = Position(at.0.saturating_add(step));
    }
}

fn rows_from(
    connection: &Connection,
    at: &mut Position,
    head: Position,
    names: &mut Names,
    found: &mut Verified,
    progress: &mut impl FnMut(Position, Position),
) -> rusqlite::Result<()> {
    let sql = format!("{COLUMNS} WHERE position > ?1 AND position <= ?2 ORDER BY position");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![to_column(at.0), to_column(head.0)])?;
    while let Some(row) = rows.next()? {
        let position = Position(from_column(row.get(0)?));
        missing(connection, at.0 + 1, position.0 - 1, found)?;
        match check(connection, names, row) {
            Ok(()) => found.whole += 1,
            Err(error) => found.add_error(error),
        }
        *at = position;
        if at.0.is_multiple_of(REPORT_EVERY) {
            progress(*at, head);
        }
    }
    missing(connection, at.0 + 1, head.0, found)
}

fn missing(
    connection: &Connection,
    first: u64,
    last: u64,
    found: &mut Verified,
) -> rusqlite::Result<()> {
    if first > last {
        return Ok(());
    }
    if let Some(missing) = first_not_scavenged(connection, first, last)? {
        let problem = format!("rows are missing up to position {last}");
        found.add(Position(missing), "unknown", problem);
    }
    Ok(())
}

fn check(connection: &Connection, names: &mut Names, row: &Row<'_>) -> Result<(), ReadError> {
    let columns = Columns::of(row)?;
    let stream = names.stream(connection, &columns)?;
    let event_type = names.event_type(connection, &columns, &stream)?;
    Page::with_room_for(0, 0).add(row, &columns, stream, event_type)
}

fn integrity(connection: &Connection, found: &mut Verified) {
    let check = |found: &mut Verified| -> rusqlite::Result<()> {
        let mut statement = connection.prepare("PRAGMA integrity_check")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let line: String = row.get(0)?;
            if line != "ok" {
                found.add(Position::START, "unknown", format!("SQLite: {line}"));
            }
        }
        Ok(())
    };
    if let Err(error) = check(found) {
        found.add(Position::START, "unknown", format!("SQLite: {error}"));
    }
}
