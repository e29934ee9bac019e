//! The embedded engine beyond the contract: against the oracle, over restarts, on damaged files, on failing disks.

mod concurrent;
mod contract;
mod damage;
#[cfg(feature = "failpoints")]
mod failing;
mod filtered;
mod fixture;
mod model;
mod restart;
mod verbs;

use std::path::Path;

use bytes::Bytes;
use uuid::Uuid;

use super::{Options, SqliteLog};
use crate::kernel::StreamName;
use crate::log::contract::TestClock;
use crate::log::{Direction, EventLog, Filter, NewEvent, ReadError, RecordedEvent};

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
