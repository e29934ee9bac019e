//! `$ce-<category>` and `$et-<type>`: streams of links that follow from the log, made as they are read.
//!
//! ```text
//!   log         1   2   3   4   5   6   7  ...        events of category x:  2 4 5 7 ...
//!   removed                     5                     by a scavenge
//!   $ce-x           0       1  (2)      3             their number is the link's revision
//!   marks       ^(after 1)                            the position before every 256th of them
//! ```
//!
//! Only the marks are kept, so that a revision is found by counting at most 255 events too many. The first read of
//! such a stream counts through the log; later ones go on where the last one ended. An event that a scavenge removes leaves its
//! number: a link keeps its revision for ever, and a checkpoint in such a stream what it means. Links are made only to what
//! is there, so revisions have gaps then, as in a stream whose metadata hides events. Not counted is what was removed in an
//! earlier version of the log's schema, or is missing in the dump or the server that the log was copied from.

mod numbering;
mod page;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::links::LINK_TYPE;
use super::node::Node;
use crate::kernel::{Position, Revision, StreamName, derived_id};
use crate::log::{Direction, Filter, Match, ReadError, ReadFrom, RecordedEvent, StreamSlice};
pub(super) use numbering::Numbering;
use numbering::{Marks, Removals};
use page::Page;

/// Events counted at a time.
const PAGE: usize = if cfg!(test) { 7 } else { 1024 };

/// Derived streams whose marks are kept; beyond that all are forgotten and counted again when asked for.
const MAX_KEPT: usize = 4096;

/// The derived streams of one log that were asked for.
#[derive(Default)]
pub(super) struct Derived {
    indexes: Mutex<HashMap<StreamName, Arc<Mutex<Index>>>>,
}

/// What was counted of one derived stream.
#[derive(Default)]
struct Index {
    marks: Marks,
    count: u64,
    examined: Position,
}

/// Which events a derived stream links to.
pub(super) fn source_of(stream: &StreamName) -> Option<Filter> {
    if let Some(category) = stream.as_str().strip_prefix("$ce-") {
        let usual = !category.is_empty() && !category.starts_with('$') && !category.contains('-');
        return usual.then(|| Filter::by_stream(Match::prefixes([format!("{category}-")])));
    }
    let event_type = stream.as_str().strip_prefix("$et-")?;
    let usual = !event_type.is_empty() && event_type != LINK_TYPE;
    usual.then(|| Filter::by_type(Match::one_of([event_type])))
}

/// The link of a derived stream to `event`.
pub(super) fn link(
    stream: &StreamName,
    revision: Revision,
    event: &RecordedEvent,
) -> RecordedEvent {
    let target = format!("{}@{}", event.revision, event.stream);
    let metadata = format!(r#"{{"$causedBy":"{}"}}"#, event.id);
    RecordedEvent {
        position: event.position,
        stream: stream.clone(),
        revision,
        id: derived_id(&[
            b"link",
            stream.as_str().as_bytes(),
            event.id.as_bytes(),
            &event.position.0.to_be_bytes(),
        ]),
        event_type: LINK_TYPE.into(),
        is_json: false,
        data: target.into(),
        metadata: metadata.into(),
        recorded_at: event.recorded_at,
    }
}

impl Node {
    /// A stream as clients see it: stored, or derived where nothing of that name is stored.
    pub(super) async fn read_stream(
        &self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
    ) -> Result<StreamSlice, ReadError> {
        let stored = self.log.read_stream(stream, from, direction, limit).await?;
        if stored.last_revision.is_some() {
            return Ok(stored);
        }
        match source_of(stream) {
            None => Ok(stored),
            Some(filter) => {
                let index = self.derived.index(stream).await;
                let mut index = index.lock().await;
                index.count_on(self, &filter).await?;
                let page = Page {
                    stream,
                    filter: &filter,
                    log: &*self.log,
                    index: &index,
                    limit,
                };
                page.read(from, direction).await
            }
        }
    }

    /// What a stream is derived from, if nothing of its name is stored.
    pub(super) async fn derived_from(
        &self,
        stream: &StreamName,
    ) -> Result<Option<Filter>, ReadError> {
        let Some(source) = source_of(stream) else {
            return Ok(None);
        };
        let (end, backward) = (ReadFrom::End, Direction::Backward);
        let stored = self.log.read_stream(stream, end, backward, 1).await?;
        Ok(stored.last_revision.is_none().then_some(source))
    }

    /// How many links a derived stream ever had, and the position up to which they were counted.
    pub(super) async fn derived_end(
        &self,
        stream: &StreamName,
        filter: &Filter,
    ) -> Result<(u64, Position), ReadError> {
        let index = self.derived.index(stream).await;
        let mut index = index.lock().await;
        index.count_on(self, filter).await?;
        Ok((index.count, index.examined))
    }
}

impl Derived {
    async fn index(&self, stream: &StreamName) -> Arc<Mutex<Index>> {
        let mut indexes = self.indexes.lock().await;
        if indexes.len() >= MAX_KEPT {
            indexes.clear();
        }
        Arc::clone(indexes.entry(stream.clone()).or_default())
    }
}

impl Index {
    /// Counts what has come since. Broken off anywhere, it is right up to [`Self::examined`].
    async fn count_on(&mut self, node: &Node, filter: &Filter) -> Result<(), ReadError> {
        let log = &*node.log;
        loop {
            let from = Some(self.examined);
            let slice = log.read_all(from, Direction::Forward, PAGE, filter).await?;
            let read = slice.examined;
            let mut removals = Removals::after(self.examined, filter);
            for event in &slice.events {
                while let Some(removed) = removals.before(log, event.position, read).await? {
                    self.count(removed);
                }
                removals.pass(event.position);
                self.count(event.position);
            }
            let beyond = Position(read.0.saturating_add(1));
            while let Some(removed) = removals.before(log, beyond, read).await? {
                self.count(removed);
            }
            self.examined = read;
            if slice.end {
                return Ok(());
            }
        }
    }

    fn count(&mut self, position: Position) {
        self.marks.note(self.count, position);
        self.count += 1;
        self.examined = position;
    }
}
