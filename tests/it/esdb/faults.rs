//! Guards against: an event that is lost, written twice, handed out twice or never, and a caller that waits for ever,
//! whatever happens to the connection and to the server behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals::kernel::{Position, StreamName, derived_id};
use annals::log::eventstoredb::{Cluster, EsdbLog, Options, PATIENCE};
use annals::log::memory::MemoryLog;
use annals::log::{
    AppendError, Delivery, Direction, EventLog, Expected, Filter, Health, Match, NewEvent, ReadFrom,
};
use futures::StreamExt as _;
use tokio::task::JoinHandle;

use super::{Served, connect};
use crate::support::proxy::{Proxy, Weather};
use crate::support::server::Server;

const WRITERS: usize = 4;
/// Far above anything that is not a hang.
const PATIENT: Duration = Duration::from_mins(2);

fn event(writer: usize, turn: u64) -> NewEvent {
    NewEvent {
        id: derived_id(&[b"fault", &writer.to_be_bytes(), &turn.to_be_bytes()]),
        event_type: "Tested".into(),
        is_json: true,
        data: format!("{{\"turn\":{turn}}}").into(),
        metadata: "{}".into(),
    }
}

fn stream(writer: usize) -> StreamName {
    StreamName::new(format!("fault-{writer}")).unwrap()
}

/// Writers that append with exact revisions as fast as they can, each to a stream of its own, until they are told to
/// end; each answers how many appends were acknowledged.
struct Load {
    log: Arc<dyn EventLog>,
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<u64>>,
    readers: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(log: Arc<dyn EventLog>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let writers = (0..WRITERS)
            .map(|writer| {
                let (log, stop) = (Arc::clone(&log), Arc::clone(&stop));
                tokio::spawn(async move { write(log, writer, &stop).await })
            })
            .collect();
        Self {
            log,
            stop,
            writers,
            readers: Vec::new(),
        }
    }

    /// Follows the log from the beginning and checks that every stream comes gapless and once.
    fn follow(&mut self, filter: Filter) {
        let mut deliveries = self.log.subscribe(Position::START, filter);
        let stop = Arc::clone(&self.stop);
        let log = Arc::clone(&self.log);
        self.readers.push(tokio::spawn(async move {
            let mut next: BTreeMap<String, u64> = BTreeMap::new();
            let mut at = Position::START;
            loop {
                match deliveries.next().await.unwrap().unwrap() {
                    Delivery::Events(events) => {
                        for event in events {
                            assert!(event.position > at, "{} after {at}", event.position);
                            at = event.position;
                            let next = next.entry(event.stream.to_string()).or_default();
                            assert_eq!(event.revision, *next, "of {}", event.stream);
                            *next += 1;
                        }
                    }
                    Delivery::Checkpoint(position) => at = at.max(position),
                    Delivery::CaughtUp(position) => {
                        at = at.max(position);
                        if stop.load(Ordering::SeqCst) && log.head().await.unwrap() <= at {
                            return;
                        }
                    }
                }
            }
        }));
    }

    /// Ends the load; every acknowledged event must be there once, in order, and nothing else.
    async fn settle(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = 0;
        for (writer, task) in self.writers.into_iter().enumerate() {
            let acknowledged = tokio::time::timeout(PATIENT, task).await.unwrap().unwrap();
            let slice = self
                .log
                .read_stream(
                    &stream(writer),
                    ReadFrom::Start,
                    Direction::Forward,
                    usize::MAX,
                )
                .await
                .unwrap();
            let ids: Vec<_> = slice.events.iter().map(|event| event.id).collect();
            let expected: Vec<_> = (0..acknowledged)
                .map(|turn| event(writer, turn).id)
                .collect();
            assert!(
                ids == expected,
                "{} of {acknowledged} in stream {writer}",
                ids.len()
            );
            all += acknowledged;
        }
        // One event more, so that every reader hears of the end.
        let last = StreamName::new("fault-end").unwrap();
        self.log
            .append(&last, Expected::Any, vec![event(WRITERS, 0)])
            .await
            .unwrap();
        for reader in self.readers {
            tokio::time::timeout(PATIENT, reader)
                .await
                .unwrap()
                .unwrap();
        }
        all
    }
}

