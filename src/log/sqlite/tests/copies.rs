//! Dumps and their way back, and copies.

use std::io::Cursor;

use super::{event, everything, lively, open, stream};
use crate::log::contract::{self, TestClock};
use crate::log::memory::MemoryLog;
use crate::log::sqlite::{Numbering, ToolError, dump, load, verify};
use crate::log::{EventLog, Expected};

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
