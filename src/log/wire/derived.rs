//! `$ce-<category>` and `$et-<type>`: streams of links that follow from the log, made as they are read.
//!
//! ```text
//!   log         1   2   3   4   5   6   7  ...        events of category x:  2 4 5 7 ...
//!   $ce-x           0       1   2       3             their number is the link's revision
//!   marks       ^(after 1)                            the position before every 256th of them
//! ```
//!
//! Only the marks are kept, so that a revision is found by reading at most 255 events too many. The first read of
//! such a stream counts through the log; later ones go on where the last one ended. Where a scavenge removes events, what
//! is left is counted anew: nothing comes twice or is left out, but revisions are others then.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::links::LINK_TYPE;
use super::node::Node;
use crate::kernel::{Position, Revision, StreamName, derived_id};
use crate::log::{
    Direction, EventLog, Filter, Match, ReadError, ReadFrom, RecordedEvent, StreamSlice,
};

/// Events from one mark to the next.
const STRIDE: u64 = 256;

/// Events counted at a time.
const PAGE: usize = 1024;

/// Derived streams whose marks are kept; beyond that all are forgotten and counted again when asked for.
const MAX_KEPT: usize = 4096;

/// The derived streams of one log that were asked for.
#[derive(Default)]
pub(super) struct Derived {
    indexes: Mutex<HashMap<StreamName, Arc<Mutex<Index>>>>,
    /// How often events were removed from the log.
    removals: AtomicU64,
}

#[derive(Default)]
struct Index {
    marks: Vec<Position>,
    count: u64,
    examined: Position,
    /// What [`Derived::removals`] was when the counting began.
    removals: u64,
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
                };
                page.read(&index, from, direction, limit).await
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

    /// How many links a derived stream has, and the position up to which they were counted.
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
    /// Events were removed from the log: what was counted holds no more.
    pub(super) fn forget(&self) {
        self.removals.fetch_add(1, Ordering::AcqRel);
    }

    async fn index(&self, stream: &StreamName) -> Arc<Mutex<Index>> {
        let mut indexes = self.indexes.lock().await;
        if indexes.len() >= MAX_KEPT {
            indexes.clear();
        }
        Arc::clone(indexes.entry(stream.clone()).or_default())
    }
}

impl Index {
    async fn count_on(&mut self, node: &Node, filter: &Filter) -> Result<(), ReadError> {
        let removals = node.derived.removals.load(Ordering::Acquire);
        if self.removals != removals {
            *self = Self {
                removals,
                ..Self::default()
            };
        }
        loop {
            let slice = node
                .log
                .read_all(Some(self.examined), Direction::Forward, PAGE, filter)
                .await?;
            for event in &slice.events {
                if self.count.is_multiple_of(STRIDE) {
                    self.marks
                        .push(Position(event.position.0.saturating_sub(1)));
                }
                self.count += 1;
            }
            self.examined = slice.examined;
            if slice.end {
                return Ok(());
            }
        }
    }
}

/// One read of a derived stream.
struct Page<'a> {
    stream: &'a StreamName,
    filter: &'a Filter,
    log: &'a dyn EventLog,
}

impl Page<'_> {
    async fn read(
        &self,
        index: &Index,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
    ) -> Result<StreamSlice, ReadError> {
        let Some(last) = index.count.checked_sub(1) else {
            return Ok(StreamSlice {
                end: true,
                ..StreamSlice::default()
            });
        };
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX);
        let (first, beyond) = match (direction, from) {
            (Direction::Forward, ReadFrom::Start) => (0, wanted.min(index.count)),
            (Direction::Forward, ReadFrom::End) => {
                (last, last.saturating_add(wanted).min(index.count))
            }
            (Direction::Forward, ReadFrom::Revision(at)) => {
                (at, at.saturating_add(wanted).min(index.count))
            }
            (Direction::Backward, ReadFrom::Start) => (u64::from(wanted == 0), 1),
            (Direction::Backward, ReadFrom::End) => {
                (index.count.saturating_sub(wanted), index.count)
            }
            (Direction::Backward, ReadFrom::Revision(at)) => {
                let beyond = at.min(last) + 1;
                (beyond.saturating_sub(wanted), beyond)
            }
        };
        let mut events = self.links(index, first, beyond).await?;
        if direction == Direction::Backward {
            events.reverse();
        }
        Ok(StreamSlice {
            events,
            last_revision: Some(last),
            exists: true,
            end: match direction {
                Direction::Forward => beyond >= index.count,
                Direction::Backward => first == 0,
            },
        })
    }

    /// The links from `first` to before `beyond`.
    async fn links(
        &self,
        index: &Index,
        first: Revision,
        beyond: Revision,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let mark = usize::try_from(first / STRIDE)
            .ok()
            .and_then(|mark| index.marks.get(mark));
        let (Some(mark), true) = (mark, first < beyond) else {
            return Ok(Vec::new());
        };
        let skipped = first % STRIDE;
        let limit = usize::try_from(skipped + (beyond - first)).unwrap_or(usize::MAX);
        let sources = self.sources(*mark, limit).await?;
        let numbered = (first - skipped..).zip(&sources);
        Ok(numbered
            .filter(|(revision, _)| *revision >= first)
            .map(|(revision, event)| link(self.stream, revision, event))
            .collect())
    }

    /// The first `count` events after `from` that are linked to.
    async fn sources(
        &self,
        mut from: Position,
        count: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let mut events = Vec::new();
        loop {
            let missing = count - events.len();
            let slice = self
                .log
                .read_all(Some(from), Direction::Forward, missing, self.filter)
                .await?;
            events.extend(slice.events);
            if slice.end || events.len() >= count {
                return Ok(events);
            }
            from = slice.examined;
        }
    }
}
