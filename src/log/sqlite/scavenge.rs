//! `annals log scavenge`: removes what metadata hides and tombstones ended, while the log goes on serving.
//!
//! ```text
//!   a reader lists what may go ──batches──> the writer writes their positions into `scavenged` and what they are
//!   into `removed`, and deletes them,
//!   between appends, one transaction a batch ──> pages that became free go back to the file system, some at a time
//! ```
//!
//! Never goes: the last event of a stream (its revision goes on from there), and anything of a protected category.

use rusqlite::{Connection, OptionalExtension};

use super::SqliteLog;
use super::index::mark;
use super::operation::Operation;
use super::place;
use super::rows::to_column;
use super::runs::{self, Run};
use super::schema;
use super::tools::ToolError;
use crate::kernel::{Moment, Position, Revision, StreamName};
use crate::log::rules::{self, TOMBSTONE_REVISION, Visible};
use crate::log::{EventLog, StreamMetadata};

/// Events removed in one transaction: as long as an ordinary group.
const BATCH_EVENTS: usize = 512;

/// Pages given back in one transaction: 2 MiB.
pub(super) const BATCH_PAGES: u32 = 512;

/// What a scavenge did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scavenged {
    /// Streams that lost events.
    pub streams: u64,
    /// Events removed.
    pub events: u64,
    /// Bytes that the file has given back, or that appends took meanwhile.
    pub bytes: u64,
}

impl SqliteLog {
    /// Removes what is hidden. `progress` hears what was done so far. Appends and reads go on meanwhile.
    ///
    /// # Errors
    /// The log cannot be read or written.
    pub async fn scavenge(
        &self,
        mut progress: impl FnMut(Scavenged) + Send,
    ) -> Result<Scavenged, ToolError> {
        self.index_all().await?;
        let mut done = Scavenged::default();
        for stream in self.ask(candidates).await? {
            if self.is_protected(&stream) {
                continue;
            }
            let now = self.now();
            let hidden = self.ask(move |file| hidden(file, &stream, now)).await?;
            for batch in hidden.chunks(BATCH_EVENTS) {
                self.expect_removal(batch.last().copied().map(Position));
                self.operate(Operation::Remove(batch.to_vec())).await?;
                self.forget_tail();
                fail::fail_point!("log-scavenge");
                done.events += batch.len() as u64;
                progress(done);
            }
            done.streams += u64::from(!hidden.is_empty());
        }
        let mut free = self.ask(free_pages).await?;
        while free > 0 {
            self.operate(Operation::GiveBack).await?;
            let left = self.ask(free_pages).await?;
            if left >= free {
                break;
            }
            done.bytes += (free - left).unsigned_abs() * u64::from(schema::PAGE_BYTES);
            free = left;
            progress(done);
        }
        Ok(done)
    }

    /// Brings the stream index into the file, where what follows looks for events.
    async fn index_all(&self) -> Result<(), ToolError> {
        let head = self.head().await?;
        while self.ask(mark).await? < head {
            self.operate(Operation::Index).await?;
        }
        Ok(())
    }

    fn is_protected(&self, stream: &StreamName) -> bool {
        let owner = rules::owner_of(stream);
        self.protected().covers(owner.as_ref().unwrap_or(stream))
    }
}

fn free_pages(file: &Connection) -> rusqlite::Result<i64> {
    file.pragma_query_value(None, "freelist_count", |row| row.get(0))
}

/// Streams that have metadata, their metastreams, and those that ended.
fn candidates(file: &Connection) -> rusqlite::Result<Vec<StreamName>> {
    let mut statement = file.prepare(
        "SELECT name FROM streams WHERE name >= '$$' AND name < '$%'
         UNION SELECT substr(name, 3) FROM streams WHERE name >= '$$' AND name < '$%'
         UNION SELECT s.name FROM streams s WHERE EXISTS
               (SELECT 1 FROM stream_index WHERE stream = s.id AND revision = ?1)",
    )?;
    let names = statement.query_map([to_column(TOMBSTONE_REVISION)], |row| {
        row.get::<_, String>(0)
    })?;
    let names = names.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(names
        .iter()
        .filter_map(|name| StreamName::new(name).ok())
        .collect())
}

/// Positions of `stream`'s events that nobody can see by reading it, in order, its last one excepted.
fn hidden(file: &Connection, stream: &StreamName, now: Moment) -> rusqlite::Result<Vec<u64>> {
    let Some((id, last)) = end_of(file, stream)? else {
        return Ok(Vec::new());
    };
    let visible = if last == TOMBSTONE_REVISION || rules::owner_of(stream).is_some() {
        Visible::last_only(last)
    } else {
        Visible::by(&metadata(file, stream)?, last, now)
    };
    let since = visible.since.map_or(i64::MIN, Moment::unix_micros);
    let mut runs = file.prepare_cached(runs::DOWNWARDS)?;
    let mut event = file.prepare_cached("SELECT recorded FROM events WHERE position = ?1")?;
    // Later entries may be written anew after a crash, from the events.
    let until = mark(file)?.0;
    let mut rows = runs.query([id, to_column(last)])?;
    let mut hidden = Vec::new();
    while let Some(row) = rows.next()? {
        for (revision, position) in Run::of(row)?.entries() {
            if revision >= last || position > until {
                continue;
            }
            // An earlier scavenge may have taken it.
            let at = [to_column(position)];
            let recorded: Option<i64> = event.query_row(at, |row| row.get(0)).optional()?;
            if recorded.is_some_and(|recorded| revision < visible.first || recorded < since) {
                hidden.push(position);
            }
        }
    }
    hidden.sort_unstable();
    Ok(hidden)
}

/// The stream's number and last revision; none if it has no events.
fn end_of(file: &Connection, stream: &StreamName) -> rusqlite::Result<Option<(i64, Revision)>> {
    let Some(id) = place::number(file, stream)? else {
        return Ok(None);
    };
    let last = place::last_indexed(file, id)?;
    Ok(last.map(|(last, _)| (id, last)))
}

fn metadata(file: &Connection, stream: &StreamName) -> rusqlite::Result<StreamMetadata> {
    let Some(id) = place::number(file, &stream.metastream())? else {
        return Ok(StreamMetadata::default());
    };
    match place::last_indexed(file, id)? {
        Some((_, position)) => place::metadata_at(file, position),
        None => Ok(StreamMetadata::default()),
    }
}

/// Runs of positions that follow each other.
pub(super) fn ranges(positions: &[u64]) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for position in positions {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *position => *last = *position,
            _ => ranges.push((*position, *position)),
        }
    }
    ranges
}
