//! A log written by each schema version, read for ever. Guards against: a change of the file or of the canonical bytes.
//!
//! `tests/vectors/log/v1/` and so on hold the file and its dump. Neither may ever change; a new version gets a folder of
//! its own, written by running this with `ANNALS_WRITE_FIXTURE` set.

use std::path::Path;

use super::{event, everything, lively, open, stream};
use crate::kernel::Position;
use crate::log::sqlite::{SCHEMA_VERSION, SqliteLog, dump, stat, verify};
use crate::log::{Direction, EventLog, Expected, Filter, ReadFrom, RecordedEvent, StreamMetadata};

async fn read_and_written(version: i32) {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/vectors/log/v{version}"));
    if std::env::var_os("ANNALS_WRITE_FIXTURE").is_some() && version == SCHEMA_VERSION {
        write(&fixture).await;
    }
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(fixture.join("log.db"), home.path().join("log.db")).unwrap();
    let found = verify(home.path(), |_, _| {}).unwrap();
    assert_eq!(found.damages, []);
    assert!(found.whole > 40);
    assert_eq!(stat(home.path()).unwrap().schema, version);
    let mut lines = Vec::new();
    dump(home.path(), &mut lines, |_, _| {}).unwrap();
    let expected = std::fs::read_to_string(fixture.join("log.ndjson")).unwrap();
    assert_eq!(String::from_utf8(lines).unwrap(), expected);
    let seen = streams_of(&SqliteLog::beside(home.path()).unwrap()).await;
    assert!(seen.concat().len() > 8);
    let beside = SqliteLog::beside(home.path()).unwrap();
    let (from, to) = (Position::START, beside.head().await.unwrap());
    let removed = beside.removed(from, to, 100, &Filter::default()).await;
    // What was removed was not written down before version 3.
    let expected = if version < 3 { 0 } else { 69 };
    assert_eq!(removed.unwrap().events.len(), expected);

    let log = open(home.path());
    assert_eq!(streams_of(&log).await, seen);
    let before = everything(&log).await.unwrap().len();
    log.append(&stream("a-1"), Expected::Exact(10), vec![event(900)])
        .await
        .unwrap();
    log.close().await;
    let log = open(home.path());
    assert_eq!(everything(&log).await.unwrap().len(), before + 1);
    let after = streams_of(&log).await;
    assert_eq!(after.concat().len(), seen.concat().len() + 1);
    log.close().await;
    assert_eq!(verify(home.path(), |_, _| {}).unwrap().damages, []);
    assert_eq!(stat(home.path()).unwrap().schema, SCHEMA_VERSION);
}

#[tokio::test]
async fn a_log_of_schema_version_1_is_read_and_written_for_ever() {
    read_and_written(1).await;
}

#[tokio::test]
async fn a_log_of_schema_version_2_is_read_and_written_for_ever() {
    read_and_written(2).await;
}

#[tokio::test]
async fn a_log_of_schema_version_3_is_read_and_written_for_ever() {
    read_and_written(3).await;
}

/// What readers of single streams see.
async fn streams_of(log: &SqliteLog) -> Vec<Vec<RecordedEvent>> {
    let (from, forward) = (ReadFrom::Start, Direction::Forward);
    let mut seen = Vec::new();
    for name in ["a-0", "a-1", "odd", "kept-1", "$$a-0", "$$a-1", "long-1"] {
        let slice = log.read_stream(&stream(name), from, forward, 100).await;
        seen.push(slice.unwrap().events);
    }
    seen
}

/// A stream whose events make more than one run of the stream index, and whose beginning the scavenger takes.
async fn long(log: &SqliteLog) {
    let name = stream("long-1");
    let events = (1_000..1_140).map(event).collect();
    log.append(&name, Expected::Any, events).await.unwrap();
    let metadata = StreamMetadata {
        max_count: Some(100),
        ..StreamMetadata::default()
    };
    log.set_metadata(&name, Expected::Any, metadata)
        .await
        .unwrap();
}

async fn write(fixture: &Path) {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    lively(&log).await;
    long(&log).await;
    log.scavenge(|_| {}).await.unwrap();
    log.close().await;
    std::fs::create_dir_all(fixture).unwrap();
    std::fs::copy(home.path().join("log.db"), fixture.join("log.db")).unwrap();
    let mut lines = Vec::new();
    dump(home.path(), &mut lines, |_, _| {}).unwrap();
    std::fs::write(fixture.join("log.ndjson"), lines).unwrap();
}
