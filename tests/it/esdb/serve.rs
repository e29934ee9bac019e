//! Guards against: a service that works on its own log and not on a shared one.

use std::sync::Arc;

use annals::log::memory::MemoryLog;
use annals::log::{Direction, EventLog, Filter};

use super::Served;
use crate::certificate;
use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_application_to_the_certificate_all_services_share_one_server() {
    let log = MemoryLog::new();
    let served = Served::start(Arc::new(log.clone())).await;
    let world = World::with(&format!("log.url={}", served.url())).await;
    certificate::life(world).await;
    let all = log
        .read_all(None, Direction::Forward, usize::MAX, &Filter::default())
        .await
        .unwrap();
    let mut categories: Vec<&str> = all
        .events
        .iter()
        .map(|event| event.stream.category())
        .filter(|category| !category.starts_with('$'))
        .collect();
    categories.sort_unstable();
    categories.dedup();
    assert_eq!(
        categories,
        [
            "application",
            "attendance",
            "candidacy",
            "certification",
            "evaluation",
            "lease",
            "placement",
            "worklist"
        ]
    );
}
