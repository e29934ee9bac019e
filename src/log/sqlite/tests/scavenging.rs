//! What the scavenger takes, and what it leaves.

use std::sync::Arc;

use bytes::Bytes;

use super::{event, everything, lively, open, options, stream};
use crate::kernel::Position;
use crate::log::contract::TestClock;
use crate::log::memory::MemoryLog;
use crate::log::sqlite::{Numbering, Options, SqliteLog, stat, verify};
use crate::log::{
    AppendError, Delivery, Direction, EventLog, Expected, Filter, Match, NewEvent, ReadFrom,
    Removed, StreamMetadata,
};

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
async fn a_run_of_the_index_goes_with_its_last_event() {
    let home = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(home.path(), Options::default()).unwrap();
    let s = stream("a-1");
    let metadata = StreamMetadata {
        max_count: Some(100),
        ..StreamMetadata::default()
    };
    log.set_metadata(&s, Expected::Any, metadata).await.unwrap();
    let mut written = 0;
    // Runs of 128, 128 and 44, then one with each step. Of them go one and a half, then some more, then the second one.
    for (more, runs) in [(300, 2), (50, 3), (10, 3)] {
        for _ in 0..more {
            log.append(&s, Expected::Any, vec![event(written)])
                .await
                .unwrap();
            written += 1;
        }
        log.scavenge(|_| {}).await.unwrap();
        for (from, direction) in [
            (ReadFrom::Start, Direction::Forward),
            (ReadFrom::End, Direction::Backward),
        ] {
            let seen = log.read_stream(&s, from, direction, 1_000).await.unwrap();
            let mut ids: Vec<_> = seen.events.into_iter().map(|event| event.id).collect();
            if direction == Direction::Backward {
                ids.reverse();
            }
            let kept = (written - 100..written).map(|id| event(id).id);
            assert!(ids.into_iter().eq(kept), "{direction:?} after {written}");
        }
        let damages = verify(home.path(), |_, _| {}).unwrap().damages;
        assert_eq!(damages, [], "after {written}");
        let rows = "SELECT count(*) FROM stream_index WHERE stream =
                    (SELECT id FROM streams WHERE name = 'a-1')";
        let left: i64 = log
            .ask(|file| file.query_row(rows, [], |row| row.get(0)))
            .await
            .unwrap();
        assert_eq!(left, runs, "after {written}");
    }
    let last = u64::try_from(written).unwrap() - 1;
    log.close().await;
    let log = open(home.path());
    log.append(&s, Expected::Exact(last), vec![event(9_000)])
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
async fn the_last_event_of_a_stream_stays_whatever_hides_it_so_that_revisions_go_on() {
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let log = SqliteLog::open(home.path(), options(&clock)).unwrap();
    let (expired, cut, deleted) = (stream("a-1"), stream("a-2"), stream("a-3"));
    for s in [&expired, &cut, &deleted] {
        let events = (0..3).map(event).collect();
        log.append(s, Expected::NoStream, events).await.unwrap();
    }
    let after_a_minute = StreamMetadata {
        max_age_seconds: Some(60),
        ..StreamMetadata::default()
    };
    let beyond_the_end = StreamMetadata {
        truncate_before: Some(9),
        ..StreamMetadata::default()
    };
    for (s, metadata) in [(&expired, after_a_minute), (&cut, beyond_the_end)] {
        log.set_metadata(s, Expected::Any, metadata).await.unwrap();
    }
    log.delete(&deleted, Expected::Any).await.unwrap();
    clock.advance(61);
    assert_eq!(log.scavenge(|_| {}).await.unwrap().events, 6);
    log.close().await;
    // Opened anew, nothing but the file knows.
    let log = SqliteLog::open(home.path(), options(&clock)).unwrap();
    for (s, expected) in [
        (&expired, Expected::Exact(2)),
        (&cut, Expected::Exact(2)),
        (&deleted, Expected::NoStream),
    ] {
        let next = log.append(s, expected, vec![event(7)]).await.unwrap();
        assert_eq!(next.revision, Some(3), "{s}");
    }
    assert_eq!(verify(home.path(), |_, _| {}).unwrap().damages, []);
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
async fn what_was_removed_is_known_by_stream_and_type_in_pieces_and_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    let typed = |id: u32| NewEvent {
        event_type: if id.is_multiple_of(3) {
            "Third"
        } else {
            "Other"
        }
        .into(),
        ..event(u128::from(id))
    };
    for id in 0..20 {
        let s = stream(if id % 2 == 0 { "a-1" } else { "b-1" });
        log.append(&s, Expected::Any, vec![typed(id)])
            .await
            .unwrap();
    }
    let last_two = StreamMetadata {
        max_count: Some(2),
        ..StreamMetadata::default()
    };
    let all = everything(&log).await.unwrap();
    let filters = [
        Filter::default(),
        Filter::by_stream(Match::prefixes(["a-"])),
        Filter::by_type(Match::one_of(["Third"])),
    ];
    for filter in &filters {
        assert_eq!(removed(&log, Position(0), Position(99), filter).await, []);
    }
    log.set_metadata(&stream("a-1"), Expected::Any, last_two.clone())
        .await
        .unwrap();
    log.scavenge(|_| {}).await.unwrap();
    log.set_metadata(&stream("b-1"), Expected::Any, last_two)
        .await
        .unwrap();
    log.scavenge(|_| {}).await.unwrap();
    let left = everything(&log).await.unwrap();
    log.close().await;
    let reopened = open(home.path());
    let beside = SqliteLog::beside(home.path()).unwrap();
    for filter in &filters {
        for (after, up_to) in [(0, 99), (3, 9), (5, 5), (9, 3)] {
            let gone: Vec<_> = all
                .iter()
                .filter(|event| !left.contains(event))
                .filter(|event| (after + 1..=up_to).contains(&event.position.0))
                .filter(|event| {
                    filter
                        .admits(event.stream.as_str(), &event.event_type)
                        .unwrap()
                })
                .map(|event| Removed {
                    position: event.position,
                    stream: event.stream.clone(),
                    event_type: event.event_type.clone(),
                })
                .collect();
            for log in [&reopened, &beside] {
                let found = removed(log, Position(after), Position(up_to), filter).await;
                assert_eq!(found, gone, "{filter:?} after {after} up to {up_to}");
            }
        }
    }
}

/// All of it, two at a time.
async fn removed(
    log: &SqliteLog,
    after: Position,
    up_to: Position,
    filter: &Filter,
) -> Vec<Removed> {
    let mut found = Vec::new();
    let mut at = after;
    loop {
        let page = log.removed(at, up_to, 2, filter).await.unwrap();
        assert!(page.events.len() <= 2);
        found.extend(page.events);
        at = page.examined;
        if at >= up_to {
            return found;
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
