//! Subscriptions to derived streams while events are recorded, or scavenged, between any two reads of the log. Guards against: a
//! link that is counted and never sent where what is there ends and what comes begins, or that has another's number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals::kernel::{Position, StreamName};
use annals::log::memory::MemoryLog;
use annals::log::sqlite::{Options as EngineOptions, SqliteLog};
use annals::log::{
    AllSlice, AppendError, Appended, Delivery, Direction, EventLog, Expected, Filter, Health,
    NewEvent, ReadError, ReadFrom, Removals, StreamMetadata, StreamSlice, wire,
};
use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::{Mutex, Notify, watch};
use uuid::Uuid;

use crate::wire_client::*;
use crate::wire_consumer::{create, join};

/// How often something happens meanwhile.
const BUSY: u64 = 8;

/// A log with which somebody does something right after each of the first reads of all of it.
struct Busy {
    log: Arc<dyn EventLog>,
    reads: AtomicU64,
    does: Does,
    gate: Arc<Gate>,
}

enum Does {
    /// Appends an event of the category.
    Append(MemoryLog),
    /// Hides two more events of `x-cut`, and scavenges.
    Scavenge(Arc<SqliteLog>),
}

/// Where deliveries of the category's events can be held up.
#[derive(Default)]
struct Gate {
    held: Mutex<()>,
    arrived: Notify,
}

/// A served log that is scavenged between reads.
struct Scavenged {
    node: Node,
    engine: Arc<SqliteLog>,
    gate: Arc<Gate>,
}

impl Busy {
    async fn node() -> Node {
        let log = MemoryLog::new();
        let busy = Self {
            log: Arc::new(log.clone()),
            reads: AtomicU64::new(0),
            does: Does::Append(log),
            gate: Arc::default(),
        };
        Node::over(Arc::new(busy), wire::Options::default(), None).await
    }

    async fn scavenged() -> Scavenged {
        let dir = tempfile::tempdir().unwrap();
        let engine = Arc::new(SqliteLog::open(dir.path(), EngineOptions::default()).unwrap());
        let gate = Arc::<Gate>::default();
        let busy = Self {
            log: Arc::<SqliteLog>::clone(&engine),
            reads: AtomicU64::new(0),
            does: Does::Scavenge(Arc::clone(&engine)),
            gate: Arc::clone(&gate),
        };
        let node = Node::over(Arc::new(busy), wire::Options::default(), Some(dir)).await;
        Scavenged { node, engine, gate }
    }

    async fn meanwhile(&self) {
        let time = self.reads.fetch_add(1, Ordering::SeqCst);
        match &self.does {
            _ if time >= BUSY => {}
            Does::Append(log) => {
                let event = NewEvent {
                    id: Uuid::from_u128(u128::from(1000 + time)),
                    event_type: "happened".into(),
                    is_json: true,
                    data: "{}".into(),
                    metadata: "".into(),
                };
                let stream = StreamName::new("x-1").unwrap();
                let appended = log.append(&stream, Expected::Any, vec![event]).await;
                appended.unwrap();
            }
            Does::Scavenge(log) => {
                scavenge(log, 2 * (i64::try_from(time).unwrap() + 1)).await;
            }
        }
    }
}

/// Hides the events of `x-cut` before this revision, and scavenges.
async fn scavenge(log: &SqliteLog, before: i64) {
    let hidden = StreamMetadata {
        truncate_before: Some(before),
        ..StreamMetadata::default()
    };
    let stream = StreamName::new("x-cut").unwrap();
    let described = log.set_metadata(&stream, Expected::Any, hidden).await;
    described.unwrap();
    log.scavenge(|_| {}).await.unwrap();
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
        self.meanwhile().await;
        slice
    }

    async fn removed(
        &self,
        after: Position,
        up_to: Position,
        limit: usize,
        filter: &Filter,
    ) -> Result<Removals, ReadError> {
        self.log.removed(after, up_to, limit, filter).await
    }

    fn subscribe(
        &self,
        from: Position,
        filter: Filter,
    ) -> BoxStream<'static, Result<Delivery, ReadError>> {
        let gate = Arc::clone(&self.gate);
        let told = self.log.subscribe(from, filter).then(move |delivery| {
            let gate = Arc::clone(&gate);
            async move {
                if let Ok(Delivery::Events(events)) = &delivery
                    && events
                        .iter()
                        .any(|event| event.stream.as_str().starts_with("x-"))
                {
                    gate.arrived.notify_one();
                    drop(gate.held.lock().await);
                }
                delivery
            }
        });
        Box::pin(told)
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

/// Writes to `x-cut` and `x-kept` in turn: what is kept has the odd numbers.
async fn in_turn(node: &Node, turns: std::ops::Range<u128>) {
    for turn in turns {
        node.put("x-cut", ANY, vec![event(2 * turn + 1)]).await;
        node.put("x-kept", ANY, vec![event(2 * turn + 2)]).await;
    }
}

/// Turns of what is there before.
const TURNS: u128 = 6;

impl Scavenged {
    /// Puts what has the numbers from 12 to 17; before anybody is told, 13 to 15 go.
    async fn go_unheard(&self) {
        let held = self.gate.held.lock().await;
        self.node.put("x-kept", ANY, vec![event(100)]).await;
        self.gate.arrived.notified().await;
        let cut = (101..105).map(event).collect();
        self.node.put("x-cut", ANY, cut).await;
        self.node.put("x-kept", ANY, vec![event(105)]).await;
        scavenge(&self.engine, 1_000).await;
        drop(held);
    }
}

#[tokio::test]
async fn a_subscription_to_a_category_gets_what_is_kept_by_its_number_whatever_goes_meanwhile() {
    let scavenged = Busy::scavenged().await;
    in_turn(&scavenged.node, 0..TURNS).await;
    let open = scavenged.node.open(resolved(live(stream("$ce-x"))));
    let mut open = open.await.unwrap();
    let mut kept = Vec::new();
    loop {
        let said = take(&mut open, 1).await.remove(0);
        if said == "caught up" {
            break;
        }
        kept.extend(Some(said).filter(|said| said.starts_with("x-kept")));
    }
    let expected = (0..TURNS).map(|turn| format!("x-kept@{turn} via $ce-x@{}", 2 * turn + 1));
    assert_eq!(kept, expected.collect::<Vec<_>>());
    scavenged.go_unheard().await;
    assert_eq!(
        take(&mut open, 3).await,
        [
            "x-kept@6 via $ce-x@12",
            "nothing via $ce-x@16",
            "x-kept@7 via $ce-x@17"
        ]
    );
}

#[tokio::test]
async fn a_group_on_a_category_gets_what_is_kept_by_its_number_whatever_goes_meanwhile() {
    let scavenged = Busy::scavenged().await;
    in_turn(&scavenged.node, 0..TURNS).await;
    create(&scavenged.node, "$ce-x").await.unwrap();
    let mut consumer = join(&scavenged.node, "$ce-x", 10).await.unwrap();
    let mut got = Vec::new();
    while got.last().is_none_or(|last| last != "$ce-x@11") {
        got.push(consumer.next_place().await);
    }
    // What went may be missing, and nothing else.
    let numbers = (0..2 * TURNS).map(|number| (number, format!("$ce-x@{number}")));
    let expected = numbers.filter(|(number, place)| number % 2 == 1 || got.contains(place));
    assert_eq!(got, expected.map(|(_, place)| place).collect::<Vec<_>>());
    scavenged.go_unheard().await;
    for expected in [12, 16, 17] {
        assert_eq!(consumer.next_place().await, format!("$ce-x@{expected}"));
    }
}
