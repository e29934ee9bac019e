//! A log for tests that counts what is read of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::{Barrier, watch};

use super::memory::MemoryLog;
use super::{
    AllSlice, AppendError, Appended, Delivery, Direction, EventLog, Expected, Filter, Health,
    NewEvent, ReadError, ReadFrom, StreamMetadata, StreamSlice, Survey,
};
use crate::kernel::{Position, StreamName};

/// A log in memory, and how much was read of it.
#[derive(Default)]
pub(crate) struct Witness {
    log: MemoryLog,
    heads: AtomicUsize,
    events: Arc<AtomicUsize>,
    gate: Option<Arc<Barrier>>,
    forgetful: bool,
    page: Option<usize>,
}

impl Witness {
    /// Of `log`.
    pub(crate) fn of(log: MemoryLog) -> Self {
        Self {
            log,
            ..Self::default()
        }
    }

    /// The same; it says where it ends only when so many logs as `gate` is for are asked at the same time.
    pub(crate) fn behind(mut self, gate: &Arc<Barrier>) -> Self {
        self.gate = Some(Arc::clone(gate));
        self
    }

    /// The same; it answers a repeated append as if it were new, as `EventStoreDB` does.
    pub(crate) fn forgetful(mut self) -> Self {
        self.forgetful = true;
        self
    }

    /// The same; of a stream it gives no more than so many events at once, as where they are large.
    pub(crate) fn in_pages_of(mut self, events: usize) -> Self {
        self.page = Some(events);
        self
    }

    /// How often it was asked for its end.
    pub(crate) fn heads(&self) -> usize {
        self.heads.load(Ordering::SeqCst)
    }

    /// How many events were read of all of it, by reads and subscriptions.
    pub(crate) fn events(&self) -> usize {
        self.events.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl EventLog for Witness {
    async fn append(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        let mut appended = self.log.append(stream, expected, events).await?;
        appended.repeated &= !self.forgetful;
        Ok(appended)
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
    ) -> Result<StreamSlice, ReadError> {
        let limit = limit.min(self.page.unwrap_or(limit));
        self.log.read_stream(stream, from, direction, limit).await
    }

    async fn read_all(
        &self,
        from: Option<Position>,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllSlice, ReadError> {
        let slice = self.log.read_all(from, direction, limit, filter).await?;
        self.events.fetch_add(slice.events.len(), Ordering::SeqCst);
        Ok(slice)
    }

    async fn survey(
        &self,
        from: Position,
        limit: usize,
        filter: &Filter,
    ) -> Result<Survey, ReadError> {
        let survey = self.log.survey(from, limit, filter).await?;
        let count = survey.slice.events.len();
        self.events.fetch_add(count, Ordering::SeqCst);
        Ok(survey)
    }

    fn subscribe(
        &self,
        from: Position,
        filter: Filter,
    ) -> BoxStream<'static, Result<Delivery, ReadError>> {
        let events = Arc::clone(&self.events);
        Box::pin(self.log.subscribe(from, filter).inspect(move |item| {
            if let Ok(Delivery::Events(more)) = item {
                events.fetch_add(more.len(), Ordering::SeqCst);
            }
        }))
    }

    async fn head(&self) -> Result<Position, ReadError> {
        self.heads.fetch_add(1, Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.wait().await;
        }
        self.log.head().await
    }

    async fn metadata(
        &self,
        stream: &StreamName,
    ) -> Result<(StreamMetadata, Option<u64>), ReadError> {
        self.log.metadata(stream).await
    }

    async fn set_metadata(
        &self,
        stream: &StreamName,
        expected: Expected,
        metadata: StreamMetadata,
    ) -> Result<Appended, AppendError> {
        self.log.set_metadata(stream, expected, metadata).await
    }

    async fn delete(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Position, AppendError> {
        self.log.delete(stream, expected).await
    }

    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Position, AppendError> {
        self.log.tombstone(stream, expected).await
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.log.health()
    }

    async fn close(&self) {
        self.log.close().await;
    }
}
