//! The trait, over a [`Cluster`].

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use tokio::sync::watch;

use super::cluster::Cluster;
use super::filter::Scoped;
use super::subscribe::{Subscription, Then};
use super::trouble::Trouble;
use super::write::Ending;
use crate::kernel::{Position, StreamName};
use crate::log::reading::Reading;
use crate::log::rules::Protected;
use crate::log::system_events::{check_no_metastream, metadata_event};
use crate::log::{
    AllSlice, AppendError, Appended, Delivery, Direction, EventLog, Expected, Filter, Health,
    NewEvent, ReadError, ReadFrom, StreamMetadata, StreamSlice, rules,
};

/// What a log is on a server that others use, too.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Beginnings of the names of its streams; none: all streams of the server.
    pub scope: Vec<String>,
    /// Categories whose streams are kept for ever.
    pub protected: Protected,
}

impl Options {
    /// The same with the metadata of its streams: for whoever copies a log, and not for whoever follows its events.
    #[must_use]
    pub fn with_metadata(mut self) -> Self {
        let described: Vec<String> = self.scope.iter().map(|own| format!("$${own}")).collect();
        self.scope.extend(described);
        self
    }
}

/// A log in an `EventStoreDB`. See the module.
pub struct EsdbLog {
    cluster: Arc<Cluster>,
    options: Options,
    health: watch::Sender<Health>,
}

impl EsdbLog {
    /// A log on `cluster`.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, options: Options) -> Self {
        let health = watch::Sender::new(Health::Serving);
        cluster.add(health.clone());
        Self {
            cluster,
            options,
            health,
        }
    }

    /// Whether `stream` is one of this log's.
    pub(super) fn has_room_for(&self, stream: &StreamName) -> bool {
        let scope = &self.options.scope;
        scope.is_empty() || scope.iter().any(|own| stream.as_str().starts_with(own))
    }

    fn open(&self) -> Result<&Cluster, Trouble> {
        if *self.health.borrow() == Health::Closed {
            return Err(Trouble::Closed);
        }
        Ok(&self.cluster)
    }

    fn open_to_write(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<&Cluster, AppendError> {
        self.open()
            .map_err(|trouble| trouble.of_append(stream, expected))
    }

    /// Refuses what a protected stream refuses.
    pub(super) fn check(
        &self,
        stream: &StreamName,
        events: &[NewEvent],
    ) -> Result<(), AppendError> {
        match rules::owner_of(stream) {
            Some(owner) => self.options.protected.check_metadata(&owner, events),
            None => Ok(()),
        }
    }

    fn deliveries(
        &self,
        from: Position,
        filter: Filter,
        then: Then,
    ) -> BoxStream<'static, Result<Delivery, ReadError>> {
        let subscription = Subscription::new(
            Arc::clone(&self.cluster),
            Scoped::within(&self.options.scope, filter),
            (from, then),
            self.health.subscribe(),
        );
        Box::pin(futures::stream::unfold(subscription, |mut this| async {
            this.next().await.map(|item| (item, this))
        }))
    }

    async fn end(
        &self,
        stream: &StreamName,
        expected: Expected,
        ending: Ending,
    ) -> Result<Position, AppendError> {
        let cluster = self.open_to_write(stream, expected)?;
        if matches!(ending, Ending::Delete) {
            check_no_metastream(stream)?;
        }
        if self.options.protected.covers_either(stream) {
            return Err(AppendError::Protected(stream.clone()));
        }
        cluster.end(stream, expected, ending).await
    }
}

#[async_trait]
impl EventLog for EsdbLog {
    async fn append(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        let cluster = self.open_to_write(stream, expected)?;
        rules::validate(&events)?;
        self.check(stream, &events)?;
        cluster.append(stream, expected, &events).await
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
    ) -> Result<StreamSlice, ReadError> {
        let cluster = self.open().map_err(|trouble| trouble.of_read(None))?;
        cluster.read(stream, from, direction, limit).await
    }

    async fn read_all(
        &self,
        from: Option<Position>,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllSlice, ReadError> {
        let cluster = self.open().map_err(|trouble| trouble.of_read(None))?;
        let scoped = Scoped::within(&self.options.scope, filter.clone());
        // A server filters what it is subscribed for, forward only, and no other read.
        if direction == Direction::Forward && scoped.of_server().is_some() {
            return Reading::of(self, from, filter.clone()).slice(limit).await;
        }
        cluster
            .read_everything(from, direction, limit, &scoped)
            .await
    }

    fn subscribe(
        &self,
        from: Position,
        filter: Filter,
    ) -> BoxStream<'static, Result<Delivery, ReadError>> {
        self.deliveries(from, filter, Then::Follow)
    }

    fn read_through(
        &self,
        from: Position,
        filter: Filter,
    ) -> BoxStream<'static, Result<Delivery, ReadError>> {
        self.deliveries(from, filter, Then::End)
    }

    async fn head(&self) -> Result<Position, ReadError> {
        let fail = |trouble: Trouble| trouble.of_read(None);
        let head = self.open().map_err(fail)?.head().await.map_err(fail)?;
        if self.options.scope.is_empty() {
            return Ok(head);
        }
        let hub = self.cluster.hub().await.map_err(fail)?;
        Ok(hub.end_of(&self.options.scope, head).await)
    }

    async fn metadata(
        &self,
        stream: &StreamName,
    ) -> Result<(StreamMetadata, Option<u64>), ReadError> {
        let cluster = self.open().map_err(|trouble| trouble.of_read(None))?;
        cluster
            .stream_metadata(stream)
            .await
            .map_err(|trouble| trouble.of_read(Some(stream)))
    }

    async fn set_metadata(
        &self,
        stream: &StreamName,
        expected: Expected,
        metadata: StreamMetadata,
    ) -> Result<Appended, AppendError> {
        let cluster = self.open_to_write(stream, expected)?;
        let last = match expected {
            Expected::NoStream | Expected::Exact(_) => None,
            Expected::Any | Expected::StreamExists => {
                cluster
                    .stream_metadata(stream)
                    .await
                    .map_err(|trouble| trouble.of_append(stream, expected))?
                    .1
            }
        };
        let event = metadata_event(stream, expected, last, &metadata);
        let metastream = stream.metastream();
        self.check(&metastream, std::slice::from_ref(&event))?;
        cluster.append(&metastream, expected, &[event]).await
    }

    async fn delete(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Position, AppendError> {
        self.end(stream, expected, Ending::Delete).await
    }

    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Position, AppendError> {
        self.end(stream, expected, Ending::Tombstone).await
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    async fn close(&self) {
        self.health.send_replace(Health::Closed);
    }
}
