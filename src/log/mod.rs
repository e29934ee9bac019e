//! Where events live: one trait, its contract in prose, and the engines behind it.
//!
//! ```text
//!   append(stream, expected, events) ──> decided, written and synced as one ──> acknowledged
//!                                                      │
//!   stream   [0][1][2][3]              revision: gapless from 0 within a stream
//!   log      1  2  5  9  ...           position: strictly increasing over the whole log
//!                                                      │
//!   read_stream, read_all <────────────────────────────┤
//!   subscribe(from): what is there, then what comes <──┘   no gap, no repeat, in log order
//! ```
//!
//! # The contract
//!
//! Terms and meaning are `EventStoreDB`'s. Every engine passes the suite in [`contract`].
//!
//! **Append.** All events of one call become visible together, next to each other, or none does. It is acknowledged
//! only when it would survive a power cut. `expected` is judged in the same step that writes; in this order:
//! a tombstoned stream refuses everything ([`AppendError::StreamDeleted`]); [`Expected::Any`] and
//! [`Expected::StreamExists`] on a stream that holds the first event id: all ids there is a repeat, some there is
//! a conflict; an expected revision below the current one: ids equal to those that follow it is a repeat, anything
//! else a conflict; an expected revision above: a conflict. A repeat writes nothing and answers what the first
//! call answered, with [`Appended::repeated`]; where an id is there several times and no revision is expected, its first
//! event counts. An append of no events writes nothing and checks the revision.
//!
//! **Read.** Forward reads include their start, backward ones too ([`ReadFrom`]). A stream's metadata
//! (`$maxAge`, `$maxCount`, `$tb`) hides events from stream reads and from nothing else. A row whose digest does not fit is
//! an error that names it ([`ReadError::Damaged`]), never an event.
//!
//! **Filter.** A [`Filter`] lets events of the whole log through by stream and by type. It is judged the same by every engine; an
//! event that it cannot judge is an error ([`ReadError::Undecided`]) and never passed over.
//!
//! **Subscribe.** Everything after the given position in log order, first what is there, then what is appended;
//! [`Delivery::CaughtUp`] each time the end was reached. A slow reader is never dropped, costs bounded memory, and
//! never holds up an append.
//!
//! **Delete** hides a stream until it or its metadata is written again, revisions going on; what its metadata said before
//! is gone. **Tombstone** ends it for ever. A metastream ends with its stream, or by a tombstone of its own: what it said
//! applies no more. It cannot be deleted.
//! Protected categories refuse both, and metadata that hides ([`AppendError::Protected`]).
//!
//! **After a failed write** nothing of it is there, or, where the machinery cannot tell, what a retry with the same ids finds out. A
//! full disk is [`AppendError::StorageFull`] to every caller and [`Health::Degraded`] until there is room again, which the engine
//! finds out by itself. Where it is not known what the disk holds (a sync failed), appends answer
//! [`AppendError::Unavailable`] with `retry: false` and [`EventLog::health`] is [`Health::Failed`] until the log was reopened.

pub mod canonical;
mod compare;
pub mod contract;
pub mod eventstoredb;
mod filter;
mod heads;
pub mod memory;
mod model;
mod reading;
pub mod rules;
pub mod sqlite;
mod system_events;
pub mod wire;
#[cfg(test)]
pub(crate) mod witness;

