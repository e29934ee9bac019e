//! A crash or a failure at every named step of the append path: whoever was told yes finds it, nobody else is told so.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{crashed_copy, event, everything, open, stream};
use crate::log::sqlite::SqliteLog;
use crate::log::{AppendError, Direction, EventLog, Expected, Health, NewEvent, ReadFrom, rules};

const STEPS: [&str; 5] = [
    "log-insert",
    "log-commit",
    "log-sync",
    "log-committed",
    "log-publish",
];

#[tokio::test]
async fn after_a_failed_step_nothing_is_acknowledged_until_reopened() {
    for step in STEPS {
        for how in ["1*off->return", "1*off->panic"] {
            let home = tempfile::tempdir().unwrap();
            fail_at_second(step, how, home.path()).await;
        }
    }
    println!("{} crash points run", STEPS.len() * 2);
}

async fn fail_at_second(step: &str, how: &str, dir: &std::path::Path) {
    let log = Arc::new(open(dir));
    let s = stream("a-1");
    fail::cfg(step, how).unwrap();
    log.append(&s, Expected::NoStream, vec![event(1)])
        .await
        .unwrap();
    let failed = log.append(&s, Expected::Exact(0), vec![event(2)]).await;
    fail::remove(step);
    assert!(
        matches!(failed, Err(AppendError::Unavailable { retry: false, .. })),
        "{step} {how}: {failed:?}"
    );
    assert!(
        matches!(*log.health().borrow(), Health::Failed(_)),
        "{step} {how}"
    );
    let later = log.append(&s, Expected::Any, vec![event(3)]).await;
    assert!(
        matches!(later, Err(AppendError::Unavailable { retry: false, .. })),
        "{later:?}"
    );
    // Reads go on, and show what was acknowledged and nothing halfway.
    assert_eq!(everything(&*log).await.unwrap().len(), 1, "{step} {how}");

    let copy = dir.join("copy");
    crashed_copy(dir, &copy);
    log.close().await;
    for place in [dir, &copy] {
        let reopened = open(place);
        // Whether or not the failed one became durable, its retry is answered alike.
        let retried = reopened
            .append(&s, Expected::Exact(0), vec![event(2)])
            .await
            .unwrap();
        assert_eq!(retried.revision, Some(1), "{step} {how}");
        assert_eq!(
            everything(&reopened).await.unwrap().len(),
            2,
            "{step} {how}"
        );
        reopened.close().await;
    }
}

