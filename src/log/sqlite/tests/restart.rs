//! Over restarts, clean and not, and what is refused at the door.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::{crashed_copy, event, everything, open, options, stream};
use crate::log::contract::TestClock;
use crate::log::sqlite::{OpenError, Options, SCHEMA_VERSION, SqliteLog, verify};
use crate::log::{AppendError, Direction, EventLog, Expected, ReadFrom};

#[tokio::test]
async fn a_retry_is_known_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let s = stream("a-1");
    let log = open(home.path());
    let first = log
        .append(&s, Expected::Any, vec![event(1), event(2)])
        .await
        .unwrap();
    log.close().await;
    let log = open(home.path());
    for expected in [Expected::Any, Expected::NoStream] {
        let again = log
            .append(&s, expected, vec![event(1), event(2)])
            .await
            .unwrap();
        assert!(again.repeated);
        assert_eq!(
            (again.revision, again.position),
            (first.revision, first.position)
        );
    }
}

#[tokio::test]
async fn after_a_crash_retries_of_a_busy_streams_last_hundreds_are_known() {
    const APPENDS: u128 = 400;
    let home = tempfile::tempdir().unwrap();
    let (live, dead) = (home.path().join("live"), home.path().join("dead"));
    let (log, s) = (open(&live), stream("a-1"));
    for id in 0..APPENDS {
        log.append(&s, Expected::Any, vec![event(id)])
            .await
            .unwrap();
    }
    crashed_copy(&live, &dead);
    let survivor = open(&dead);
    for id in 0..APPENDS {
        let again = survivor
            .append(&s, Expected::Any, vec![event(id)])
            .await
            .unwrap();
        assert!(again.repeated, "{id}");
        assert_eq!(again.revision.map(u128::from), Some(id));
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    let home = tempfile::tempdir().unwrap();
    let (live, dead) = (home.path().join("live"), home.path().join("dead"));
    let log = open(&live);
    for turn in 0..20 {
        let s = stream(&format!("a-{}", turn % 3));
        log.append(&s, Expected::Any, vec![event(turn)])
            .await
            .unwrap();
    }
    crashed_copy(&live, &dead);
    let survivor = open(&dead);
    assert_eq!(everything(&survivor).await, everything(&log).await);
    survivor
        .append(&stream("a-0"), Expected::Exact(6), vec![event(99)])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_crash_while_the_stream_index_is_written_leads_nobody_astray() {
    // The first generation is full after 200, and written by seven commits.
    crash_while_indexing(30, 200, 198..=212).await;
}

#[tokio::test]
async fn a_crash_while_long_runs_are_written_leads_nobody_astray() {
    // The same with three runs of a stream at once.
    crash_while_indexing(2, 600, 598..=612).await;
}

/// Crashes a log that seals a generation after `full` events, at the events `at` and some others.
async fn crash_while_indexing(streams: u128, full: usize, at: std::ops::RangeInclusive<u128>) {
    let home = tempfile::tempdir().unwrap();
    let live = home.path().join("live");
    let indexed = |dir: &Path| {
        let options = Options {
            index_after: full,
            ..options(&TestClock::new())
        };
        SqliteLog::open(dir, options).unwrap()
    };
    let name = |turn: u128| stream(&format!("a-{}", turn % streams));
    let log = indexed(&live);
    for turn in 0..at.end() + 100 {
        log.append(&name(turn), Expected::Any, vec![event(turn)])
            .await
            .unwrap();
        if !at.contains(&turn) && turn % 60 != 59 {
            continue;
        }
        let dead = home.path().join(turn.to_string());
        crashed_copy(&live, &dead);
        let survivor = indexed(&dead);
        for of in 0..streams {
            let name = name(of);
            let read = survivor.read_stream(&name, ReadFrom::Start, Direction::Forward, 1_000);
            let ids = read.await.unwrap().events.into_iter().map(|event| event.id);
            let written = (of..=turn).step_by(streams as usize);
            assert!(
                ids.eq(written.map(|turn| event(turn).id)),
                "{name} after {turn}"
            );
        }
        let last = u64::try_from(turn / streams).unwrap();
        let event = event(turn + 10_000);
        let next = survivor
            .append(&name(turn), Expected::Exact(last), vec![event])
            .await;
        assert_eq!(next.unwrap().revision, Some(last + 1));
        // Writes all of it, some for the second time and further.
        survivor.close().await;
        let damages = verify(&dead, |_, _| {}).unwrap().damages;
        assert!(damages.is_empty(), "after {turn}: {damages:?}");
    }
}

#[tokio::test]
async fn a_torn_write_ahead_log_loses_whole_appends_from_the_end_only() {
    let home = tempfile::tempdir().unwrap();
    let live = home.path().join("live");
    let log = open(&live);
    for turn in 0..10 {
        let events = vec![event(turn * 10), event(turn * 10 + 1)];
        log.append(&stream("a-1"), Expected::Any, events)
            .await
            .unwrap();
    }
    let all = everything(&log).await.unwrap();
    let wal_bytes = std::fs::metadata(live.join("log.db-wal")).unwrap().len();
    let mut seen = std::collections::BTreeSet::new();
    for part in 0..24 {
        let dead = home.path().join(part.to_string());
        crashed_copy(&live, &dead);
        let wal = std::fs::File::options()
            .write(true)
            .open(dead.join("log.db-wal"))
            .unwrap();
        wal.set_len(wal_bytes - wal_bytes * part / 40 - u64::from(part > 0))
            .unwrap();
        drop(wal);
        let left = everything(&open(&dead)).await.unwrap();
        assert_eq!(left.len() % 2, 0, "half an append at part {part}");
        assert_eq!(left, all[..left.len()], "part {part}");
        seen.insert(left.len());
    }
    assert!(seen.len() > 3, "cut at different places: {seen:?}");
}

#[tokio::test]
async fn one_process_at_a_time_and_the_error_names_the_holder() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    let refused = SqliteLog::open(home.path(), Options::default()).map(drop);
    let Err(OpenError::Locked { holder, .. }) = refused else {
        panic!("opened twice: {refused:?}");
    };
    assert_eq!(holder, std::process::id().to_string());
    log.close().await;
    open(home.path()).close().await;
}

#[tokio::test]
async fn a_clean_close_leaves_one_file() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    log.append(&stream("a-1"), Expected::Any, vec![event(1)])
        .await
        .unwrap();
    everything(&log).await.unwrap();
    log.close().await;
    assert!(!home.path().join("log.db-wal").exists());
    let bytes = std::fs::metadata(home.path().join("log.db")).unwrap().len();
    let lock = std::fs::read_to_string(home.path().join("log.lock")).unwrap();
    assert_eq!(lock, format!("closed {bytes}"));
}

