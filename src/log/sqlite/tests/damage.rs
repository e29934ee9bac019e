//! A change in any column of any row is found, and named. Guards against: damaged or forged rows served as truth.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::{event, everything, open, stream};
use crate::kernel::Position;
use crate::log::sqlite::{Damage, SqliteLog, verify};
use crate::log::{Direction, EventLog, Expected, Filter, ReadError, ReadFrom, StreamMetadata};

pub(super) async fn written(dir: &Path) {
    let log = open(dir);
    for turn in 0..6 {
        let s = stream(&format!("a-{}", turn % 2));
        log.append(&s, Expected::Any, vec![event(turn)])
            .await
            .unwrap();
    }
    log.close().await;
}

/// Changes the file as somebody would who knows SQLite, triggers out of the way.
pub(super) fn tamper(dir: &Path, sql: &str) {
    let file = Connection::open(dir.join("log.db")).unwrap();
    let triggers: Vec<String> = file
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for trigger in triggers {
        file.execute_batch(&format!("DROP TRIGGER {trigger}"))
            .unwrap();
    }
    file.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_change_in_any_column_is_found_and_named() {
    for (sql, position) in [
        ("UPDATE events SET position = 9 WHERE position = 3", 3),
        ("UPDATE events SET stream = 2 WHERE position = 3; ", 3),
        ("UPDATE events SET revision = 7 WHERE position = 3", 3),
        ("UPDATE events SET type = type + 1 WHERE position = 3", 3),
        ("UPDATE events SET json = 0 WHERE position = 3", 3),
        ("UPDATE events SET json = 2 WHERE position = 3", 3),
        (
            "UPDATE events SET recorded = recorded + 1 WHERE position = 3",
            3,
        ),
        ("UPDATE events SET id = zeroblob(16) WHERE position = 3", 3),
        ("UPDATE events SET id = x'00' WHERE position = 3", 3),
        (
            "UPDATE events SET digest = zeroblob(32) WHERE position = 3",
            3,
        ),
        ("UPDATE events SET data = x'7b7d' WHERE position = 3", 3),
        ("UPDATE events SET metadata = x'7b20' WHERE position = 3", 3),
        (
            "UPDATE events SET recorded = 9223372036854775807 WHERE position = 3",
            3,
        ),
        ("UPDATE streams SET name = 'a-9' WHERE name = 'a-0'", 1),
        ("UPDATE streams SET name = '' WHERE name = 'a-0'", 1),
        ("UPDATE types SET name = 'Forged'", 1),
        ("DELETE FROM types", 1),
        ("DELETE FROM events WHERE position = 3", 3),
    ] {
        let home = tempfile::tempdir().unwrap();
        written(home.path()).await;
        tamper(home.path(), sql);
        let found = everything(&open(home.path())).await;
        let Err(ReadError::Damaged {
            position: named, ..
        }) = &found
        else {
            panic!("{sql}: {found:?}");
        };
        assert_eq!(*named, Position(position), "{sql}: {found:?}");
    }
}

/// Flips one bit of one column of the event at a position.
fn flip(dir: &Path, position: i64, column: &str, bit: u32) {
    flip_in("events", dir, position, column, bit);
}

fn flip_in(table: &str, dir: &Path, position: i64, column: &str, bit: u32) {
    let file = Connection::open(dir.join("log.db")).unwrap();
    file.pragma_update(None, "synchronous", "OFF").unwrap();
    let sql = format!("SELECT {column} FROM {table} WHERE position = ?1");
    let flipped = match file.query_row(&sql, [position], |row| row.get(0)).unwrap() {
        Value::Integer(number) => Value::Integer(number ^ (1 << bit)),
        Value::Blob(mut bytes) => {
            let at = bytes.len() * 2 / 3;
            bytes[at] ^= 1 << (bit % 8);
            Value::Blob(bytes)
        }
        other @ (Value::Null | Value::Real(_) | Value::Text(_)) => panic!("{column}: {other:?}"),
    };
    let sql = format!("UPDATE {table} SET {column} = ?2 WHERE position = ?1");
    file.execute(&sql, (position, flipped)).unwrap();
}

#[tokio::test]
async fn a_flipped_bit_in_any_column_of_any_row_is_named_with_its_position() {
    let home = tempfile::tempdir().unwrap();
    written(home.path()).await;
    tamper(home.path(), "");
    let mut flips = 0;
    for position in 1..=6 {
        for column in [
            "position", "stream", "revision", "type", "json", "recorded", "id", "digest", "data",
            "metadata",
        ] {
            for bit in [3, 5, 33] {
                let dir = tempfile::tempdir().unwrap();
                std::fs::copy(home.path().join("log.db"), dir.path().join("log.db")).unwrap();
                flip(dir.path(), position, column, bit);
                let named = Position(position.unsigned_abs());
                let verified = verify(dir.path(), |_, _| {}).unwrap();
                let damages = &verified.damages;
                assert!(
                    damages.iter().any(|damage| damage.position == named),
                    "bit {bit} of {column} at {named}: {damages:?}"
                );
                let read = everything(&SqliteLog::beside(dir.path()).unwrap()).await;
                assert!(
                    matches!(read, Err(ReadError::Damaged { position, .. }) if position == named),
                    "bit {bit} of {column} at {named}: {read:?}"
                );
                flips += 1;
            }
        }
    }
    println!("{flips} flipped bits, each named by its position");
}

#[tokio::test]
async fn a_flipped_bit_in_anything_written_down_of_a_removed_event_is_named() {
    let home = tempfile::tempdir().unwrap();
    scavenged(home.path()).await;
    assert_eq!(verify(home.path(), |_, _| {}).unwrap().damages, []);
    tamper(home.path(), "");
    let mut flips = 0;
    for position in [1, 3, 5] {
        for column in ["position", "stream", "type", "digest"] {
            for bit in 0..8 {
                let dir = tempfile::tempdir().unwrap();
                std::fs::copy(home.path().join("log.db"), dir.path().join("log.db")).unwrap();
                let what = format!("bit {bit} of {column} at {position}");
                let moved = position ^ (1 << bit);
                if column == "position" && [1, 3, 5, 9, 10].contains(&moved) {
                    // It has become another one: a page of SQLite cannot hold it twice.
                    continue;
                }
                flip_in("removed", dir.path(), position, column, bit);
                let named = if column == "position" {
                    moved
                } else {
                    position
                };
                let verified = verify(dir.path(), |_, _| {}).unwrap();
                let damages = &verified.damages;
                let named = Position(named.unsigned_abs());
                assert!(
                    damages.iter().any(|damage| damage.position == named),
                    "{what}: {damages:?}"
                );
                let log = SqliteLog::beside(dir.path()).unwrap();
                let (from, to) = (Position::START, Position(1_000));
                let read = log.removed(from, to, 10, &Filter::default()).await;
                // Whoever asks for what lies after the beginning is not shown what moved there.
                let is_named =
                    matches!(read, Err(ReadError::Damaged { position, .. }) if position == named);
                assert!(is_named || named == from, "{what}: {read:?}");
                flips += 1;
            }
        }
    }
    assert!(flips > 80, "{flips}");
}

#[tokio::test]
async fn what_was_removed_and_is_not_written_down_any_more_or_never_was_scavenged_is_named() {
    for (sql, named, text) in [
        (
            "DELETE FROM removed WHERE position = 10",
            0,
            "4 are written",
        ),
        ("UPDATE uncounted SET events = 1", 0, "1 are said not"),
        (
            "UPDATE events SET position = 5 WHERE position = 6",
            5,
            "and is there",
        ),
        ("DELETE FROM scavenged WHERE first = 3", 3, "not scavenged"),
        ("DELETE FROM types WHERE id = 1", 1, "no stream or type"),
    ] {
        let home = tempfile::tempdir().unwrap();
        scavenged(home.path()).await;
        tamper(home.path(), sql);
        let damages = verify(home.path(), |_, _| {}).unwrap().damages;
        let is_named = damages
            .iter()
            .any(|damage| damage.position == Position(named) && damage.problem.contains(text));
        assert!(is_named, "{sql}: {damages:?}");
    }
}

/// A log of which events 1, 3, 5, and 9 and 10 together were removed.
async fn scavenged(dir: &Path) {
    written(dir).await;
    let log = open(dir);
    let last_one = StreamMetadata {
        max_count: Some(1),
        ..StreamMetadata::default()
    };
    for (name, more) in [("a-0", 7..8), ("b-0", 8..11)] {
        let events = more.map(event).collect();
        log.append(&stream(name), Expected::Any, events)
            .await
            .unwrap();
        log.set_metadata(&stream(name), Expected::Any, last_one.clone())
            .await
            .unwrap();
    }
    assert_eq!(log.scavenge(|_| {}).await.unwrap().events, 5);
    log.close().await;
}

#[tokio::test]
async fn a_flipped_bit_in_any_run_of_the_stream_index_is_named_and_leads_nobody_astray() {
    let home = tempfile::tempdir().unwrap();
    written(home.path()).await;
    tamper(home.path(), "");
    let mut flips = 0;
    for (at, of) in [(1, [1, 3, 5]), (2, [2, 4, 6])] {
        let mut changes = Vec::new();
        for column in ["stream", "revision", "position"] {
            for bit in [0, 1, 2, 33] {
                let bit = 1u64 << bit;
                changes.push(format!(
                    "{column} = ({column} | {bit}) - ({column} & {bit})"
                ));
            }
        }
        // Two revisions follow, each two positions on.
        for (byte, bit) in (0..24).map(|bit| (bit / 8, bit % 8)) {
            let mut rest = [2_u8, 2, 2];
            rest[byte] ^= 1 << bit;
            let [count, first, second] = rest;
            changes.push(format!("rest = x'{count:02x}{first:02x}{second:02x}'"));
        }
        for change in changes {
            let dir = tempfile::tempdir().unwrap();
            std::fs::copy(home.path().join("log.db"), dir.path().join("log.db")).unwrap();
            let file = Connection::open(dir.path().join("log.db")).unwrap();
            let sql = format!("UPDATE stream_index SET {change} WHERE position = {at}");
            match file.execute(&sql, []) {
                Ok(rows) => assert_eq!(rows, 1, "{change}"),
                // It has become another one: a page of SQLite cannot hold it twice.
                Err(_) => continue,
            }
            drop(file);
            let damages = verify(dir.path(), |_, _| {}).unwrap().damages;
            let named = |damage: &Damage| of.contains(&damage.position.0);
            assert!(damages.iter().any(named), "{change} at {at}: {damages:?}");
            let log = SqliteLog::beside(dir.path()).unwrap();
            for name in ["a-0", "a-1"] {
                for (from, direction) in [
                    (ReadFrom::Start, Direction::Forward),
                    (ReadFrom::End, Direction::Backward),
                ] {
                    let read = log.read_stream(&stream(name), from, direction, 10).await;
                    let Ok(mut slice) = read else { continue };
                    if direction == Direction::Backward {
                        slice.events.reverse();
                    }
                    assert!(
                        slice.events.iter().zip(0..).all(|(event, revision)| {
                            event.stream == stream(name) && event.revision == revision
                        }),
                        "{change} at {at}: {slice:?}"
                    );
                }
            }
            flips += 1;
        }
    }
    assert!(flips > 60, "{flips}");
}

#[tokio::test]
async fn a_mark_of_the_stream_index_that_lies_is_refused() {
    for mark in ["6000000000", "7"] {
        let home = tempfile::tempdir().unwrap();
        written(home.path()).await;
        tamper(
            home.path(),
            &format!("UPDATE indexed SET position = {mark}"),
        );
        assert!(SqliteLog::open(home.path(), super::Options::default()).is_err());
    }
    let home = tempfile::tempdir().unwrap();
    written(home.path()).await;
    tamper(home.path(), "DELETE FROM stream_index WHERE position = 2");
    let opened = SqliteLog::open(home.path(), super::Options::default());
    assert!(opened.is_err(), "the mark is at 6");
}

#[tokio::test]
async fn a_stream_with_a_hole_is_not_served() {
    let home = tempfile::tempdir().unwrap();
    written(home.path()).await;
    tamper(home.path(), "DELETE FROM events WHERE position = 3");
    let log = open(home.path());
    for (from, direction) in [
        (ReadFrom::Start, Direction::Forward),
        (ReadFrom::End, Direction::Backward),
    ] {
        let found = log.read_stream(&stream("a-0"), from, direction, 10).await;
        assert!(matches!(found, Err(ReadError::Damaged { .. })), "{found:?}");
    }
    let other = log
        .read_stream(&stream("a-1"), ReadFrom::Start, Direction::Forward, 10)
        .await;
    assert_eq!(other.unwrap().events.len(), 3);
}

#[tokio::test]
async fn a_stray_tool_cannot_rewrite_history() {
    let home = tempfile::tempdir().unwrap();
    scavenged(home.path()).await;
    let file = Connection::open(home.path().join("log.db")).unwrap();
    for sql in [
        "UPDATE events SET data = x'7b7d' WHERE position = 4",
        "DELETE FROM events WHERE position = 4",
        "DELETE FROM events",
        "UPDATE streams SET name = 'x'",
        "DELETE FROM streams",
        "UPDATE types SET name = 'x'",
        "DELETE FROM types",
        "UPDATE stream_index SET position = 3 WHERE position = 2",
        "UPDATE stream_index SET rest = x''",
        "DELETE FROM stream_index WHERE position = 2",
        "UPDATE removed SET stream = 1",
        "DELETE FROM removed",
    ] {
        assert!(file.execute_batch(sql).is_err(), "{sql}");
    }
}

#[tokio::test]
async fn a_flipped_bit_in_the_file_is_never_served_as_truth() {
    let home = tempfile::tempdir().unwrap();
    written(home.path()).await;
    let whole = std::fs::read(home.path().join("log.db")).unwrap();
    let truth = everything(&open(home.path())).await.unwrap();
    // Every byte would take long: a stride that is no divisor of the page walks through all parts of it.
    for at in (100..whole.len()).step_by(1021) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("log.db"), &flipped).unwrap();
        let Ok(log) = crate::log::sqlite::SqliteLog::open(dir.path(), super::Options::default())
        else {
            continue;
        };
        if let Ok(events) = everything(&log).await {
            // A page that is not in use, or the very end: what is there is true.
            assert_eq!(events, truth[..events.len()], "byte {at}");
        }
    }
}
