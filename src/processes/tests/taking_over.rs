//! Guards against: a server that goes on after another has taken over, and one that takes over and does not go on from there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::kernel::{ConsistencyToken, Moment, Position, StreamName, derived_id};
use crate::log::memory::MemoryLog;
use crate::log::{Direction, EventLog, Expected, Filter, NewEvent, RecordedEvent};
use crate::processes::lease::{Lease, Note};
use crate::processes::{Process, ProcessError, ProcessStore, Processes, Source};

/// Longer than a beat, and shorter than the lease lasts. The tests' clock stands still while there is something to do.
const BEATS: Duration = Duration::from_secs(3);

/// Notes what it is handed; refuses what is `bad`, and takes its time with what is `slow`.
struct Listener {
    heard: Mutex<Vec<String>>,
    slow: Semaphore,
}

#[async_trait]
impl Process for Listener {
    fn name(&self) -> &'static str {
        "listener"
    }
    fn sources(&self) -> &'static [Source] {
        &[Source {
            service: "a",
            event_types: &["Said"],
        }]
    }
    async fn handle(
        &self,
        _: &'static str,
        event: &RecordedEvent,
        _: Moment,
    ) -> Result<(), ProcessError> {
        let text = String::from_utf8_lossy(&event.data).into_owned();
        if text == "bad" {
            return Err(ProcessError::Permanent("no".to_owned()));
        }
        self.heard.lock().unwrap().push(text.clone());
        if text == "slow" {
            self.slow.acquire().await.unwrap().forget();
        }
        Ok(())
    }
}

/// One of several servers on a log.
struct Server {
    listener: Arc<Listener>,
    processes: Processes,
    _dir: TempDir,
}

impl Server {
    fn start(log: &MemoryLog, owner: u128) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = Arc::new(Listener {
            heard: Mutex::default(),
            slow: Semaphore::new(0),
        });
        let shared: Arc<dyn EventLog> = Arc::new(log.clone());
        let lease = Lease::new(Arc::clone(&shared), Uuid::from_u128(owner));
        let processes = Processes::start_with(
            vec![Arc::clone(&listener) as _],
            &HashMap::from([("a", shared)]),
            Arc::new(ProcessStore::open(dir.path()).unwrap()),
            || Moment::EPOCH,
            Some(lease),
        );
        Self {
            listener,
            processes: processes.unwrap(),
            _dir: dir,
        }
    }

    async fn settle(&self, position: Position) {
        let token = ConsistencyToken::new("a", position);
        self.processes.settle(&token).await.unwrap();
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

async fn say(log: &MemoryLog, stream: &str, text: &'static str) -> Position {
    let event = NewEvent {
        id: derived_id(&[stream.as_bytes(), text.as_bytes()]),
        event_type: "Said".into(),
        is_json: false,
        data: text.into(),
        metadata: "{}".into(),
    };
    let stream = StreamName::new(stream).unwrap();
    let said = log.append(&stream, Expected::Any, vec![event]).await;
    said.unwrap().position
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
    let bad = say(&log, "s-1", "bad").await;
    one.settle(bad).await;
    let two = Server::start(&log, 2);
    // What the first one says of itself is all that the second one goes by.
    two.settle(bad).await;
    one.processes.stop().await;
    say(&log, "s-1", "behind").await;
    let last = say(&log, "s-2", "good").await;
    two.settle(last).await;
    assert_eq!(two.heard(), ["good"]);
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
    let before = say(&log, "s-1", "before").await;
    server.settle(before).await;
    replace(&log).await;
    server.replaced().await;
    let after = say(&log, "s-1", "after").await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(server.heard(), ["before"]);
    server.settle(after).await;
    assert_eq!(server.heard().last().unwrap(), "after");
}

#[tokio::test(start_paused = true)]
async fn what_ends_after_its_server_was_replaced_moves_no_position() {
    let log = MemoryLog::new();
    let server = Server::start(&log, 1);
    say(&log, "s-1", "slow").await;
    while server.heard().is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    // Somebody who has not come so far.
    sleep(BEATS).await;
    replace(&log).await;
    server.replaced().await;
    server.listener.slow.add_permits(1);
    sleep(Duration::from_millis(500)).await;
    let store = server.processes.store();
    assert_eq!(store.position("listener", "a").unwrap(), Position::START);
}
