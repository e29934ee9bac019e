//! Dumps and their way back, and copies.

use std::io::Cursor;

use super::{event, everything, lively, open, stream};
use crate::kernel::Position;
use crate::log::contract::{self, TestClock};
use crate::log::memory::MemoryLog;
use crate::log::sqlite::{Numbering, SqliteLog, ToolError, check_dump, dump, load, verify};
use crate::log::{AppendError, EventLog, Expected, Filter, NewEvent, Removed, StreamMetadata};

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
async fn a_dump_is_none_of_a_log_that_has_something_else_under_its_ids_or_has_less() {
    let home = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| home.path().join(name));
    let (log, other) = (open(&one), open(&two));
    let s = stream("a-1");
    let append =
        |log, event| crate::log::sqlite::SqliteLog::append(log, &s, Expected::Any, vec![event]);
    append(&log, event(1)).await.unwrap();
    let forged = NewEvent {
        data: "{}".into(),
        ..event(1)
    };
    append(&other, forged).await.unwrap();
    let mut lines = Vec::new();
    dump(&one, &mut lines, |_, _| {}).unwrap();
    let loaded = load(&other, &mut Cursor::new(&lines), |_| {}).await;
    assert!(
        matches!(loaded, Err(ToolError::Differs { .. })),
        "{loaded:?}"
    );

    // One that has grown is the dump's all the same; one that has lost its end is not.
    let checked = |dir, lines: &[u8]| check_dump(dir, &mut Cursor::new(lines), |_, _| {});
    append(&log, event(2)).await.unwrap();
    assert_eq!(checked(&one, &lines).unwrap().events, 1);
    let mut longer = Vec::new();
    dump(&one, &mut longer, |_, _| {}).unwrap();
    let shorter = home.path().join("shorter");
    load(&open(&shorter), &mut Cursor::new(&lines), |_| {})
        .await
        .unwrap();
    let differs = checked(&shorter, &longer);
    assert!(
        matches!(differs, Err(ToolError::Differs { revision: 1, .. })),
        "{differs:?}"
    );
}

#[tokio::test]
async fn an_import_takes_no_gap_in_a_stream_no_position_twice_and_no_other_position_for_the_same() {
    let home = tempfile::tempdir().unwrap();
    let source = MemoryLog::new();
    for id in 0..3 {
        source
            .append(&stream("a-1"), Expected::Any, vec![event(id)])
            .await
            .unwrap();
    }
    let all = everything(&source).await.unwrap();
    let log = open(home.path());
    let import = |events| log.import(events, Numbering::Keep);
    let gap = import(vec![all[0].clone(), all[2].clone()]).await;
    assert!(
        matches!(
            gap,
            Err(AppendError::WrongExpected {
                current: Some(0),
                ..
            })
        ),
        "{gap:?}"
    );
    import(all.clone()).await.unwrap();
    let mut other = all[1].clone();
    other.stream = stream("b-1");
    other.revision = 0;
    let twice = import(vec![other]).await;
    assert!(
        matches!(twice, Err(AppendError::Invalid { .. })),
        "{twice:?}"
    );
    assert_eq!(everything(&log).await.unwrap(), all);

    let mut moved = all[1].clone();
    moved.position = Position(9);
    let same = |numbering| super::super::import::same(&all[1], Some(&moved), numbering);
    assert!(same(Numbering::Keep).is_err() && same(Numbering::Renumber).is_ok());
}

#[tokio::test]
async fn a_copy_knows_what_the_log_it_was_made_of_removed() {
    let home = tempfile::tempdir().unwrap();
    let [one, two, three] = ["one", "two", "three"].map(|name| home.path().join(name));
    let log = open(&one);
    lively(&log).await;
    log.scavenge(|_| {}).await.unwrap();
    let mut lines = Vec::new();
    dump(&one, &mut lines, |_, _| {}).unwrap();
    // A dump tells nothing of what is missing in it.
    let loaded = open(&two);
    load(&loaded, &mut Cursor::new(&lines), |_| {})
        .await
        .unwrap();
    assert_eq!(removed(&loaded).await, []);
    for log in [&log, &loaded] {
        let s = stream("cut");
        let last_one = StreamMetadata {
            max_count: Some(1),
            ..StreamMetadata::default()
        };
        let events = (400..405).map(event).collect();
        log.append(&s, Expected::NoStream, events).await.unwrap();
        log.set_metadata(&s, Expected::Any, last_one).await.unwrap();
        assert_eq!(log.scavenge(|_| {}).await.unwrap().events, 4);
    }
    for (source, dir) in [(&log, &three), (&loaded, &home.path().join("four"))] {
        let copy = open(dir);
        for _ in 0..2 {
            copy.copy_from(source, Numbering::Keep, |_| {})
                .await
                .unwrap();
            assert_eq!(removed(&copy).await, removed(source).await);
        }
        assert_eq!(verify(dir, |_, _| {}).unwrap().damages, []);
    }
    assert_eq!(removed(&loaded).await.len(), 4);
    assert!(removed(&log).await.len() > 20);
    assert_eq!(verify(&one, |_, _| {}).unwrap().damages, []);
    assert_eq!(verify(&two, |_, _| {}).unwrap().damages, []);
}

async fn removed(log: &SqliteLog) -> Vec<Removed> {
    let (from, end) = (Position::START, log.head().await.unwrap());
    let found = log.removed(from, end, 1_000, &Filter::default()).await;
    found.unwrap().events
}
