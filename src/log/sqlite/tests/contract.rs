//! The suite that every engine passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::options;
use crate::log::contract::{self, TestClock};
use crate::log::sqlite::{Options, SqliteLog};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_engine_keeps_the_contract() {
    let home = tempfile::tempdir().unwrap();
    let count = AtomicUsize::new(0);
    let violations = contract::check(|| async {
        let clock = TestClock::new();
        let number = count.fetch_add(1, Ordering::Relaxed);
        let dir = home.path().join(number.to_string());
        let options = Options {
            index_after: 8,
            ..options(&clock)
        };
        contract::Subject::new(Arc::new(SqliteLog::open(&dir, options).unwrap()), clock)
    })
    .await;
    assert!(violations.is_empty(), "{violations:#?}");
}
