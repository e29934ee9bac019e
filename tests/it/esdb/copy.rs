//! Guards against: a move between engines that loses, changes or reorders an event, or that cannot be taken up again.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use annals::kernel::{StreamName, derived_id};
use annals::log::eventstoredb::{self, EsdbLog};
use annals::log::memory::MemoryLog;
use annals::log::sqlite::{Copied, Numbering, Options, SqliteLog, ToolError};
use annals::log::{
    Direction, EventLog, Expected, Filter, NewEvent, ReadFrom, RecordedEvent, StreamMetadata,
};
use tempfile::TempDir;

use super::{Served, connect};
use crate::support::proxy::{Proxy, Weather};
use crate::support::server::Server;

fn event(number: usize) -> NewEvent {
    let metadata = ["{\"actor\":\"a\"}", "{}", "", "text", "{ }"][number % 5];
    NewEvent {
        id: derived_id(&[b"copy", &number.to_be_bytes()]),
        event_type: "Tested".into(),
        is_json: !number.is_multiple_of(7),
        data: format!("{{\"number\":{number}}}").into(),
        metadata: metadata.into(),
    }
}

/// Appends to streams of two categories, metadata and a tombstone among them.
async fn fill(log: &SqliteLog, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let category = ["application", "candidacy"][number % 2];
        let stream = StreamName::new(format!("{category}-{}", number % 6)).unwrap();
        let events = (0..=number % 3)
            .map(|part| event(number * 10 + part))
            .collect();
        log.append(&stream, Expected::Any, events).await.unwrap();
        if number.is_multiple_of(20) {
            let metadata = StreamMetadata {
                max_age_seconds: Some(1_000_000_000),
                ..StreamMetadata::default()
            };
            log.set_metadata(&stream, Expected::Any, metadata)
                .await
                .unwrap();
        }
    }
}

async fn tombstone(log: &SqliteLog) {
    let ended = StreamName::new("application-ended").unwrap();
    log.append(&ended, Expected::NoStream, vec![event(9_999)])
        .await
        .unwrap();
    log.tombstone(&ended, Expected::Any).await.unwrap();
}

fn annals_log_copy(from: &str, to: &str) -> Output {
    copy_of("applications", from, to)
}

fn copy_of(service: &str, from: &str, to: &str) -> Output {
    Server::command()
        .args(["log", "copy", from, to, "--service", service])
        .output()
        .unwrap()
}

/// What a copy that was refused said.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn copied(from: &str, to: &str) -> String {
    let output = annals_log_copy(from, to);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Everything but positions.
async fn content(log: &SqliteLog) -> Vec<RecordedEvent> {
    let all = log
        .read_all(None, Direction::Forward, usize::MAX, &Filter::default())
        .await
        .unwrap();
    let mut events = all.events;
    for event in &mut events {
        event.position = annals::kernel::Position::START;
        if event.revision == annals::log::rules::TOMBSTONE_REVISION {
            // The server's own event.
            event.id = uuid::Uuid::nil();
            event.recorded_at = annals::kernel::Moment::EPOCH;
        }
    }
    events
}

