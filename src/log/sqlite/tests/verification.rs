//! The operator's verbs: figures, verification, dump and its way back, copies, scavenging.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;

use super::damage::tamper;
use super::{event, everything, open, options, stream};
use crate::kernel::Position;
use crate::log::contract::{self, TestClock};
use crate::log::memory::MemoryLog;
use crate::log::sqlite::{
    Numbering, Options, SCHEMA_VERSION, SqliteLog, ToolError, dump, load, stat, verify,
};
use crate::log::{
    AppendError, Delivery, Direction, EventLog, Expected, Filter, NewEvent, ReadFrom,
    StreamMetadata,
};

/// A log with everything in it: metadata, a deleted and a recreated stream, a tombstone, odd payloads.
pub(super) async fn lively(log: &dyn EventLog) {
    for turn in 0..30_u64 {
        let s = stream(&format!("a-{}", turn % 3));
        log.append(&s, Expected::Any, vec![event(u128::from(turn))])
            .await
            .unwrap();
    }
    for (id, data) in [
        &b"\xff\x00"[..],
        b" {\"a\": 1}\n",
        b"{\"b\":\"\xc3\xa4\"}",
        b"",
    ]
    .iter()
    .enumerate()
    {
        let odd = NewEvent {
            data: Bytes::from_static(data),
            is_json: false,
            ..event(100 + id as u128)
        };
        log.append(&stream("odd"), Expected::Any, vec![odd])
            .await
            .unwrap();
    }
    let metadata = StreamMetadata {
        max_count: Some(2),
        ..StreamMetadata::default()
    };
    log.set_metadata(&stream("a-0"), Expected::Any, metadata)
        .await
        .unwrap();
    log.delete(&stream("a-1"), Expected::Any).await.unwrap();
    log.append(&stream("a-1"), Expected::Any, vec![event(200)])
        .await
        .unwrap();
    log.tombstone(&stream("a-2"), Expected::Any).await.unwrap();
    log.append(
        &stream("kept-1"),
        Expected::Any,
        vec![event(201), event(202)],
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn figures_of_a_log_that_is_being_served() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    lively(&log).await;
    let head = log.head().await.unwrap();
    let figures = stat(home.path()).unwrap();
    assert_eq!(
        (figures.head, figures.events, figures.scavenged),
        (head, head.0, 0)
    );
    assert_eq!((figures.schema, figures.types), (SCHEMA_VERSION, 3));
    assert!(figures.wal_bytes > 0 && figures.last_recorded.is_some());
    assert!(stat(&home.path().join("nowhere")).is_err());
}

#[tokio::test]
async fn verification_of_a_whole_log_finds_nothing_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    lively(&log).await;
    let found = verify(home.path(), |_, _| {}).unwrap();
    assert_eq!(
        (found.damaged, found.whole),
        (0, log.head().await.unwrap().0),
        "{found:?}"
    );
    log.close().await;
    let before = std::fs::read(home.path().join("log.db")).unwrap();
    assert_eq!(verify(home.path(), |_, _| {}).unwrap(), found);
    assert_eq!(std::fs::read(home.path().join("log.db")).unwrap(), before);
    // A look from beside must not make the next open believe in a crash.
    open(home.path()).close().await;
}

#[tokio::test]
async fn verification_names_every_damage() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    lively(&log).await;
    log.close().await;
    tamper(
        home.path(),
        "UPDATE events SET data = x'00' WHERE position = 4;
         UPDATE events SET recorded = recorded + 1 WHERE position = 8;
         DELETE FROM events WHERE position = 11;",
    );
    let found = verify(home.path(), |_, _| {}).unwrap();
    let named: Vec<_> = found
        .damages
        .iter()
        .map(|damage| (damage.position.0, damage.stream.as_str()))
        .collect();
    // The stream index still leads to position 11.
    assert_eq!(
        named,
        [(4, "a-0"), (8, "a-1"), (11, "unknown"), (11, "a-1")],
        "{found:?}"
    );
}

