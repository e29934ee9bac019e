//! The links of derived streams against a model that counts everything that was ever written.
//!
//! Guards against: a link whose revision changes when events are scavenged, that comes twice, or is left out; a read
//! that ends too early or never. Marks and pages are a few events apart here.

use std::sync::Arc;

use proptest::prelude::*;
use tokio::sync::watch;
use uuid::Uuid;

use crate::kernel::{Position, StreamName};
use crate::log::sqlite::{Options as EngineOptions, SqliteLog};
use crate::log::wire::derived::{Numbering, source_of};
use crate::log::wire::node::{Node, Options};
use crate::log::{
    Direction, EventLog, Expected, Filter, NewEvent, ReadFrom, RecordedEvent, StreamMetadata,
};

const STREAMS: [&str; 5] = ["x-1", "x-2", "x-3", "y-1", "y-2"];
const TYPES: [&str; 2] = ["A", "B"];
const DERIVED: [&str; 4] = ["$ce-x", "$ce-y", "$et-A", "$et-B"];

#[derive(Debug, Clone)]
enum Step {
    Append {
        stream: usize,
        event_type: usize,
        events: usize,
    },
    /// Only the last so many are seen; none: all.
    Keep {
        stream: usize,
        last: Option<i64>,
    },
    Scavenge,
    Read {
        derived: usize,
        from: ReadFrom,
        forward: bool,
        limit: usize,
    },
    /// The live subscriptions are told what came.
    Hear,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let from = prop_oneof![
        Just(ReadFrom::Start),
        Just(ReadFrom::End),
        (0..60_u64).prop_map(ReadFrom::Revision),
    ];
    let streams = 0..STREAMS.len();
    prop_oneof![
        6 => (streams.clone(), 0..TYPES.len(), 1..9_usize)
            .prop_map(|(stream, event_type, events)| Step::Append { stream, event_type, events }),
        3 => (streams, prop::option::weighted(0.9, 1..4_i64))
            .prop_map(|(stream, last)| Step::Keep { stream, last }),
        3 => Just(Step::Scavenge),
        6 => (0..DERIVED.len(), from, any::<bool>(), 1..12_usize)
            .prop_map(|(derived, from, forward, limit)| Step::Read { derived, from, forward, limit }),
        2 => Just(Step::Hear),
        1 => Just(Step::Reopen),
    ]
}

/// One derived stream as somebody sees it who heard of every event.
struct Model {
    stream: StreamName,
    source: Filter,
    /// Positions of all that ever was, by revision.
    ever: Vec<Position>,
    /// What a live subscription numbers by, and how far it has heard.
    numbering: Numbering,
    heard: Position,
}

struct World {
    dir: tempfile::TempDir,
    node: Node,
    engine: Arc<SqliteLog>,
    models: Vec<Model>,
    written: u128,
}

fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

