//! Guards against: a server whose answers make the client panic, or turn in circles, and take callers along.

mod server;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use annals::kernel::{Position, StreamName, derived_id};
use annals::log::eventstoredb::Options;
use annals::log::memory::MemoryLog;
use annals::log::{
    AppendError, Delivery, Direction, EventLog, Expected, Filter, Match, NewEvent, ReadFrom,
};
use futures::StreamExt as _;

use self::server::{Line, Manners, TOGETHER, front, front_with};
use super::{Served, connect};

fn event(number: u64) -> NewEvent {
    NewEvent {
        id: derived_id(&[b"rude", &number.to_be_bytes()]),
        event_type: "Tested".into(),
        is_json: true,
        data: "{}".into(),
        metadata: "{}".into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_hear_everything_from_a_server_that_makes_the_client_panic_and_spin() {
    const EVENTS: u64 = 20;
    let polite = Served::start(Arc::new(MemoryLog::new())).await;
    for manners in [Manners::Refused, Manners::NotFound, Manners::Over] {
        let (address, _) = front(&polite, vec![manners; 2]).await;
        let log = connect(&format!("esdb://{address}?tls=false"), Options::default()).await;
        let from = log.head().await.unwrap();
        let stream = StreamName::new(format!("rude-{manners:?}")).unwrap();
        let mut deliveries = log.subscribe(from, Filter::default());
        // From the beginning, so that a feed of its own is needed, too.
        let filter = Filter::by_stream(Match::one_of([stream.as_str()]));
        for number in 0..EVENTS {
            log.append(&stream, Expected::Any, vec![event(number)])
                .await
                .unwrap();
        }
        let mut late = log.subscribe(Position::START, filter);
        for deliveries in [&mut deliveries, &mut late] {
            let mut heard = Vec::new();
            while heard.len() < EVENTS as usize {
                let next = tokio::time::timeout(Duration::from_mins(1), deliveries.next()).await;
                if let Delivery::Events(events) = next.unwrap().unwrap().unwrap() {
                    heard.extend(events.iter().map(|event| event.revision));
                }
            }
            assert_eq!(heard, (0..EVENTS).collect::<Vec<_>>(), "{manners:?}");
        }
    }
}

/// Threads of this process that read a subscription. Each test is a process of its own.
fn feeds() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names = threads.filter_map(|thread| {
        // One that has just ended has no name.
        std::fs::read_to_string(thread.unwrap().path().join("comm")).ok()
    });
    names.filter(|name| name.trim() == "esdb-feed").count()
}

/// Waits until so many are left.
async fn feeds_left(count: usize) {
    for _ in 0..300 {
        if feeds() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} threads read subscriptions, not {count}", feeds());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_the_server_ends_as_if_all_were_well_is_left_and_made_anew() {
    let polite = Served::start(Arc::new(MemoryLog::new())).await;
    let (address, _) = front(&polite, vec![Manners::Over; 3]).await;
    let log = connect(&format!("esdb://{address}?tls=false"), Options::default()).await;
    let stream = StreamName::new("rude-over").unwrap();
    let mut deliveries = log.subscribe(log.head().await.unwrap(), Filter::default());
    for number in 0..3 {
        log.append(&stream, Expected::Any, vec![event(number)])
            .await
            .unwrap();
    }
    let mut heard = 0;
    while heard < 3 {
        if let Delivery::Events(events) = deliveries.next().await.unwrap().unwrap() {
            heard += events.len();
        }
    }
    // Three were ended; one reads the tail.
    feeds_left(1).await;
    drop((deliveries, log));
    feeds_left(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_of_the_connection_string_is_sent_with_every_call() {
    let polite = Served::start(Arc::new(MemoryLog::new())).await;
    let (address, users) = front(&polite, Vec::new()).await;
    let url = format!("esdb://admin:p%40ss@{address}?tls=false");
    let log = connect(&url, Options::default()).await;
    let stream = StreamName::new("user-1").unwrap();
    log.append(&stream, Expected::Any, vec![event(1)])
        .await
        .unwrap();
    let mut deliveries = log.subscribe(Position::START, Filter::default());
    deliveries.next().await.unwrap().unwrap();
    log.metadata(&stream).await.unwrap();
    let users = users.lock().await;
    assert!(users.len() > 2, "{users:?}");
    // admin:p@ss
    let basic = Some("Basic YWRtaW46cEBzcw==".to_owned());
    assert!(users.iter().all(|user| *user == basic), "{users:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_a_stream_never_was_is_found_out_with_reads_side_by_side() {
    let polite = Served::start(Arc::new(MemoryLog::new())).await;
    let (address, _) = front(&polite, Vec::new()).await;
    let log = connect(&format!("esdb://{address}?tls=false"), Options::default()).await;
    let stream = StreamName::new(format!("{TOGETHER}1")).unwrap();
    for from in [ReadFrom::Start, ReadFrom::Revision(0)] {
        let read = log.read_stream(&stream, from, Direction::Forward, 10).await;
        assert!(!read.unwrap().exists);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_share_a_call_and_a_refused_one_harms_none_beside_it() {
    const STREAMS: u64 = 16;
    const EVENTS: u64 = 20;
    let memory = Arc::new(MemoryLog::new());
    let polite = Served::start(Arc::clone(&memory) as _).await;
    let (address, _, appends) = front_with(&polite, Vec::new(), Vec::new()).await;
    let log = connect(&format!("esdb://{address}?tls=false"), Options::default()).await;
    // The first one opens the call.
    let stream = |number: u64| StreamName::new(format!("line-{number}")).unwrap();
    let first = vec![event(u64::MAX)];
    log.append(&stream(STREAMS), Expected::NoStream, first)
        .await
        .unwrap();
    let append_all = |number: u64| {
        let (log, stream) = (&log, stream(number));
        async move {
            for turn in 0..EVENTS {
                let expected = turn
                    .checked_sub(1)
                    .map_or(Expected::NoStream, Expected::Exact);
                let event = event(number * EVENTS + turn);
                let done = log.append(&stream, expected, vec![event]).await.unwrap();
                assert_eq!(done.revision, Some(turn));
            }
        }
    };
    futures::future::join_all((0..STREAMS / 2).map(append_all)).await;
    assert_eq!(appends.lines.load(Ordering::Relaxed), 1);
    assert_eq!(appends.single.load(Ordering::Relaxed), 0);
    let refused = async {
        for turn in 0..EVENTS {
            let event = vec![event(1_000_000 + turn)];
            let outcome = log
                .append(&stream(STREAMS), Expected::NoStream, event)
                .await;
            let current = Some(0);
            assert!(
                matches!(outcome, Err(AppendError::WrongExpected { current: at, .. }) if at == current),
                "{outcome:?}"
            );
        }
    };
    let beside = futures::future::join_all((STREAMS / 2..STREAMS).map(append_all));
    futures::future::join(refused, beside).await;
    for number in 0..STREAMS {
        let slice = memory
            .read_stream(&stream(number), ReadFrom::Start, Direction::Forward, 100)
            .await
            .unwrap();
        let ids: Vec<_> = slice.events.iter().map(|event| event.id).collect();
        let sent: Vec<_> = (0..EVENTS)
            .map(|turn| event(number * EVENTS + turn).id)
            .collect();
        assert_eq!(ids, sent, "line-{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_the_shared_call_does_not_answer_is_made_alone() {
    let polite = Served::start(Arc::new(MemoryLog::new())).await;
    for line in [Line::Refused, Line::Silence, Line::Nonsense] {
        let (address, _, appends) = front_with(&polite, Vec::new(), vec![line]).await;
        let log = connect(&format!("esdb://{address}?tls=false"), Options::default()).await;
        let stream = StreamName::new(format!("line-{line:?}")).unwrap();
        for turn in 0..2 {
            let expected = [Expected::NoStream, Expected::Exact(0)][turn];
            let event = vec![event(turn as u64)];
            let done = log.append(&stream, expected, event).await.unwrap();
            assert_eq!(done.revision, Some(turn as u64), "{line:?}");
        }
        assert_eq!(appends.single.load(Ordering::Relaxed), 1, "{line:?}");
        assert_eq!(appends.lines.load(Ordering::Relaxed), 2, "{line:?}");
    }
}