pub use filter::{Expression, Filter, InvalidExpression, Match, Undecided};
pub use heads::heads;
pub(crate) use model::where_it_is;
pub use model::{
    AllSlice, AppendError, Appended, Delivery, Direction, Expected, Health, LeftOut, NewEvent,
    ReadError, ReadFrom, RecordedEvent, Removals, Removed, StreamMetadata, StreamSlice, Survey,
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use tokio::sync::watch;

use crate::kernel::{Position, StreamName};

/// The log of one service. See the module for the contract.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Appends `events` to `stream` if it is at `expected`; returns when they are durable.
    ///
    /// # Errors
    /// See the contract; a refused append changes nothing.
    async fn append(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError>;

    /// At most `limit` events of one stream. A stream that never was, or is deleted, answers [`StreamSlice::exists`] false.
    ///
    /// # Errors
    /// Tombstoned, damaged, or the machinery failed.
    async fn read_stream(
        &self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
    ) -> Result<StreamSlice, ReadError>;

    /// At most `limit` events of the whole log that `filter` lets through. Forward: those after `from`
    /// (exclusive); backward: those before it (exclusive), `None` being the end. Where the filter passes over much, fewer
    /// or none are answered with [`AllSlice::end`] false: whoever wants more goes on from [`AllSlice::examined`].
    ///
    /// # Errors
    /// Damaged, the filter cannot judge an event, or the machinery failed. Of an event that the filter leaves out only
    /// its place and its names are looked at.
    async fn read_all(
        &self,
        from: Option<Position>,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllSlice, ReadError>;

    /// The next `limit` events after `from` at most, those that `filter` lets through whole and of all others the places:
    /// for who has to count what was examined. Less may be answered with [`AllSlice::end`] false, as by [`Self::read_all`].
    ///
    /// # Errors
    /// As for [`Self::read_all`].
    async fn survey(
        &self,
        from: Position,
        limit: usize,
        filter: &Filter,
    ) -> Result<Survey, ReadError> {
        let everything = Filter::default();
        let all = self.read_all(Some(from), Direction::Forward, limit, &everything);
        let mut slice = all.await?;
        let mut left_out = Vec::new();
        for event in std::mem::take(&mut slice.events) {
            if filter.admits(event.stream.as_str(), &event.event_type)? {
                slice.events.push(event);
            } else {
                left_out.push(LeftOut {
                    position: event.position,
                    stream: event.stream,
                });
            }
        }
        Ok(Survey { slice, left_out })
    }

    /// What `filter` lets through of the events after `after` and not after `up_to` that were removed from the log for good, at
    /// most `limit`: for who counts what ever was. Less may be answered; whoever wants more goes on from
    /// [`Removals::examined`], until that is `up_to`. An event is there, or removed, at every moment. An engine that
    /// keeps no record of removals knows of none.
    ///
    /// # Errors
    /// As for [`Self::read_all`].
    async fn removed(
        &self,
        after: Position,
        up_to: Position,
        limit: usize,
        filter: &Filter,
    ) -> Result<Removals, ReadError> {
        let _ = (after, limit, filter);
        Ok(Removals {
            events: Vec::new(),
            examined: up_to,
        })
    }

    /// Everything after `from` that `filter` lets through, for ever. The stream ends only after an error item.
    fn subscribe(
        &self,
        from: Position,
        filter: Filter,
    ) -> BoxStream<'static, Result<Delivery, ReadError>>;

    /// What [`Self::subscribe`] brings, for who stops at the first [`Delivery::CaughtUp`]: nothing needs to come after it.
    /// Where the machinery stays away, an error item says so.
    fn read_through(
        &self,
        from: Position,
        filter: Filter,
    ) -> BoxStream<'static, Result<Delivery, ReadError>> {
        self.subscribe(from, filter)
    }

    /// The position of the last event; [`Position::START`] for an empty log.
    ///
    /// # Errors
    /// The machinery failed.
    async fn head(&self) -> Result<Position, ReadError>;

    /// The stream's metadata as last written, and the revision of that write in the metastream.
    ///
    /// # Errors
    /// Tombstoned, or the machinery failed.
    async fn metadata(
        &self,
        stream: &StreamName,
    ) -> Result<(StreamMetadata, Option<u64>), ReadError>;

    /// Replaces the stream's metadata; `expected` is of the metastream.
    ///
    /// # Errors
    /// As for an append.
    async fn set_metadata(
        &self,
        stream: &StreamName,
        expected: Expected,
        metadata: StreamMetadata,
    ) -> Result<Appended, AppendError>;

    /// Hides the stream until it is appended to again.
    ///
    /// # Errors
    /// As for an append.
    async fn delete(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Position, AppendError>;

    /// Ends the stream for ever.
    ///
    /// # Errors
    /// As for an append.
    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Position, AppendError>;

    /// What the log can do now, and every change of it.
    fn health(&self) -> watch::Receiver<Health>;

    /// Writes what is under way and lets go of the files. Later calls answer unavailable.
    async fn close(&self);
}