fn open(dir: &std::path::Path) -> (Node, Arc<SqliteLog>) {
    let engine = Arc::new(SqliteLog::open(dir, EngineOptions::default()).unwrap());
    let (_, closing) = watch::channel(false);
    let address = "127.0.0.1:1".parse().unwrap();
    let log: Arc<dyn EventLog> = Arc::<SqliteLog>::clone(&engine);
    (Node::new(log, Options::default(), address, closing), engine)
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (node, engine) = open(dir.path());
        let models = DERIVED.map(|name| {
            let stream = stream(name);
            let source = source_of(&stream).unwrap();
            Model {
                numbering: Numbering::new(0, Position::START, &source),
                heard: Position::START,
                ever: Vec::new(),
                stream,
                source,
            }
        });
        Self {
            dir,
            node,
            engine,
            models: models.into(),
            written: 0,
        }
    }

    async fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Append {
                stream: s,
                event_type,
                events,
            } => {
                let new = (0..events).map(|_| self.event(TYPES[event_type])).collect();
                let done = self
                    .engine
                    .append(&stream(STREAMS[s]), Expected::Any, new)
                    .await;
                let last = done.unwrap().position.0;
                for model in &mut self.models {
                    if model.source.admits(STREAMS[s], TYPES[event_type]).unwrap() {
                        let positions = last + 1 - events as u64..=last;
                        model.ever.extend(positions.map(Position));
                    }
                }
            }
            Step::Keep { stream: s, last } => {
                let metadata = StreamMetadata {
                    max_count: last,
                    ..StreamMetadata::default()
                };
                let described = stream(STREAMS[s]);
                let set = self
                    .engine
                    .set_metadata(&described, Expected::Any, metadata);
                set.await.unwrap();
            }
            Step::Scavenge => {
                self.engine.scavenge(|_| {}).await.unwrap();
            }
            Step::Read {
                derived,
                from,
                forward,
                limit,
            } => {
                let direction = if forward {
                    Direction::Forward
                } else {
                    Direction::Backward
                };
                self.read(derived, from, direction, limit).await?;
            }
            Step::Hear => self.hear().await?,
            Step::Reopen => {
                self.engine.close().await;
                (self.node, self.engine) = open(self.dir.path());
            }
        }
        Ok(())
    }

    fn event(&mut self, event_type: &str) -> NewEvent {
        self.written += 1;
        NewEvent {
            id: Uuid::from_u128(self.written),
            event_type: event_type.into(),
            is_json: true,
            data: "{}".into(),
            metadata: bytes::Bytes::new(),
        }
    }

    async fn there(&self, source: &Filter) -> Vec<Position> {
        let mut there = Vec::new();
        let mut from = None;
        loop {
            let slice = self
                .engine
                .read_all(from, Direction::Forward, 100, source)
                .await;
            let slice = slice.unwrap();
            there.extend(slice.events.iter().map(|event| event.position));
            from = Some(slice.examined);
            if slice.end {
                return there;
            }
        }
    }

    async fn read(
        &self,
        derived: usize,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
    ) -> Result<(), TestCaseError> {
        let model = &self.models[derived];
        let there = self.there(&model.source).await;
        let slice = self
            .node
            .read_stream(&model.stream, from, direction, limit)
            .await
            .unwrap();
        let last = model.ever.len().checked_sub(1);
        prop_assert_eq!(slice.last_revision, last.map(|last| last as u64));
        prop_assert_eq!(slice.exists, last.is_some());
        let links = (0..)
            .zip(&model.ever)
            .filter(|(_, position)| there.contains(position));
        let links: Vec<(u64, Position)> = links.map(|(revision, at)| (revision, *at)).collect();
        let at = match from {
            ReadFrom::Start => 0,
            ReadFrom::End => last.unwrap_or_default() as u64,
            ReadFrom::Revision(revision) => revision,
        };
        let beyond: Vec<_> = match direction {
            Direction::Forward => links.into_iter().filter(|(n, _)| *n >= at).collect(),
            Direction::Backward => links.into_iter().rev().filter(|(n, _)| *n <= at).collect(),
        };
        let wanted = &beyond[..limit.min(beyond.len())];
        prop_assert_eq!(
            places(&slice.events),
            wanted,
            "{} {:?} {:?}",
            model.stream,
            from,
            direction
        );
        // The end may be told late, and then with nothing; never early.
        prop_assert!(!slice.end || wanted.len() == beyond.len());
        prop_assert!(slice.end || !wanted.is_empty());
        Ok(())
    }

    /// What a subscription to the log delivers is numbered as it is read.
    async fn hear(&mut self) -> Result<(), TestCaseError> {
        for model in &mut self.models {
            let from = Some(model.heard);
            let slice = self
                .engine
                .read_all(from, Direction::Forward, 5, &model.source)
                .await
                .unwrap();
            model.heard = slice.examined;
            let numbered = model
                .numbering
                .of(&*self.engine, slice.events)
                .await
                .unwrap();
            for (number, event) in numbered {
                prop_assert_eq!(model.ever[usize::try_from(number).unwrap()], event.position);
            }
        }
        Ok(())
    }
}

fn places(links: &[RecordedEvent]) -> Vec<(u64, Position)> {
    links
        .iter()
        .map(|link| (link.revision, link.position))
        .collect()
}

fn cases() -> u32 {
    if std::env::var_os("ANNALS_FULL").is_some() {
        2_000
    } else {
        32
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_link_keeps_its_revision_whatever_is_scavenged(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.take(step).await?;
            }
            for derived in 0..DERIVED.len() {
                for direction in [Direction::Forward, Direction::Backward] {
                    world.read(derived, ReadFrom::Start, direction, 1_000).await?;
                    world.read(derived, ReadFrom::End, direction, 1_000).await?;
                }
            }
            world.hear().await
        })?;
    }
}
