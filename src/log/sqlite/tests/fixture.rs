//! A log written by each schema version, read for ever. Guards against: a change of the file or of the canonical bytes.
//!
//! `tests/vectors/log/v1/` and so on hold the file and its dump. Neither may ever change; a new version gets a folder of
//! its own, written by running this with `ANNALS_WRITE_FIXTURE` set.

use std::path::Path;

use super::{event, everything, lively, open, stream};
use crate::kernel::Position;
use crate::log::sqlite::{SCHEMA_VERSION, SqliteLog, dump, stat, verify};
use crate::log::{Direction, EventLog, Expected, Filter, ReadFrom, RecordedEvent};

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
    if version < 3 {
        let beside = SqliteLog::beside(home.path()).unwrap();
        let (from, to) = (Position::START, beside.head().await.unwrap());
        let removed = beside.removed(from, to, 10, &Filter::default()).await;
        assert_eq!(removed.unwrap().events, [], "it was not written down then");
    }

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

/// What readers of single streams see.
async fn streams_of(log: &SqliteLog) -> Vec<Vec<RecordedEvent>> {
    let (from, forward) = (ReadFrom::Start, Direction::Forward);
    let mut seen = Vec::new();
    for name in ["a-0", "a-1", "odd", "kept-1", "$$a-0", "$$a-1"] {
        let slice = log.read_stream(&stream(name), from, forward, 100).await;
        seen.push(slice.unwrap().events);
    }
    seen
}

async fn write(fixture: &Path) {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    lively(&log).await;
    log.close().await;
    std::fs::create_dir_all(fixture).unwrap();
    std::fs::copy(home.path().join("log.db"), fixture.join("log.db")).unwrap();
    let mut lines = Vec::new();
    dump(home.path(), &mut lines, |_, _| {}).unwrap();
    std::fs::write(fixture.join("log.ndjson"), lines).unwrap();
}
