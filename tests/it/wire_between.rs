//! Subscriptions to derived streams while events are recorded between any two reads of the log. Guards against: a link
//! that is counted and never sent where what is there ends and what comes begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals::kernel::{Position, StreamName};
use annals::log::memory::MemoryLog;
use annals::log::{
    AllSlice, AppendError, Appended, Delivery, Direction, EventLog, Expected, Filter, Health,
    NewEvent, ReadError, ReadFrom, StreamMetadata, StreamSlice, wire,
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use tokio::sync::watch;
use uuid::Uuid;

use crate::wire_client::*;
use crate::wire_consumer::{create, join};

/// Reads of the whole log that are each followed by an event.
const BUSY: u64 = 8;

/// A log to which somebody appends an event right after each of the first reads of all of it.
struct Busy {
    log: MemoryLog,
    reads: AtomicU64,
}

impl Busy {
    async fn node() -> Node {
        let log = Self {
            log: MemoryLog::new(),
            reads: AtomicU64::new(0),
        };
        Node::over(Arc::new(log), wire::Options::default(), None).await
    }
}

#[async_trait]
impl EventLog for Busy {
    async fn append(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        self.log.append(stream, expected, events).await
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
    ) -> Result<StreamSlice, ReadError> {
        self.log.read_stream(stream, from, direction, limit).await
    }

    async fn read_all(
        &self,
        from: Option<Position>,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllSlice, ReadError> {
        let slice = self.log.read_all(from, direction, limit, filter).await;
        let read = self.reads.fetch_add(1, Ordering::SeqCst);
        if read < BUSY {
            let event = NewEvent {
                id: Uuid::from_u128(u128::from(1000 + read)),
                event_type: "happened".into(),
                is_json: true,
                data: "{}".into(),
                metadata: "".into(),
            };
            let stream = StreamName::new("x-1").unwrap();
            let appended = self.log.append(&stream, Expected::Any, vec![event]).await;
            appended.unwrap();
        }
        slice
    }

    fn subscribe(
        &self,
        from: Position,
        filter: Filter,
    ) -> BoxStream<'static, Result<Delivery, ReadError>> {
        self.log.subscribe(from, filter)
    }

    async fn head(&self) -> Result<Position, ReadError> {
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

#[tokio::test]
async fn a_subscription_to_a_category_gets_every_link_once_whenever_it_came_to_be() {
    let node = Busy::node().await;
    node.put("x-1", ANY, vec![event(1)]).await;
    let mut open = node.open(live(stream("$ce-x"))).await.unwrap();
    assert_eq!(take(&mut open, 1).await, ["confirmed"]);
    let mut links = Vec::new();
    while links.len() < 4 {
        let said = take(&mut open, 1).await.remove(0);
        if said != "caught up" {
            links.push(said);
        }
    }
    assert_eq!(links, ["$ce-x@0", "$ce-x@1", "$ce-x@2", "$ce-x@3"]);
}

#[tokio::test]
async fn a_group_on_a_category_gets_every_link_once_whenever_it_came_to_be() {
    let node = Busy::node().await;
    node.put("x-1", ANY, vec![event(1)]).await;
    create(&node, "$ce-x").await.unwrap();
    let mut consumer = join(&node, "$ce-x", 10).await.unwrap();
    for expected in 0..4 {
        let link = format!("$ce-x@{expected}");
        assert_eq!(consumer.next_place().await, link);
    }
}