#[tokio::test]
async fn a_dump_read_back_is_the_same_log() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (home.path().join("one"), home.path().join("two"));
    let log = open(&one);
    lively(&log).await;
    log.scavenge(|_| {}).await.unwrap();
    let mut lines = Vec::new();
    dump(&one, &mut lines, |_, _| {}).unwrap();
    let copy = open(&two);
    for _ in 0..2 {
        load(&copy, &mut Cursor::new(&lines), |_| {}).await.unwrap();
        assert_eq!(everything(&copy).await, everything(&log).await);
    }
    assert_eq!(verify(&two, |_, _| {}).unwrap().damages, []);
    let mut again = Vec::new();
    dump(&two, &mut again, |_, _| {}).unwrap();
    assert_eq!(
        String::from_utf8(again).unwrap(),
        String::from_utf8(lines).unwrap()
    );
    // It is a log like any other.
    copy.append(&stream("a-1"), Expected::Exact(10), vec![event(300)])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_dump_that_was_changed_is_refused_with_its_line() {
    let home = tempfile::tempdir().unwrap();
    let log = open(&home.path().join("one"));
    lively(&log).await;
    let mut lines = Vec::new();
    dump(&home.path().join("one"), &mut lines, |_, _| {}).unwrap();
    let forged = String::from_utf8(lines)
        .unwrap()
        .replace("\"number\":7}", "\"number\":8}");
    let copy = open(&home.path().join("two"));
    let refused = load(&copy, &mut Cursor::new(forged), |_| {}).await;
    assert!(
        matches!(refused, Err(ToolError::Line { line: 8, .. })),
        "{refused:?}"
    );
    let refused = load(&copy, &mut Cursor::new("rubbish\n"), |_| {}).await;
    assert!(
        matches!(refused, Err(ToolError::Line { line: 1, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_copy_goes_on_where_it_was_broken_off() {
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let source = MemoryLog::with(clock.clock(), contract::protected());
    lively(&source).await;
    let target = open(home.path());
    let all = everything(&source).await.unwrap();
    target
        .import(all[..17].to_vec(), Numbering::Renumber)
        .await
        .unwrap();
    for _ in 0..2 {
        let done = target
            .copy_from(&source, Numbering::Renumber, |_| {})
            .await
            .unwrap();
        assert_eq!(done.events, all.len() as u64);
    }
    assert_eq!(everything(&target).await.unwrap(), all);
    target
        .append(&stream("b-1"), Expected::Any, vec![event(1)])
        .await
        .unwrap();
    source
        .append(&stream("b-1"), Expected::Any, vec![event(2)])
        .await
        .unwrap();
    let differs = target.copy_from(&source, Numbering::Renumber, |_| {}).await;
    assert!(
        matches!(differs, Err(ToolError::NoCopy { revision: 0, .. })),
        "{differs:?}"
    );
}

#[tokio::test]
async fn scavenging_removes_what_is_hidden_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    lively(&log).await;
    let seen = |log: Arc<SqliteLog>| async move {
        let mut seen = Vec::new();
        for name in ["a-0", "a-1", "a-2", "odd", "kept-1", "$$a-0", "$$a-1"] {
            let from = ReadFrom::Start;
            seen.push(
                log.read_stream(&stream(name), from, Direction::Forward, 100)
                    .await,
            );
        }
        seen
    };
    let log = Arc::new(log);
    let before = seen(Arc::clone(&log)).await;
    let all = everything(&*log).await.unwrap();
    let done = log.scavenge(|_| {}).await.unwrap();
    assert!(done.events > 20, "{done:?}");
    assert_eq!(seen(Arc::clone(&log)).await, before);
    let left = everything(&*log).await.unwrap();
    assert_eq!(left.len() as u64, all.len() as u64 - done.events);
    assert!(left.iter().all(|event| all.contains(event)));
    assert_eq!(log.scavenge(|_| {}).await.unwrap().events, 0);
    assert_eq!(verify(home.path(), |_, _| {}).unwrap().damages, []);
    assert_eq!(stat(home.path()).unwrap().scavenged, done.events);
    // Subscribers pass over what is gone, and revisions go on.
    let mut deliveries = log.subscribe(Position::START, Filter::default());
    let mut delivered = 0;
    while let Some(delivery) = futures::StreamExt::next(&mut deliveries).await {
        match delivery.unwrap() {
            Delivery::Events(events) => delivered += events.len(),
            Delivery::Checkpoint(_) => {}
            Delivery::CaughtUp(_) => break,
        }
    }
    assert_eq!(delivered, left.len());
    log.append(&stream("a-0"), Expected::Exact(9), vec![event(300)])
        .await
        .unwrap();
}

#[tokio::test]
async fn expired_events_go_by_the_clock_and_the_file_shrinks() {
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let log = SqliteLog::open(home.path(), options(&clock)).unwrap();
    let s = stream("a-1");
    let metadata = StreamMetadata {
        max_age_seconds: Some(60),
        ..StreamMetadata::default()
    };
    log.set_metadata(&s, Expected::Any, metadata).await.unwrap();
    let large = |id| NewEvent {
        data: Bytes::from(vec![b'x'; 100_000]),
        ..event(id)
    };
    for id in 0..20 {
        log.append(&s, Expected::Any, vec![large(id)])
            .await
            .unwrap();
    }
    clock.advance(61);
    log.append(&s, Expected::Any, vec![event(99)])
        .await
        .unwrap();
    let before = stat(home.path()).unwrap();
    assert_eq!(log.scavenge(|_| {}).await.unwrap().events, 20);
    let after = stat(home.path()).unwrap();
    assert!(
        after.file_bytes * 4 < before.file_bytes,
        "{before:?} {after:?}"
    );
    let left = log
        .read_stream(&s, ReadFrom::Start, Direction::Forward, 100)
        .await
        .unwrap();
    assert_eq!(left.events.len(), 1);
}

#[tokio::test]
async fn what_was_scavenged_after_the_newest_entries_were_read_is_no_damage() {
    let home = tempfile::tempdir().unwrap();
    let options = Options {
        index_after: 1_000,
        ..options(&TestClock::new())
    };
    let log = SqliteLog::open(home.path(), options).unwrap();
    let s = stream("a-1");
    let events = (0..10).map(event).collect();
    log.append(&s, Expected::NoStream, events).await.unwrap();
    // It has all ten entries in memory.
    let beside = SqliteLog::beside(home.path()).unwrap();
    let last_two = StreamMetadata {
        max_count: Some(2),
        ..StreamMetadata::default()
    };
    log.set_metadata(&s, Expected::Any, last_two).await.unwrap();
    assert_eq!(log.scavenge(|_| {}).await.unwrap().events, 8);
    log.set_metadata(&s, Expected::Any, StreamMetadata::default())
        .await
        .unwrap();
    for (from, direction) in [
        (ReadFrom::Start, Direction::Forward),
        (ReadFrom::End, Direction::Backward),
    ] {
        for log in [&log, &beside] {
            let left = log.read_stream(&s, from, direction, 100).await.unwrap();
            assert_eq!(left.events.len(), 2, "{direction:?}");
        }
    }
}

#[tokio::test]
async fn certificates_and_audit_are_kept_whatever_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(home.path(), Options::default()).unwrap();
    let hiding = || StreamMetadata {
        max_count: Some(1),
        ..StreamMetadata::default()
    };
    let elsewhere = MemoryLog::new();
    for name in ["certification-1", "access-1"] {
        let s = stream(name);
        for id in 0..3 {
            log.append(&s, Expected::Any, vec![event(id)])
                .await
                .unwrap();
        }
        let raw = NewEvent {
            event_type: "$metadata".into(),
            data: "{\"$tb\":2}".into(),
            ..event(9)
        };
        let refusals = [
            log.delete(&s, Expected::Any).await.err(),
            log.tombstone(&s, Expected::Any).await.err(),
            log.set_metadata(&s, Expected::Any, hiding()).await.err(),
            log.append(&s.metastream(), Expected::Any, vec![raw])
                .await
                .err(),
        ];
        for refusal in refusals {
            assert!(
                matches!(refusal, Some(AppendError::Protected(_))),
                "{name}: {refusal:?}"
            );
        }
        elsewhere
            .set_metadata(&s, Expected::Any, hiding())
            .await
            .unwrap();
        elsewhere.tombstone(&s, Expected::Any).await.unwrap();
    }
    // Nor by way of a copy of a log that allows it.
    for event in everything(&elsewhere).await.unwrap() {
        let refused = log.import(vec![event], Numbering::Renumber).await;
        assert!(
            matches!(refused, Err(AppendError::Protected(_))),
            "{refused:?}"
        );
    }
    assert_eq!(log.scavenge(|_| {}).await.unwrap().events, 0);
    assert_eq!(everything(&log).await.unwrap().len(), 6);
}