#[tokio::test]
async fn a_failing_checkpoint_harms_nobody() {
    let home = tempfile::tempdir().unwrap();
    fail::cfg("log-checkpoint", "return").unwrap();
    let log = open(home.path());
    for turn in 0..200 {
        log.append(&stream("a-1"), Expected::Any, vec![event(turn)])
            .await
            .unwrap();
    }
    assert_eq!(*log.health().borrow(), Health::Serving);
    assert_eq!(everything(&log).await.unwrap().len(), 200);
    fail::remove("log-checkpoint");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_main_file_that_failed_to_be_synced_is_believed_by_nobody() {
    let home = tempfile::tempdir().unwrap();
    fail::cfg("log-checkpoint-sync", "return").unwrap();
    let log = open(home.path());
    let large = |turn| NewEvent {
        data: vec![b'0'; rules::MAX_APPEND_BYTES / 2].into(),
        is_json: false,
        ..event(turn)
    };
    let (s, mut acknowledged) = (stream("a-1"), 0);
    let refused = loop {
        assert!(acknowledged < 1_000, "nobody minds");
        let append = log.append(&s, Expected::Any, vec![large(acknowledged)]);
        match append.await {
            Ok(_) => acknowledged += 1,
            Err(refused) => break refused,
        }
    };
    assert!(
        matches!(refused, AppendError::Unavailable { retry: false, .. }),
        "{refused:?}"
    );
    assert!(matches!(*log.health().borrow(), Health::Failed(_)));
    fail::remove("log-checkpoint-sync");
    log.close().await;
    // What may be in the page cache alone is copied again from there.
    assert!(home.path().join("log.db-wal").metadata().unwrap().len() > 0);
    let found = open(home.path()).head().await.unwrap();
    assert_eq!(u128::from(found.0), acknowledged);
}

#[tokio::test]
async fn a_full_disk_is_told_to_everybody_and_waited_out() {
    for step in ["log-insert-full", "log-commit-full"] {
        let home = tempfile::tempdir().unwrap();
        let log = Arc::new(open(home.path()));
        let s = stream("a-1");
        log.append(&s, Expected::NoStream, vec![event(1)])
            .await
            .unwrap();
        fail::cfg("log-probe", "return").unwrap();
        fail::cfg(step, "return").unwrap();
        let refused = [2, 3, 4].map(|id| {
            let (log, s) = (Arc::clone(&log), s.clone());
            tokio::spawn(async move { log.append(&s, Expected::Any, vec![event(id)]).await })
        });
        for refused in refused {
            let refused = refused.await.unwrap();
            assert!(
                matches!(refused, Err(AppendError::StorageFull { .. })),
                "{step}: {refused:?}"
            );
        }
        let mut health = log.health();
        assert!(matches!(*health.borrow(), Health::Degraded(_)), "{step}");
        assert_eq!(everything(&*log).await.unwrap().len(), 1, "{step}");

        fail::remove(step);
        fail::remove("log-probe");
        health
            .wait_for(|health| *health == Health::Serving)
            .await
            .unwrap();
        // Nothing of the refused ones is there, and their places are free.
        let again = log
            .append(&s, Expected::Exact(0), vec![event(2)])
            .await
            .unwrap();
        assert_eq!((again.revision, again.position.0), (Some(1), 2), "{step}");
        assert!(!again.repeated);
        log.close().await;
        assert_eq!(everything(&open(home.path())).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_log_that_is_closed_while_the_disk_is_full_opens_again() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    let s = stream("a-1");
    log.append(&s, Expected::Any, vec![event(1)]).await.unwrap();
    fail::cfg("log-probe", "return").unwrap();
    fail::cfg("log-commit-full", "return").unwrap();
    log.append(&s, Expected::Any, vec![event(2)])
        .await
        .unwrap_err();
    log.close().await;
    fail::remove("log-commit-full");
    fail::remove("log-probe");
    assert_eq!(everything(&open(home.path())).await.unwrap().len(), 1);
}

/// Rows that are committed, durable or not.
fn committed(dir: &std::path::Path) -> u64 {
    let file = rusqlite::Connection::open(dir.join("log.db")).unwrap();
    let count = file.query_row("SELECT count(*) FROM events", [], |row| row.get(0));
    count.map(i64::unsigned_abs).unwrap()
}

/// Holds whoever comes to a step, until it is let go on.
struct Gate {
    step: &'static str,
    arrived: UnboundedReceiver<()>,
    pass: Sender<()>,
}

impl Gate {
    fn close(step: &'static str) -> Self {
        let (arrival, arrived) = unbounded_channel();
        let (pass, passes) = channel();
        let passes = Mutex::new(passes);
        fail::cfg_callback(step, move || {
            // Errors are the open gate.
            let _ = arrival.send(());
            let _ = passes.lock().unwrap().recv();
        })
        .unwrap();
        Self {
            step,
            arrived,
            pass,
        }
    }

    async fn arrived(&mut self) {
        self.arrived.recv().await.unwrap();
    }

    /// From now on the step does as told; who waits at it goes through unharmed.
    fn open(self, then: &str) {
        fail::cfg(self.step, then).unwrap();
    }
}

/// Three appends to one stream, each in a commit after the other's, none of them synced; the first waits at the gate.
async fn unsynced(log: &Arc<SqliteLog>, dir: &std::path::Path) -> (Gate, [Waiting; 3]) {
    let append = |turn: u64| {
        let log = Arc::clone(log);
        let expected = turn
            .checked_sub(1)
            .map_or(Expected::NoStream, Expected::Exact);
        let events = vec![event(u128::from(turn) + 1)];
        let append = async move { log.append(&stream("a-1"), expected, events).await };
        let mut append = Box::pin(append);
        // Polled once, it stands in the writer's queue.
        assert!(append.as_mut().now_or_never().is_none());
        tokio::spawn(append)
    };
    let mut sync = Gate::close("log-sync");
    let mut commit = Gate::close("log-commit");
    let first = append(0);
    commit.arrived().await;
    // As this one waits, the writer hands the first commit to the thread.
    let second = append(1);
    commit.pass.send(()).unwrap();
    commit.arrived().await;
    let third = append(2);
    commit.open("off");
    sync.arrived().await;
    while committed(dir) < 3 {
        tokio::task::yield_now().await;
    }
    (sync, [first, second, third])
}

type Waiting = tokio::task::JoinHandle<Result<crate::log::Appended, AppendError>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_and_not_synced_is_shown_to_nobody() {
    let home = tempfile::tempdir().unwrap();
    let log = Arc::new(open(home.path()));
    let (sync, waiting) = unsynced(&log, home.path()).await;
    let s = stream("a-1");
    let read = log.read_stream(&s, ReadFrom::Start, Direction::Forward, 10);
    let slice = read.await.unwrap();
    assert_eq!((slice.events.len(), slice.last_revision), (0, None));
    assert_eq!(everything(&*log).await.unwrap().len(), 0);
    assert_eq!(log.head().await.unwrap().0, 0);
    assert!(waiting.iter().all(|append| !append.is_finished()));

    sync.open("off");
    for (turn, append) in (0..).zip(waiting) {
        let done = append.await.unwrap().unwrap();
        assert_eq!((done.revision, done.position.0), (Some(turn), turn + 1));
    }
    let read = log.read_stream(&s, ReadFrom::Start, Direction::Forward, 10);
    assert_eq!(read.await.unwrap().events.len(), 3);
    assert_eq!(everything(&*log).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_refuses_every_later_commit() {
    let home = tempfile::tempdir().unwrap();
    let log = Arc::new(open(home.path()));
    let (sync, waiting) = unsynced(&log, home.path()).await;
    // The sync that is held goes well, the next one fails.
    sync.open("return");
    let mut waiting = waiting.into_iter();
    let first = waiting.next().unwrap().await.unwrap();
    assert_eq!(first.unwrap().revision, Some(0));
    for append in waiting {
        let refused = append.await.unwrap();
        assert!(
            matches!(refused, Err(AppendError::Unavailable { retry: false, .. })),
            "{refused:?}"
        );
    }
    fail::remove("log-sync");
    assert!(matches!(*log.health().borrow(), Health::Failed(_)));
    let later = log
        .append(&stream("a-2"), Expected::Any, vec![event(9)])
        .await;
    assert!(matches!(
        later,
        Err(AppendError::Unavailable { retry: false, .. })
    ));
    assert_eq!(everything(&*log).await.unwrap().len(), 1);
    log.close().await;
    // Reopened, retries are answered as if nothing had happened.
    let log = open(home.path());
    for turn in 0..3_u64 {
        let expected = turn
            .checked_sub(1)
            .map_or(Expected::NoStream, Expected::Exact);
        let retried = log
            .append(&stream("a-1"), expected, vec![event(u128::from(turn) + 1)])
            .await
            .unwrap();
        assert_eq!(retried.revision, Some(turn));
    }
    assert_eq!(everything(&log).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_behind_a_commit_that_failed_is_refused_though_it_could_be_synced() {
    let home = tempfile::tempdir().unwrap();
    let log = Arc::new(open(home.path()));
    let (sync, waiting) = unsynced(&log, home.path()).await;
    // Of the first alone nobody knows what the disk holds.
    fail::cfg("log-committed", "1*return->off").unwrap();
    sync.open("off");
    for append in waiting {
        let refused = append.await.unwrap();
        assert!(
            matches!(refused, Err(AppendError::Unavailable { retry: false, .. })),
            "{refused:?}"
        );
    }
    fail::remove("log-committed");
    assert_eq!(everything(&*log).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_writes_nothing_is_answered_without_a_sync() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    let s = stream("a-1");
    let append = |expected| log.append(&s, expected, vec![event(1)]);
    append(Expected::NoStream).await.unwrap();
    fail::cfg("log-sync", "return").unwrap();
    assert!(append(Expected::NoStream).await.unwrap().repeated);
    let refused = append(Expected::Exact(7)).await;
    assert!(
        matches!(refused, Err(AppendError::WrongExpected { .. })),
        "{refused:?}"
    );
    fail::remove("log-sync");
    assert_eq!(*log.health().borrow(), Health::Serving);
}
