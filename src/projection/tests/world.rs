//! The engine on logs in memory: a model of two services, what they say, and how it is asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::kernel::{ConsistencyToken, Moment, Position, StreamName, derived_id};
use crate::log::memory::MemoryLog;
use crate::log::witness::Witness;
use crate::log::{EventLog, Expected, NewEvent};
use crate::projection::{Ask, Model, Operation, Projections, Settings};

pub(super) const WAIT: Duration = Duration::from_secs(20);

/// A model of two services that counts by word.
pub(super) fn words() -> Model {
    Model {
        name: "words".into(),
        version: 1,
        sources: vec!["one".into(), "two".into()],
        schema: "CREATE TABLE word (word TEXT PRIMARY KEY, ones BIGINT NOT NULL DEFAULT 0, twos BIGINT NOT NULL DEFAULT 0)"
            .into(),
        any: None,
        on: BTreeMap::from([
            (
                "OneSaid".to_owned(),
                "INSERT INTO word (word, ones) VALUES (:word, :times)
                 ON CONFLICT (word) DO UPDATE SET ones = word.ones + excluded.ones"
                    .to_owned(),
            ),
            (
                "TwoSaid".to_owned(),
                "INSERT INTO word (word, twos) VALUES (:word, :times)
                 ON CONFLICT (word) DO UPDATE SET twos = word.twos + excluded.twos"
                    .to_owned(),
            ),
        ]),
        queries: BTreeMap::from([
            ("list".to_owned(), "-- order: word\nSELECT word, ones, twos FROM word".to_owned()),
            ("one".to_owned(), "-- order: word\nSELECT word, ones FROM word WHERE word = :word".to_owned()),
            (
                "endless".to_owned(),
                "-- order: n\nWITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) AS n FROM c"
                    .to_owned(),
            ),
        ]),
    }
}

pub(super) struct World {
    pub(super) dir: tempfile::TempDir,
    pub(super) one: MemoryLog,
    pub(super) two: MemoryLog,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            one: MemoryLog::new(),
            two: MemoryLog::new(),
        }
    }

    pub(super) async fn start(&self, model: Model) -> Projections {
        let one: Arc<dyn EventLog> = Arc::new(self.one.clone());
        let two: Arc<dyn EventLog> = Arc::new(self.two.clone());
        let logs = HashMap::from([("one", one), ("two", two)]);
        let settings = Settings {
            dir: self.dir.path().to_path_buf(),
            clock: || Moment::EPOCH,
            threads: tokio::runtime::Handle::current(),
        };
        Projections::start([model], &logs, settings).await.unwrap()
    }

    pub(super) async fn says(&self, stream: &str, word: &str, times: i64) -> ConsistencyToken {
        let (service, log, event_type) = if stream.starts_with("one") {
            ("one", &self.one, "OneSaid")
        } else {
            ("two", &self.two, "TwoSaid")
        };
        let data = json!({"word": word, "times": times}).to_string();
        ConsistencyToken::new(service, append(log, stream, event_type, data).await)
    }
}

pub(super) async fn append(
    log: &MemoryLog,
    stream: &str,
    event_type: &str,
    data: String,
) -> Position {
    let head = log.head().await.unwrap();
    let event = NewEvent {
        id: derived_id(&[stream.as_bytes(), &head.0.to_be_bytes()]),
        event_type: event_type.into(),
        is_json: true,
        data: Bytes::from(data),
        metadata: Bytes::from_static(b"{}"),
    };
    let stream = StreamName::new(stream).unwrap();
    log.append(&stream, Expected::Any, vec![event])
        .await
        .unwrap()
        .position
}

#[tokio::test]
pub(super) async fn for_the_status_of_all_models_each_log_is_asked_once_and_side_by_side() {
    let gate = Arc::new(tokio::sync::Barrier::new(2));
    let log = || Arc::new(Witness::of(MemoryLog::new()).behind(&gate));
    let (one, two) = (log(), log());
    let logs: [(_, Arc<dyn EventLog>); 2] = [("one", one.clone()), ("two", two.clone())];
    let logs = HashMap::from(logs);
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        dir: dir.path().to_path_buf(),
        clock: || Moment::EPOCH,
        threads: tokio::runtime::Handle::current(),
    };
    let again = Model {
        name: "again".into(),
        ..words()
    };
    let projections = Projections::start([words(), again], &logs, settings);
    let projections = projections.await.unwrap();
    assert_eq!(projections.status().await.len(), 2);
    assert_eq!((one.heads(), two.heads()), (1, 1));
}

pub(super) fn ask<'a>(query: &'a str, parameters: &'a Map<String, Value>) -> Ask<'a> {
    Ask {
        model: "words",
        query,
        parameters,
        filter: "",
        page_size: 0,
        page_token: "",
    }
}

pub(super) async fn list(projections: &Projections) -> Vec<String> {
    projections.rows("words", &[]).await.unwrap()
}

pub(super) async fn settled(projections: &Projections, operation: &str) -> Operation {
    loop {
        let operation = projections.operation(operation).unwrap();
        if operation.done {
            return operation;
        }
        tokio::task::yield_now().await;
    }
}
