//! The engine on logs in memory: follow, wait, resume, park, rebuild, page.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::kernel::{ConsistencyToken, Moment, Position, StreamName, derived_id};
use crate::log::memory::MemoryLog;
use crate::log::witness::Witness;
use crate::log::{EventLog, Expected, NewEvent};
use crate::projection::{Ask, Model, Projections, QueryError, Retried, Rows, Settings};

const WAIT: Duration = Duration::from_secs(20);

/// A model of two services that counts by word.
fn words() -> Model {
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

struct World {
    dir: tempfile::TempDir,
    one: MemoryLog,
    two: MemoryLog,
}

impl World {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            one: MemoryLog::new(),
            two: MemoryLog::new(),
        }
    }

    async fn start(&self, model: Model) -> Projections {
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

    async fn says(&self, stream: &str, word: &str, times: i64) -> ConsistencyToken {
        let (service, log, event_type) = if stream.starts_with("one") {
            ("one", &self.one, "OneSaid")
        } else {
            ("two", &self.two, "TwoSaid")
        };
        let data = json!({"word": word, "times": times}).to_string();
        ConsistencyToken::new(service, append(log, stream, event_type, data).await)
    }
}

async fn append(log: &MemoryLog, stream: &str, event_type: &str, data: String) -> Position {
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
async fn for_the_status_of_all_models_each_log_is_asked_once_and_side_by_side() {
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

fn ask<'a>(query: &'a str, parameters: &'a Map<String, Value>) -> Ask<'a> {
    Ask {
        model: "words",
        query,
        parameters,
        filter: "",
        page_size: 0,
        page_token: "",
    }
}

async fn list(projections: &Projections) -> Vec<String> {
    projections.rows("words", &[]).await.unwrap()
}

async fn settled(projections: &Projections, operation: &str) -> crate::projection::Operation {
    loop {
        let operation = projections.operation(operation).unwrap();
        if operation.done {
            return operation;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_query_that_waits_for_its_token_sees_its_own_write() {
    let world = World::new();
    let projections = world.start(words()).await;
    for round in 1..=20 {
        let token = world.says("one-a", "tern", 1).await;
        projections.wait_for("words", &token, WAIT).await.unwrap();
        assert_eq!(
            list(&projections).await,
            [format!("word | word=tern | ones={round} | twos=0")]
        );
    }
    projections.close().await;
}

#[tokio::test]
async fn a_token_is_reached_by_events_that_do_not_matter_too() {
    let world = World::new();
    let projections = world.start(words()).await;
    let position = append(&world.two, "two-a", "Unheard", "{}".to_owned()).await;
    let token = ConsistencyToken::new("two", position);
    projections.wait_for("words", &token, WAIT).await.unwrap();
    let elsewhere = ConsistencyToken::new("three", Position(9));
    projections
        .wait_for("words", &elsewhere, WAIT)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_never_comes_is_said_to_lag() {
    let world = World::new();
    let projections = world.start(words()).await;
    let token = ConsistencyToken::new("one", Position(9));
    let lag = projections
        .wait_for("words", &token, Duration::from_millis(20))
        .await;
    assert!(
        matches!(
            lag,
            Err(QueryError::Lagging {
                needed: Position(9),
                ..
            })
        ),
        "{lag:?}"
    );
}

#[tokio::test]
async fn a_restart_goes_on_where_it_stopped() {
    let world = World::new();
    let projections = world.start(words()).await;
    let token = world.says("one-a", "tern", 2).await;
    projections.wait_for("words", &token, WAIT).await.unwrap();
    projections.close().await;
    world.says("two-a", "tern", 3).await;
    let token = world.says("two-a", "gull", 1).await;
    let projections = world.start(words()).await;
    projections.wait_for("words", &token, WAIT).await.unwrap();
    assert_eq!(
        list(&projections).await,
        [
            "word | word=gull | ones=0 | twos=1",
            "word | word=tern | ones=2 | twos=3"
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_applied_is_parked_with_its_stream_and_the_rest_goes_on() {
    let world = World::new();
    let projections = world.start(words()).await;
    let bad = append(
        &world.one,
        "one-a",
        "OneSaid",
        r#"{"word":"tern","times":null}"#.to_owned(),
    )
    .await;
    let behind = world.says("one-a", "tern", 1).await;
    let token = world.says("one-b", "gull", 1).await;
    projections.wait_for("words", &token, WAIT).await.unwrap();
    assert_eq!(
        list(&projections).await,
        ["word | word=gull | ones=1 | twos=0"]
    );

    let parked = projections.parked("words", None, 10).await.unwrap();
    assert_eq!(parked.len(), 2);
    assert!(parked[0].cause.contains("NOT NULL"), "{}", parked[0].cause);
    assert_eq!(parked[1].cause, "", "it only waits behind the first");
    assert_eq!(projections.status().await[0].parked, 2);

    let behind = behind.iter().next().unwrap().1;
    let answer = projections.retry("words", "one", behind).await.unwrap();
    assert_eq!(answer, Retried::Behind { position: bad });
    let answer = projections.retry("words", "one", bad).await.unwrap();
    assert!(matches!(answer, Retried::Failed { .. }), "{answer:?}");
    let answer = projections
        .skip("words", "one", bad, "a test")
        .await
        .unwrap();
    assert_eq!(answer, Retried::Handled { followed: 1 });
    assert_eq!(
        projections
            .skip("words", "one", bad, "again")
            .await
            .unwrap(),
        Retried::Unknown
    );
    assert_eq!(projections.status().await[0].parked, 0);
    let skipped = [
        "word | word=gull | ones=1 | twos=0",
        "word | word=tern | ones=1 | twos=0",
    ];
    assert_eq!(list(&projections).await, skipped);

    let operation = projections.rebuild("words", Uuid::from_u128(1)).unwrap();
    assert_eq!(settled(&projections, &operation.name).await.error, "");
    assert_eq!(
        list(&projections).await,
        skipped,
        "a rebuild passes over it again"
    );
}

#[tokio::test]
async fn a_changed_folder_is_rebuilt_beside_the_old_rows_and_unparks_what_it_can_apply() {
    let world = World::new();
    let projections = world.start(words()).await;
    append(
        &world.one,
        "one-a",
        "OneSaid",
        r#"{"word":"tern","times":null}"#.to_owned(),
    )
    .await;
    let token = world.says("one-b", "gull", 1).await;
    projections.wait_for("words", &token, WAIT).await.unwrap();
    projections.close().await;

    let mut changed = words();
    changed.on.insert(
        "OneSaid".to_owned(),
        "INSERT INTO word (word, ones) VALUES (:word, 10 * coalesce(:times, 1))".to_owned(),
    );
    let projections = world.start(changed).await;
    let wanted = [
        "word | word=gull | ones=10 | twos=0",
        "word | word=tern | ones=10 | twos=0",
    ];
    while list(&projections).await != wanted {
        tokio::task::yield_now().await;
    }
    while projections.status().await[0].rebuilding {
        tokio::task::yield_now().await;
    }
    assert_eq!(projections.status().await[0].parked, 0);
    projections.close().await;
    assert_eq!(
        files(world.dir.path()),
        ["words.2.db"],
        "the old file is gone"
    );
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "db"))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_under_writes_gives_the_same_rows_and_queries_never_stop() {
    let world = Arc::new(World::new());
    let projections = world.start(words()).await;
    let writer = tokio::spawn({
        let world = Arc::clone(&world);
        async move {
            let mut token = ConsistencyToken::new("one", Position::START);
            for round in 0..600 {
                let stream = if round % 2 == 0 { "one-a" } else { "two-a" };
                token = world.says(stream, &format!("w{}", round % 7), 1).await;
            }
            token
        }
    });
    for round in 0..3 {
        let operation = projections
            .rebuild("words", Uuid::from_u128(round))
            .unwrap();
        let again = projections
            .rebuild("words", Uuid::from_u128(round))
            .unwrap();
        assert_eq!(
            again.name, operation.name,
            "the same request is the same operation"
        );
        while !projections.operation(&operation.name).unwrap().done {
            projections.query(ask("list", &Map::new())).await.unwrap();
        }
        assert_eq!(projections.operation(&operation.name).unwrap().error, "");
    }
    let token = writer.await.unwrap();
    projections.wait_for("words", &token, WAIT).await.unwrap();
    let live = list(&projections).await;
    let spoken: i64 = projections
        .query(ask("list", &Map::new()))
        .await
        .unwrap()
        .rows
        .iter()
        .map(|row| row["ones"].as_i64().unwrap() + row["twos"].as_i64().unwrap())
        .sum();
    assert_eq!(spoken, 600);
    let operation = projections.rebuild("words", Uuid::from_u128(9)).unwrap();
    settled(&projections, &operation.name).await;
    assert_eq!(list(&projections).await, live);
    projections.close().await;
}

#[tokio::test]
async fn a_file_that_the_machine_may_not_have_written_out_is_built_anew() {
    let world = World::new();
    let token = world.says("one-a", "tern", 1).await;
    for (closed, file) in [(1, "words.1.db"), (0, "words.2.db")] {
        let projections = world.start(words()).await;
        projections.wait_for("words", &token, WAIT).await.unwrap();
        assert_eq!(list(&projections).await.len(), 1);
        projections.close().await;
        let path = world.dir.path().join("words.1.db");
        let conn = rusqlite::Connection::open(path).unwrap();
        let stored: i64 = conn
            .query_row("SELECT closed FROM annals_model", [], |row| row.get(0))
            .unwrap();
        assert_eq!(stored, 1, "a proper end says so");
        conn.execute(
            "UPDATE annals_model SET boot = 'an earlier start', closed = ?1",
            [closed],
        )
        .unwrap();
        drop(conn);
        let projections = world.start(words()).await;
        projections.wait_for("words", &token, WAIT).await.unwrap();
        assert_eq!(
            list(&projections).await,
            ["word | word=tern | ones=1 | twos=0"]
        );
        projections.close().await;
        assert_eq!(files(world.dir.path()), [file]);
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_built_anew() {
    let world = World::new();
    let token = world.says("one-a", "tern", 1).await;
    std::fs::write(world.dir.path().join("words.7.db"), vec![b'x'; 8192]).unwrap();
    let projections = world.start(words()).await;
    projections.wait_for("words", &token, WAIT).await.unwrap();
    assert_eq!(
        list(&projections).await,
        ["word | word=tern | ones=1 | twos=0"]
    );
}

async fn all_pages(projections: &Projections, filter: &str, size: i32) -> Vec<String> {
    let (parameters, mut token, mut words) = (Map::new(), String::new(), Vec::new());
    loop {
        let asked = Ask {
            filter,
            page_size: size,
            page_token: &token,
            ..ask("list", &parameters)
        };
        let Rows {
            rows,
            next_page_token,
        } = projections.query(asked).await.unwrap();
        assert!(rows.len() <= usize::try_from(size).unwrap());
        words.extend(
            rows.iter()
                .map(|row| row["word"].as_str().unwrap().to_owned()),
        );
        if next_page_token.is_empty() {
            return words;
        }
        token = next_page_token;
    }
}

#[tokio::test]
async fn pages_of_any_size_hold_every_row_once_and_in_order() {
    let world = World::new();
    let projections = world.start(words()).await;
    let mut token = ConsistencyToken::new("one", Position::START);
    for n in 0..25 {
        token = world.says("one-a", &format!("w{n:02}"), n).await;
    }
    projections.wait_for("words", &token, WAIT).await.unwrap();
    let every: Vec<String> = (0..25).map(|n| format!("w{n:02}")).collect();
    for size in [1, 4, 5, 25, 1_000] {
        assert_eq!(all_pages(&projections, "", size).await, every);
    }
    assert_eq!(
        all_pages(&projections, "ones >= 20 OR word = w03", 2).await,
        ["w03", "w20", "w21", "w22", "w23", "w24"]
    );
    assert_eq!(
        all_pages(&projections, "NOT word:\"w0\" AND ones < 12", 2).await,
        ["w10", "w11"]
    );
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_by_name() {
    let world = World::new();
    let projections = world.start(words()).await;
    let token = world.says("one-a", "a", 1).await;
    let token = {
        world.says("one-a", "b", 1).await;
        token
    };
    projections.wait_for("words", &token, WAIT).await.unwrap();
    let none = Map::new();
    let by_name = Map::from_iter([("word".to_owned(), json!("a"))]);
    let list_word = Map::from_iter([("wrd".to_owned(), json!("a"))]);
    let first = projections
        .query(Ask {
            page_size: 1,
            ..ask("list", &none)
        })
        .await
        .unwrap();
    assert!(
        projections
            .query(ask("one", &by_name))
            .await
            .unwrap()
            .rows
            .len()
            == 1
    );
    let projections = &projections;
    let text = |asked| async move { projections.query(asked).await.unwrap_err().to_string() };
    assert_eq!(
        text(Ask {
            model: "word",
            ..ask("list", &none)
        })
        .await,
        "no read model word; did you mean words?"
    );
    assert_eq!(
        text(ask("lst", &none)).await,
        "read model words has no query lst; did you mean list?"
    );
    assert_eq!(
        text(ask("one", &none)).await,
        "parameter word: it is missing"
    );
    assert_eq!(
        text(ask("one", &list_word)).await,
        "parameter wrd: the query has no such parameter"
    );
    assert_eq!(
        text(Ask {
            filter: "wrd = a",
            ..ask("list", &none)
        })
        .await,
        "filter: at character 1: no column wrd; did you mean word?"
    );
    for size in [-1, 1_001, i32::MIN] {
        assert!(
            text(Ask {
                page_size: size,
                ..ask("list", &none)
            })
            .await
            .contains("0 to 1000")
        );
    }
    let elsewhere = Ask {
        page_token: &first.next_page_token,
        filter: "ones = 1",
        ..ask("list", &none)
    };
    assert!(text(elsewhere).await.contains("other fields"));
    let (filter, page_token) = ("", "%%");
    assert!(
        text(Ask {
            filter,
            page_token,
            ..ask("list", &none)
        })
        .await
        .contains("page_token")
    );
}

#[tokio::test]
async fn a_query_without_end_is_ended() {
    let world = World::new();
    let projections = world.start(words()).await;
    let outcome = projections.query(ask("endless", &Map::new())).await;
    assert!(
        matches!(outcome, Err(QueryError::TooLong(_))),
        "{outcome:?}"
    );
    projections.query(ask("list", &Map::new())).await.unwrap();
}
