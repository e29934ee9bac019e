//! Guards against: a server that goes on after another has taken over, and one that takes over and does not go on from there.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::listener::{self, Listener, append, clock, logs};
use crate::kernel::Position;
use crate::log::memory::MemoryLog;
use crate::log::{Direction, EventLog, Filter};
use crate::processes::lease::{Lease, Note};
use crate::processes::{ProcessStore, Processes};

/// Longer than a beat, and shorter than the lease lasts. The tests' clock stands still while there is something to do.
const BEATS: Duration = Duration::from_secs(3);

/// One of several servers on a log.
struct Server {
    listener: Arc<Listener>,
    processes: Processes,
    _dir: TempDir,
}

impl Server {
    fn start(log: &MemoryLog, owner: u128) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = Arc::new(Listener::default());
        let lease = Lease::new(Arc::new(log.clone()), Uuid::from_u128(owner));
        let processes = Processes::start_with(
            vec![Arc::clone(&listener) as _],
            &logs(log),
            Arc::new(ProcessStore::open(dir.path()).unwrap()),
            clock,
            Some(lease),
        );
        Self {
            listener,
            processes: processes.unwrap(),
            _dir: dir,
        }
    }

    async fn settle(&self, position: Position) {
        listener::settle(&self.processes, position).await;
    }

    fn heard(&self) -> Vec<String> {
        self.listener.heard.lock().unwrap().clone()
    }

    async fn replaced(&self) {
        let replaced = async {
            while self.processes.leads() {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(BEATS, replaced).await.unwrap();
    }
}

/// Another server takes the lease, and is heard of no more.
async fn replace(log: &MemoryLog) {
    let other = Lease::new(Arc::new(log.clone()), Uuid::from_u128(99));
    let seen = other.look().await.unwrap();
    let note = Note {
        owner: other.owner(),
        ..seen.note.unwrap()
    };
    other.write(seen.revision, &note).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_takes_over_knows_which_streams_wait_and_passes_the_checkpoint_on() {
    let log = MemoryLog::new();
    let one = Server::start(&log, 1);
    one.listener
        .refuses
        .lock()
        .unwrap()
        .insert("s-1:bad".to_owned());
    let bad = append(&log, "s-1", "bad").await;
    one.settle(bad).await;
    let two = Server::start(&log, 2);
    // What the first one says of itself is all that the second one goes by.
    two.settle(bad).await;
    one.processes.stop().await;
    append(&log, "s-1", "behind").await;
    let last = append(&log, "s-2", "good").await;
    two.settle(last).await;
    assert_eq!(two.heard(), ["s-2:good"]);
    let parked = two.processes.store().parked(None, 10, 0).unwrap();
    assert_eq!(parked.len(), 2);

    let all = log
        .read_all(None, Direction::Forward, 1_000, &Filter::default())
        .await
        .unwrap();
    let notes: Vec<Value> = all
        .events
        .iter()
        .filter(|event| &*event.event_type == "LeaseHeld")
        .map(|event| serde_json::from_slice(&event.data).unwrap())
        .collect();
    let taken = notes
        .windows(2)
        .find(|pair| pair[0]["owner"] != pair[1]["owner"])
        .unwrap();
    // Whoever comes third may see no more than this.
    assert_eq!(taken[0]["lanes"], taken[1]["lanes"]);
    assert_eq!(taken[1]["lanes"][0]["parked"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_was_replaced_handles_nothing_more_until_the_other_is_dead() {
    let log = MemoryLog::new();
    let server = Server::start(&log, 1);
    let before = append(&log, "s-1", "before").await;
    server.settle(before).await;
    replace(&log).await;
    server.replaced().await;
    let after = append(&log, "s-1", "after").await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(server.heard(), ["s-1:before"]);
    server.settle(after).await;
    assert_eq!(server.heard().last().unwrap(), "s-1:after");
}

#[tokio::test(start_paused = true)]
async fn what_ends_after_its_server_was_replaced_moves_no_position() {
    let log = MemoryLog::new();
    let server = Server::start(&log, 1);
    server
        .listener
        .lingers
        .lock()
        .unwrap()
        .insert("s-1:slow".to_owned());
    append(&log, "s-1", "slow").await;
    while server.heard().is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    // Somebody who has not come so far.
    sleep(BEATS).await;
    replace(&log).await;
    server.replaced().await;
    server.listener.patience.add_permits(1);
    sleep(Duration::from_millis(500)).await;
    let store = server.processes.store();
    assert_eq!(store.position("listener", "a").unwrap(), Position::START);
}