fn open(dir: &Path) -> SqliteLog {
    SqliteLog::open(dir, Options::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_moves_to_a_server_and_back_and_is_the_same() {
    let (here, back) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let server = MemoryLog::new();
    // Somebody else is on the server, too.
    let other = StreamName::new("placement-1").unwrap();
    server
        .append(&other, Expected::Any, vec![event(77_777)])
        .await
        .unwrap();
    let reachable = Served::start(Arc::new(server.clone())).await;
    let url = reachable.url();
    let (from, to) = (
        here.path().to_str().unwrap().to_owned(),
        back.path().to_str().unwrap().to_owned(),
    );

    let log = open(here.path());
    fill(&log, 0..100).await;
    log.close().await;
    let first = copied(&from, &url);
    assert!(first.contains("compared and equal"), "{first}");
    // What came since is copied by going on.
    let log = open(here.path());
    fill(&log, 100..150).await;
    tombstone(&log).await;
    let original = content(&log).await;
    log.close().await;
    copied(&from, &url);
    // Again: nothing to do, and equal.
    let again = copied(&from, &url);
    assert!(
        again.contains(&format!("{} events", original.len())),
        "{again}"
    );

    copied(&url, &to);
    let log = open(back.path());
    assert_eq!(content(&log).await, original);
    log.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_holds_something_else_is_no_target() {
    let here = TempDir::new().unwrap();
    let log = open(here.path());
    fill(&log, 0..5).await;
    log.close().await;
    let server = MemoryLog::new();
    let taken = StreamName::new("application-0").unwrap();
    server
        .append(&taken, Expected::Any, vec![event(88_888)])
        .await
        .unwrap();
    let reachable = Served::start(Arc::new(server)).await;
    let line = complaint(&annals_log_copy(
        here.path().to_str().unwrap(),
        &reachable.url(),
    ));
    assert!(line.contains("no copy of this log"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_under_the_name_of_another_service_leaves_no_event_on_the_server() {
    let here = TempDir::new().unwrap();
    let log = open(here.path());
    fill(&log, 0..5).await;
    log.close().await;
    let server = MemoryLog::new();
    let reachable = Served::start(Arc::new(server.clone())).await;
    let from = here.path().to_str().unwrap();
    let line = complaint(&copy_of("placements", from, &reachable.url()));
    assert!(
        line.contains("stream application-0 does not belong"),
        "{line}"
    );
    assert_eq!(server.head().await.unwrap().0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_services_log_is_no_target_and_stays_as_it_is() {
    let there = TempDir::new().unwrap();
    let server = MemoryLog::new();
    let reachable = Served::start(Arc::new(server.clone())).await;
    for name in ["placement-1", "application-1", "placement-1"] {
        let stream = StreamName::new(name).unwrap();
        let number = usize::try_from(server.head().await.unwrap().0).unwrap();
        server
            .append(&stream, Expected::Any, vec![event(number)])
            .await
            .unwrap();
    }
    let to = there.path().to_str().unwrap();
    assert!(copy_of("placements", &reachable.url(), to).status.success());
    // Both are on the server, so that each event of the one is found where the other is looked for.
    let line = complaint(&copy_of("applications", &reachable.url(), to));
    assert!(line.contains("no copy of this log"), "{line}");
    let log = open(there.path());
    assert_eq!(content(&log).await.len(), 2);
    log.close().await;
}

/// Of each of two services on the server: many times what is under way between it and a reader.
const EVENTS: usize = 4_000;

/// Copies one of two services away from a server, while `trouble` befalls the connection each time that something arrives.
async fn copied_in(trouble: impl Fn(&Proxy) + Send + Sync) -> Result<Copied, ToolError> {
    let log = MemoryLog::new();
    for number in 0..EVENTS {
        for category in ["application", "placement"] {
            let stream = StreamName::new(format!("{category}-1")).unwrap();
            let event = NewEvent {
                id: derived_id(&[category.as_bytes(), &number.to_be_bytes()]),
                ..event(number)
            };
            log.append(&stream, Expected::Any, vec![event])
                .await
                .unwrap();
        }
    }
    let served = Served::start(Arc::new(log)).await;
    let proxy = Proxy::start(served.address).await;
    let part = eventstoredb::Options {
        scope: vec!["application-".to_owned()],
        ..eventstoredb::Options::default()
    };
    let url = format!("esdb://{}?tls=false", proxy.address);
    let source: EsdbLog = connect(&url, part).await;
    let there = TempDir::new().unwrap();
    let target = open(there.path());
    let copied = target
        .copy_from(&source, Numbering::Renumber, |_| trouble(&proxy))
        .await;
    target.close().await;
    copied
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_whose_connection_is_cut_again_and_again_goes_on_and_is_whole() {
    let copied = copied_in(Proxy::cut).await.unwrap();
    assert_eq!(copied.events, EVENTS as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_whose_server_does_not_come_back_ends_with_what_is_the_matter() {
    let gone = copied_in(|proxy| {
        proxy.weather(Weather::Closed);
        proxy.cut();
    });
    let error = gone.await.unwrap_err();
    assert!(matches!(error, ToolError::Read(_)), "{error:?}");
    assert!(
        error.to_string().starts_with("log unavailable: "),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_events_come_a_few_at_a_time_and_all_of_them_come() {
    /// 24 MB, more than is held of a log at once.
    const LARGE: usize = 24;
    let log = MemoryLog::new();
    let stream = StreamName::new("application-1").unwrap();
    for number in 0..LARGE {
        let event = NewEvent {
            data: vec![b'x'; 1_000_000].into(),
            ..event(number)
        };
        let appended = log.append(&stream, Expected::Any, vec![event]).await;
        appended.unwrap();
    }
    let served = Served::start(Arc::new(log)).await;
    let log = connect(&served.url(), eventstoredb::Options::default()).await;
    for direction in [Direction::Forward, Direction::Backward] {
        let (mut at, mut pages) = (None, Vec::new());
        loop {
            let all = Filter::default();
            let page = log.read_all(at, direction, LARGE, &all).await.unwrap();
            pages.push(page.events.len());
            at = Some(page.examined);
            if page.end {
                break;
            }
        }
        assert!(pages.iter().all(|events| *events < LARGE), "{pages:?}");
        assert_eq!(pages.iter().sum::<usize>(), LARGE, "{pages:?}");
    }
    let first = log
        .read_stream(&stream, ReadFrom::Start, Direction::Forward, LARGE)
        .await
        .unwrap();
    let rest = ReadFrom::Revision(first.events.len() as u64);
    let rest = log
        .read_stream(&stream, rest, Direction::Forward, LARGE)
        .await
        .unwrap();
    assert_eq!((first.end, rest.end), (false, true));
    assert_eq!(first.events.len() + rest.events.len(), LARGE);

    let there = TempDir::new().unwrap();
    let target = open(there.path());
    let copied = target.copy_from(&log, Numbering::Renumber, |_| {}).await;
    target.close().await;
    assert_eq!(copied.unwrap().events, LARGE as u64);
}