async fn write(log: Arc<dyn EventLog>, writer: usize, stop: &AtomicBool) -> u64 {
    let mut turn = 0;
    while !stop.load(Ordering::SeqCst) {
        let expected = match turn {
            0 => Expected::NoStream,
            _ => Expected::Exact(turn - 1),
        };
        match log
            .append(&stream(writer), expected, vec![event(writer, turn)])
            .await
        {
            Ok(done) => {
                assert_eq!(done.revision, Some(turn));
                turn += 1;
            }
            // Not known whether it was done: the same again.
            Err(AppendError::Unavailable { retry: true, .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    turn
}

fn prefixed(prefix: &str) -> Filter {
    Filter::by_stream(Match::prefixes([prefix]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_slowed_and_half_dead_lose_and_repeat_nothing() {
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let proxy = Proxy::start(served.address).await;
    let url = format!("esdb://{}?tls=false", proxy.address);
    let log = Arc::new(connect(&url, Options::default()).await);
    let mut load = Load::start(log);
    load.follow(Filter::default());
    load.follow(prefixed("fault-1"));
    let breath = Duration::from_millis(300);
    for round in 0..2 {
        for weather in [
            Weather::Fair,
            Weather::Slow(Duration::from_millis(30)),
            Weather::Deaf,
            Weather::Frozen,
            Weather::Closed,
        ] {
            proxy.weather(weather);
            tokio::time::sleep(breath).await;
            if round == 1 || weather == Weather::Closed {
                proxy.cut();
            }
            proxy.weather(Weather::Fair);
            tokio::time::sleep(breath).await;
        }
        // A reader that begins in between catches up over the same connection.
        load.follow(prefixed("fault-"));
    }
    let acknowledged = load.settle().await;
    println!("{acknowledged} appends acknowledged, each found once");
    assert!(acknowledged > 0);
}

/// A real `annals log serve` process on a fixed port, so that it can come back there.
struct Process(Child);

impl Process {
    fn start(data: &Path, address: SocketAddr) -> Self {
        let child = Server::command()
            .args(["log", "serve", "--data"])
            .arg(data)
            .args(["--listen", &address.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_under_load_loses_and_repeats_nothing() {
    let kills = if std::env::var_os("ANNALS_FULL").is_some() {
        50
    } else {
        4
    };
    let data = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut server = Process::start(data.path(), address);
    let url = format!("esdb://{address}?tls=false");
    let log = Arc::new(connect(&url, Options::default()).await);
    let mut load = Load::start(log);
    load.follow(Filter::default());
    load.follow(prefixed("fault-2"));
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(400)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(100)).await;
        server = Process::start(data.path(), address);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let acknowledged = load.settle().await;
    println!("{acknowledged} appends acknowledged over {kills} kills, each found once");
    assert!(acknowledged > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_callers_hear_that_the_log_is_unavailable() {
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let proxy = Proxy::start(served.address).await;
    let url = format!("esdb://{}?tls=false", proxy.address);
    let log = connect(&url, Options::default()).await;
    proxy.weather(Weather::Closed);
    proxy.cut();
    let own = stream(0);
    let append = log.append(&own, Expected::NoStream, vec![event(0, 0)]);
    let refused = tokio::time::timeout(PATIENCE * 3, append).await.unwrap();
    assert!(
        matches!(refused, Err(AppendError::Unavailable { retry: true, .. })),
        "{refused:?}"
    );
    proxy.weather(Weather::Fair);
    let done = log
        .append(&stream(0), Expected::NoStream, vec![event(0, 0)])
        .await
        .unwrap();
    assert_eq!(done.revision, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_ends_its_call() {
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let proxy = Proxy::start(served.address).await;
    let url = format!("esdb://{}?tls=false", proxy.address);
    let log = connect(&url, Options::default()).await;
    proxy.weather(Weather::Frozen);
    let own = stream(0);
    let append = log.append(&own, Expected::NoStream, vec![event(0, 0)]);
    let gone = tokio::time::timeout(Duration::from_millis(200), append).await;
    assert!(gone.is_err());
    proxy.weather(Weather::Fair);
    proxy.cut();
    // What it wanted was not done behind its back, and the log goes on.
    let slice = log
        .read_stream(&stream(0), ReadFrom::Start, Direction::Forward, 1)
        .await
        .unwrap();
    assert!(!slice.exists);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_an_error_that_names_the_server_and_no_password() {
    let url = format!("esdb://admin:secret@{}?tls=false", free_address());
    let error = Cluster::connect(&url).await.err().unwrap().to_string();
    assert!(error.contains("does not answer"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_falls_behind_what_all_share_reads_again_what_was_missed() {
    // More than the tail keeps for anybody.
    const APPENDS: u64 = 6;
    const EVENTS: u64 = 250;
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let log = connect(&served.url(), Options::default()).await;
    let mut readers = [0; 2].map(|_| log.subscribe(Position::START, Filter::default()));
    for reader in &mut readers {
        let first = reader.next().await.unwrap().unwrap();
        assert!(matches!(first, Delivery::CaughtUp(_)), "{first:?}");
    }
    for append in 0..APPENDS {
        let events = (0..EVENTS).map(|turn| event(0, append * EVENTS + turn));
        log.append(&stream(0), Expected::Any, events.collect())
            .await
            .unwrap();
    }
    // Only when the first has everything does the second go on.
    for reader in &mut readers {
        let mut next = 0;
        while next < APPENDS * EVENTS {
            if let Delivery::Events(events) = reader.next().await.unwrap().unwrap() {
                for event in events {
                    assert_eq!(event.revision, next);
                    next += 1;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_on_one_server_do_not_see_each_other() {
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let cluster = Cluster::connect(&served.url()).await.unwrap();
    let scoped = |prefix: &str| {
        let options = Options {
            scope: vec![prefix.to_owned()],
            ..Options::default()
        };
        EsdbLog::new(Arc::clone(&cluster), options)
    };
    let (one, two) = (scoped("one-"), scoped("two-"));
    let mut follower = one.subscribe(Position::START, Filter::default());
    for turn in 0..3 {
        for (log, name) in [(&one, "one-1"), (&two, "two-1")] {
            let stream = StreamName::new(name).unwrap();
            log.append(&stream, Expected::Any, vec![event(name.len(), turn)])
                .await
                .unwrap();
        }
    }
    let head = one.head().await.unwrap();
    let mut seen = BTreeSet::new();
    loop {
        match follower.next().await.unwrap().unwrap() {
            Delivery::Events(events) => {
                seen.extend(events.into_iter().map(|event| event.stream.to_string()));
            }
            Delivery::CaughtUp(position) if position >= head => break,
            Delivery::CaughtUp(_) | Delivery::Checkpoint(_) => {}
        }
    }
    assert_eq!(seen, BTreeSet::from(["one-1".to_owned()]));
    let all = two
        .read_all(None, Direction::Forward, 100, &Filter::default())
        .await
        .unwrap();
    assert_eq!(all.events.len(), 3);
    assert!(
        all.events
            .iter()
            .all(|event| event.stream.as_str() == "two-1")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_log_stays_closed_while_others_on_its_connection_go_on() {
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let cluster = Cluster::connect(&served.url()).await.unwrap();
    let [closed, other] = [0; 2].map(|_| EsdbLog::new(Arc::clone(&cluster), Options::default()));
    closed.close().await;
    let append = async |log: &EsdbLog, turn| {
        let events = vec![event(0, turn)];
        log.append(&stream(0), Expected::Any, events).await
    };
    append(&other, 1).await.unwrap();
    other.head().await.unwrap();
    assert_eq!(*closed.health().borrow(), Health::Closed);
    let refused = append(&closed, 2).await;
    assert!(
        matches!(refused, Err(AppendError::Unavailable { retry: false, .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_services_log_moves_with_its_own_events_alone() {
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let cluster = Cluster::connect(&served.url()).await.unwrap();
    let scoped = |scope: &[&str]| {
        let options = Options {
            scope: scope.iter().map(ToString::to_string).collect(),
            ..Options::default()
        };
        EsdbLog::new(Arc::clone(&cluster), options)
    };
    let (one, two, all) = (scoped(&["one-"]), scoped(&["two-"]), scoped(&[]));
    let mut tail = all.subscribe(Position::START, Filter::default());
    tail.next().await.unwrap().unwrap();
    let mut ends = Vec::new();
    for (turn, (log, name)) in (0..).zip([(&one, "one-1"), (&two, "two-1"), (&one, "one-1")]) {
        let stream = StreamName::new(name).unwrap();
        let events = vec![event(0, turn)];
        let done = log.append(&stream, Expected::Any, events).await.unwrap();
        // Now everybody on this cluster has been told.
        while !matches!(tail.next().await.unwrap().unwrap(), Delivery::CaughtUp(at) if at >= done.position)
        {
        }
        ends.push((done.position, one.head().await.unwrap()));
    }
    let [(first, before), (_, between), (last, after)] = ends[..] else {
        panic!("{ends:?}");
    };
    assert_eq!((before, between, after), (first, first, last));
}
