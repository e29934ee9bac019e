//! The embedded engine beyond the contract: against the oracle, over restarts, on damaged files, on failing disks.

mod concurrent;
mod contract;
mod copies;
mod damage;
#[cfg(feature = "failpoints")]
mod failing;
mod filtered;
mod fixture;
mod large;
mod model;
mod restart;
mod scavenging;
mod verification;

use std::path::Path;

use bytes::Bytes;
use uuid::Uuid;

use super::{Options, SqliteLog};
use crate::kernel::StreamName;
use crate::log::contract::TestClock;
use crate::log::{
    Direction, EventLog, Expected, Filter, NewEvent, ReadError, RecordedEvent, StreamMetadata,
};

fn open(dir: &Path) -> SqliteLog {
    SqliteLog::open(dir, options(&TestClock::new())).unwrap()
}

fn options(clock: &TestClock) -> Options {
    Options {
        protected: crate::log::contract::protected(),
        clock: clock.clock(),
        // Few, so that short tests see it written.
        index_after: 40,
        ..Options::default()
    }
}

fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

fn event(id: u128) -> NewEvent {
    NewEvent {
        id: Uuid::from_u128(id + 1),
        event_type: "Tested".into(),
        is_json: true,
        data: Bytes::from(format!("{{\"number\":{id}}}")),
        metadata: Bytes::from_static(b"{}"),
    }
}

/// A log with everything in it: metadata, a deleted and a recreated stream, a tombstone, odd payloads.
async fn lively(log: &dyn EventLog) {
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

async fn everything(log: &dyn EventLog) -> Result<Vec<RecordedEvent>, ReadError> {
    let all = log
        .read_all(None, Direction::Forward, usize::MAX, &Filter::default())
        .await?;
    Ok(all.events)
}

/// What a power cut leaves: the files as they are while the log is open.
fn crashed_copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in ["log.db", "log.db-wal", "log.lock"] {
        if from.join(file).exists() {
            std::fs::copy(from.join(file), to.join(file)).unwrap();
        }
    }
}
