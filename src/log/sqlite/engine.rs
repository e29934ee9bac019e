//! The engine as callers see it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use futures::stream::BoxStream;
use rusqlite::Connection;
use tokio::sync::watch;

use super::checkpoint::{self, Checkpoints};
use super::halves;
use super::index;
use super::lock::Left;
use super::open::{OpenError, Options, Place};
use super::operation::Operation;
use super::queue::{Outcome, Queue, gone};
use super::removed;
use super::schema;
use super::shared::{Shared, closed};
use super::subscription::Subscription;
use super::sync::Syncer;
use super::unwritten::Unwritten;
use super::why::locked_up;
use super::writer::{self, Writer};
use crate::kernel::{Moment, Position, StreamName};
use crate::log::rules::Protected;
use crate::log::{
    AllSlice, AppendError, Appended, Delivery, Direction, EventLog, Expected, Filter, Health,
    NewEvent, ReadError, ReadFrom, Removals, StreamMetadata, StreamSlice, Survey, rules,
};

/// The embedded log. Dropping it closes it, waiting for what is under way.
pub struct SqliteLog {
    shared: Arc<Shared>,
    queue: Queue,
    writer: Mutex<Option<JoinHandle<()>>>,
    protected: Protected,
}

impl SqliteLog {
    /// Opens the log in `dir`, or makes one there.
    ///
    /// # Errors
    /// Locked, foreign, of another version, or visibly damaged; see [`OpenError`].
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_in(dir, options).map_err(|error| error.within(dir))
    }

    fn open_in(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let mut place = Place::take(dir)?;
        if let Some(what) = locked_up(&place.database) {
            return Err(OpenError::Unusable {
                path: place.database,
                what,
            });
        }
        let mut connection = schema::open_writer(&place.database)?;
        if place.lock.left == Left::Open {
            checkpoint::settle(&connection)?;
        }
        let (head, last_recorded) = writer::end_of(&connection)?;
        place.lock.sign()?;
        index::check_mark(&connection)?;
        let unwritten = Unwritten::load(&connection, head, options.index_after)?;
        let last_removed = removed::last(&connection)?;
        let clock = Arc::clone(&options.clock);
        let shared = Shared::new(place.database.clone(), clock, head, unwritten);
        shared.knows_removed(last_removed);
        let shared = Arc::new(shared);
        let (queue, requests) = Queue::new(options.queue_appends);
        let writer = Writer {
            syncer: Syncer::start(&connection, Arc::clone(&shared))?,
            checkpoints: Checkpoints::start(&place.database, &mut connection, options.checkpoints)?,
            connection,
            queue: requests,
            shared: Arc::clone(&shared),
            clock: options.clock,
            protected: options.protected.clone(),
            last_recorded,
            lock: place.lock,
        };
        let protected = options.protected;
        let thread = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::Io {
                path: place.database,
                source,
            })?;
        Ok(Self {
            shared,
            queue,
            writer: Mutex::new(Some(thread)),
            protected,
        })
    }

    /// One that nobody can write to.
    pub(super) fn without_writer(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            queue: Queue::closed(),
            writer: Mutex::new(None),
            protected: Protected::default(),
        }
    }

    /// Has the writer do what is no append, in turn with the appends.
    pub(super) async fn operate(&self, operation: Operation) -> Outcome {
        self.write(operation, 0).await
    }

    /// Asks the file with a reader's connection.
    pub(super) async fn ask<T, F>(&self, question: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.shared.read(|reader| reader.ask(question)).await
    }

    /// Events up to `last` are about to be removed, or written down as that.
    pub(super) fn expect_removal(&self, last: Option<Position>) {
        if let Some(last) = last {
            self.shared.expect_removed(last);
        }
    }

    /// Lets subscribers read the file again: what they would be told from memory may be gone.
    pub(super) fn forget_tail(&self) {
        self.shared.tail.clear();
    }

    /// What may not be deleted, truncated or expired.
    pub(super) fn protected(&self) -> &Protected {
        &self.protected
    }

    /// The log's time.
    pub(super) fn now(&self) -> Moment {
        (self.shared.clock)()
    }

    async fn write(&self, operation: Operation, bytes: usize) -> Outcome {
        let reply = self.queue.put(operation, bytes)?;
        if let Ok(outcome) = reply.await {
            return outcome;
        }
        // The writer died. Whoever is told must also be able to see it.
        let mut health = self.shared.health.subscribe();
        let _ = health.wait_for(|health| *health != Health::Serving).await;
        Err(gone())
    }

    /// Lets nothing more in; the writer ends when it has written what is there.
    fn begin_close(&self) -> Option<JoinHandle<()>> {
        self.queue.close();
        self.writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Drop for SqliteLog {
    fn drop(&mut self) {
        if let Some(thread) = self.begin_close() {
            let _ = thread.join();
        }
        self.shared.announce_closed();
    }
}

#[async_trait]
impl EventLog for SqliteLog {
    async fn append(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        let bytes = rules::validate(&events)?;
        let operation = Operation::Append(stream.clone(), expected, events);
        self.write(operation, bytes).await
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
    ) -> Result<StreamSlice, ReadError> {
        let stream = stream.clone();
        let now = (self.shared.clock)();
        let read = move |reader: &mut super::reader::Reader| {
            reader.stream(&stream, from, direction, limit, now)
        };
        self.shared.read(read).await
    }

    async fn read_all(
        &self,
        from: Option<Position>,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllSlice, ReadError> {
        let head = self.head().await?;
        let filter = filter.clone();
        let (near, far) = match direction {
            Direction::Forward => (from.unwrap_or(Position::START), head),
            Direction::Backward => {
                let end = Position(head.0 + 1);
                (from.map_or(end, |from| from.min(end)), Position(1))
            }
        };
        if direction == Direction::Forward && near >= far {
            return Ok(AllSlice {
                events: Vec::new(),
                examined: near,
                end: true,
            });
        }
        // One more than asked for tells whether more is there.
        let more = limit.saturating_add(1);
        let slice = halves::page(&self.shared, (near, far), direction, more, filter).await?;
        Ok(cut_to(slice, limit, near, direction))
    }

    async fn survey(
        &self,
        from: Position,
        limit: usize,
        filter: &Filter,
    ) -> Result<Survey, ReadError> {
        let head = self.head().await?;
        if from >= head {
            let slice = AllSlice {
                events: Vec::new(),
                examined: from,
                end: true,
            };
            return Ok(Survey {
                slice,
                left_out: Vec::new(),
            });
        }
        let filter = filter.clone();
        self.shared
            .read(move |reader| reader.survey(from, head, limit, &filter))
            .await
    }

    async fn removed(
        &self,
        after: Position,
        up_to: Position,
        limit: usize,
        filter: &Filter,
    ) -> Result<Removals, ReadError> {
        let none = after >= up_to.min(self.shared.last_removed());
        if none && !self.shared.is_closed() {
            return Ok(Removals {
                events: Vec::new(),
                examined: up_to,
            });
        }
        let filter = filter.clone();
        self.shared
            .read(move |reader| reader.removed(after, up_to, limit, &filter))
            .await
    }

    fn subscribe(
        &self,
        from: Position,
        filter: Filter,
    ) -> BoxStream<'static, Result<Delivery, ReadError>> {
        let subscription = Subscription::new(Arc::clone(&self.shared), from, filter);
        Box::pin(futures::stream::unfold(subscription, |mut this| async {
            this.next().await.map(|item| (item, this))
        }))
    }

    async fn head(&self) -> Result<Position, ReadError> {
        if self.shared.is_closed() {
            return Err(closed());
        }
        Ok(*self.shared.head.borrow())
    }

    async fn metadata(
        &self,
        stream: &StreamName,
    ) -> Result<(StreamMetadata, Option<u64>), ReadError> {
        let stream = stream.clone();
        self.shared
            .read(move |reader| reader.metadata(&stream))
            .await
    }

    async fn set_metadata(
        &self,
        stream: &StreamName,
        expected: Expected,
        metadata: StreamMetadata,
    ) -> Result<Appended, AppendError> {
        let operation = Operation::Describe(stream.clone(), expected, metadata);
        self.write(operation, 0).await
    }

    async fn delete(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Position, AppendError> {
        let operation = Operation::Delete(stream.clone(), expected);
        self.write(operation, 0).await.map(|done| done.position)
    }

    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Position, AppendError> {
        let operation = Operation::Tombstone(stream.clone(), expected);
        self.write(operation, 0).await.map(|done| done.position)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    async fn close(&self) {
        let thread = self.begin_close();
        self.shared.close_readers().await;
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        self.shared.announce_closed();
    }
}

/// Drops the event that was read only to see whether more is there.
fn cut_to(mut slice: AllSlice, limit: usize, near: Position, direction: Direction) -> AllSlice {
    if slice.events.len() > limit {
        slice.events.truncate(limit);
        slice.examined = slice.events.last().map_or(near, |event| event.position);
        slice.end = false;
    } else if slice.end && direction == Direction::Backward {
        slice.examined = Position::START;
    }
    slice
}