#[tokio::test]
async fn a_missing_write_ahead_log_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let (live, dead) = (home.path().join("live"), home.path().join("dead"));
    let log = open(&live);
    log.append(&stream("a-1"), Expected::Any, vec![event(1)])
        .await
        .unwrap();
    crashed_copy(&live, &dead);
    std::fs::remove_file(dead.join("log.db-wal")).unwrap();
    let refused = SqliteLog::open(&dead, Options::default()).map(drop);
    assert!(
        matches!(refused, Err(OpenError::WalMissing { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_is_no_log_of_ours_is_refused() {
    let refuse = |prepare: &dyn Fn(&std::path::Path)| {
        let home = tempfile::tempdir().unwrap();
        prepare(&home.path().join("log.db"));
        SqliteLog::open(home.path(), Options::default())
            .map(drop)
            .unwrap_err()
    };
    let text = refuse(&|path| std::fs::write(path, "dear diary ".repeat(100)).unwrap());
    assert!(matches!(text, OpenError::Foreign { .. }), "{text}");
    let other = refuse(&|path| {
        let other = Connection::open(path).unwrap();
        other
            .execute_batch("PRAGMA application_id=7; CREATE TABLE cats (name TEXT)")
            .unwrap();
    });
    assert!(matches!(other, OpenError::Foreign { .. }), "{other}");
    let unnamed = refuse(&|path| {
        Connection::open(path)
            .unwrap()
            .execute_batch("CREATE TABLE cats (name TEXT)")
            .unwrap();
    });
    assert!(matches!(unnamed, OpenError::Foreign { .. }), "{unnamed}");
}

#[tokio::test]
async fn a_log_that_was_killed_while_it_was_made_is_said_to_be_empty_and_made_when_it_is_opened() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("log.db"), "").unwrap();
    let looked_at = crate::log::sqlite::stat(home.path()).unwrap_err();
    assert!(
        looked_at.to_string().contains("not finished being made"),
        "{looked_at}"
    );
    open(home.path()).close().await;
    assert_eq!(crate::log::sqlite::stat(home.path()).unwrap().events, 0);
}

#[tokio::test]
async fn a_newer_file_is_refused_and_a_shorter_one_noticed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.db");
    let log = open(home.path());
    log.append(&stream("a-1"), Expected::Any, vec![event(1)])
        .await
        .unwrap();
    log.close().await;
    let whole = std::fs::read(&path).unwrap();

    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", SCHEMA_VERSION + 1)
        .unwrap();
    let newer = SqliteLog::open(home.path(), Options::default()).map(drop);
    assert!(
        matches!(newer, Err(OpenError::Version { found, .. }) if found > SCHEMA_VERSION),
        "{newer:?}"
    );

    let lock = std::fs::read(home.path().join("log.lock")).unwrap();
    for left in [whole.len() - 4096, whole.len() - 1, 4096, 100, 0] {
        std::fs::write(&path, &whole[..left]).unwrap();
        // What a crashed holder or an older version left beside it tells less.
        for lock in [&lock[..], b"4711", b""] {
            std::fs::write(home.path().join("log.lock"), lock).unwrap();
            if left == 0 && lock.is_empty() {
                continue;
            }
            let shorter = SqliteLog::open(home.path(), Options::default()).map(drop);
            assert!(shorter.is_err(), "{left} bytes, {lock:?}");
            assert!(verify(home.path(), |_, _| {}).is_err(), "{left} bytes");
        }
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::write(home.path().join("log.lock"), &lock).unwrap();
    let gone = SqliteLog::open(home.path(), Options::default()).map(drop);
    assert!(
        matches!(gone, Err(OpenError::Truncated { found: 0, .. })),
        "{gone:?}"
    );

    std::fs::write(&path, &whole).unwrap();
    assert_eq!(everything(&open(home.path())).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_queue_is_overload_and_loses_nobody_else() {
    let home = tempfile::tempdir().unwrap();
    let options = Options {
        queue_appends: 1,
        ..options(&TestClock::new())
    };
    let log = Arc::new(SqliteLog::open(home.path(), options).unwrap());
    let s = stream("a-1");
    let appends = (0..64).map(|turn| log.append(&s, Expected::Any, vec![event(turn)]));
    let outcomes = futures::future::join_all(appends).await;
    let overloaded =
        |outcome: &&Result<_, _>| matches!(outcome, Err(AppendError::Overloaded { queued: 1, .. }));
    let refused = outcomes.iter().filter(overloaded).count();
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(refused > 0);
    assert_eq!(refused + done, 64, "{outcomes:?}");
    assert_eq!(everything(&*log).await.unwrap().len(), done);
}
