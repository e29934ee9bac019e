//! Guards against: an engine that behaves otherwise once a network lies between it and its log.

use std::sync::{Arc, Mutex};

use annals::log::contract::{self, Subject, TestClock};
use annals::log::eventstoredb::Options;
use annals::log::memory::MemoryLog;
use annals::log::sqlite::{self, SqliteLog};
use tempfile::TempDir;

use super::sandbox::Sandbox;
use super::{Served, connect};

fn protecting() -> Options {
    Options {
        protected: contract::protected(),
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_oracle_the_contract_holds() {
    let servers = Mutex::new(Vec::new());
    let violations = contract::check(|| async {
        let clock = TestClock::new();
        let log = MemoryLog::with(clock.clock(), contract::protected());
        let served = Served::start(Arc::new(log)).await;
        let log = connect(&served.url(), protecting()).await;
        servers.lock().unwrap().push(served);
        Subject::new(Arc::new(log), clock)
    })
    .await;
    assert!(violations.is_empty(), "{violations:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_embedded_engine_the_contract_holds() {
    let servers = Mutex::new(Vec::new());
    let violations = contract::check(|| async {
        let clock = TestClock::new();
        let dir = TempDir::new().unwrap();
        let options = sqlite::Options {
            clock: clock.clock(),
            ..sqlite::Options::default()
        };
        let log = SqliteLog::open(dir.path(), options).unwrap();
        let served = Served::start(Arc::new(log)).await;
        let log = connect(&served.url(), protecting()).await;
        servers.lock().unwrap().push((served, dir));
        Subject::new(Arc::new(log), clock)
    })
    .await;
    assert!(violations.is_empty(), "{violations:#?}");
}

/// Clauses that move the log's clock, which nobody can do on a server somewhere else.
const OF_OUR_CLOCK: [&str; 2] = ["an_append_is_kept_whole", "max_age_hides_by_the_clock"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_server_that_is_named_the_contract_holds() {
    let named = std::env::var("ANNALS_TEST_ESDB");
    // Without one, our own stands in, so that the sandbox itself is tested.
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let url = named.unwrap_or_else(|_| served.url());
    let mut violations = contract::check(|| async {
        let log = connect(&url, protecting()).await;
        Subject::new(Arc::new(Sandbox::around(log)), TestClock::new())
    })
    .await;
    violations.retain(|violation| !OF_OUR_CLOCK.iter().any(|name| violation.starts_with(name)));
    assert!(violations.is_empty(), "{url}: {violations:#?}");
}
