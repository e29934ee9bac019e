//! Guards against: two servers that both run the processes, none that does, and work that is done twice or never when
//! the one that did it dies.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use annals::log::sqlite::{Options, SqliteLog};
use annals::log::{Direction, EventLog, Filter, RecordedEvent};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use super::Served;
use crate::support::journey::{Journey, settle};
use crate::support::server::Server;

const SERVERS: usize = 3;
const CLIENTS: usize = 3;
/// Far above anything that is not a hang.
const PATIENT: Duration = Duration::from_mins(3);

/// Events that follow from a placement once, whoever sends the commands.
const ONCE: [&str; 6] = [
    "ApplicationSubmitted",
    "OfferAccepted",
    "PlacementStarted",
    "RegisterOpened",
    "WorklistOpened",
    "EvaluationOpened",
];

struct Fleet {
    url: String,
    data: Vec<TempDir>,
    running: Mutex<Vec<Option<Arc<Server>>>>,
    token: String,
}

impl Fleet {
    fn start(url: String) -> Self {
        let data: Vec<TempDir> = (0..SERVERS).map(|_| TempDir::new().unwrap()).collect();
        let first = launch(data[0].path(), &url);
        let token = first.token("import", Uuid::from_u128(1));
        // All verify with the first one's key, as they would with one JWKS.
        let keys = data[0].path().join("keys");
        for other in &data[1..] {
            let theirs = other.path().join("keys");
            std::fs::create_dir(&theirs).unwrap();
            for entry in std::fs::read_dir(&keys).unwrap() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), theirs.join(entry.file_name())).unwrap();
            }
        }
        let mut running = vec![Some(Arc::new(first))];
        running.extend(
            data[1..]
                .iter()
                .map(|data| Some(Arc::new(launch(data.path(), &url)))),
        );
        Self {
            url,
            data,
            running: Mutex::new(running),
            token,
        }
    }

    fn server(&self, index: usize) -> Option<Arc<Server>> {
        self.running.lock().unwrap()[index % SERVERS].clone()
    }

    /// SIGKILL: the clients of the moment see their connections end.
    fn kill(&self, index: usize) {
        let server = self.running.lock().unwrap()[index].take().unwrap();
        let killed = std::process::Command::new("kill")
            .args(["-KILL", &server.pid().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
    }

    fn restart(&self, index: usize) {
        let server = launch(self.data[index].path(), &self.url);
        self.running.lock().unwrap()[index] = Some(Arc::new(server));
    }
}

fn launch(data: &Path, url: &str) -> Server {
    Server::start_with(data, &["--set", &format!("log.url={url}")])
}

/// Walks the journey on whichever server answers, from the beginning each time: every step is a retry of itself.
async fn walk(fleet: &Fleet, journey: &Journey, mut turn: usize) {
    loop {
        turn += 1;
        let caller = match fleet.server(turn) {
            Some(server) => server.try_caller(&fleet.token).await,
            None => None,
        };
        let Some(caller) = caller else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        match journey.to_placement(&caller).await {
            Ok(()) => return,
            Err(status) => {
                let passes = [
                    tonic::Code::Unavailable,
                    tonic::Code::DeadlineExceeded,
                    tonic::Code::Cancelled,
                    tonic::Code::Unknown,
                    tonic::Code::Internal,
                    tonic::Code::Aborted,
                ];
                assert!(passes.contains(&status.code()), "{status:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_servers_one_runs_the_processes_and_another_when_it_dies() {
    let dir = TempDir::new().unwrap();
    let log = Arc::new(SqliteLog::open(dir.path(), Options::default()).unwrap());
    let served = Served::start(Arc::clone(&log) as Arc<dyn EventLog>).await;
    let fleet = Arc::new(Fleet::start(served.url()));
    let stop = Arc::new(AtomicBool::new(false));
    let walked = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (fleet, stop, walked) =
                (Arc::clone(&fleet), Arc::clone(&stop), Arc::clone(&walked));
            tokio::spawn(async move {
                let mut turn = 0;
                while !stop.load(Ordering::SeqCst) {
                    let journey = Journey::new(&format!("fleet-{client}-{turn}"), "2024-01-01");
                    walk(&fleet, &journey, client + turn).await;
                    walked.fetch_add(1, Ordering::SeqCst);
                    turn += 1;
                }
            })
        })
        .collect();
    for victim in 0..SERVERS {
        tokio::time::sleep(Duration::from_secs(2)).await;
        fleet.kill(victim);
        let killed = Instant::now();
        let probe = Journey::new(&format!("probe-{victim}"), "2024-01-01");
        let done = tokio::time::timeout(PATIENT, walk(&fleet, &probe, victim)).await;
        assert!(done.is_ok(), "nobody runs the processes");
        println!(
            "server {victim} killed: a placement went all the way {:?} later",
            killed.elapsed()
        );
        fleet.restart(victim);
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        tokio::time::timeout(PATIENT, client)
            .await
            .unwrap()
            .unwrap();
    }
    let placements = walked.load(Ordering::SeqCst) + SERVERS;
    let all = log
        .read_all(None, Direction::Forward, usize::MAX, &Filter::default())
        .await
        .unwrap();
    each_is_there_once(&all.events, placements);
    println!(
        "{placements} placements, {} holders of the lease",
        holders(&all.events)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_offers_accepted_on_two_servers_at_once_one_becomes_a_placement() {
    const STUDENTS: usize = 5;
    let dir = TempDir::new().unwrap();
    let log = Arc::new(SqliteLog::open(dir.path(), Options::default()).unwrap());
    let served = Served::start(Arc::clone(&log) as Arc<dyn EventLog>).await;
    let fleet = Fleet::start(served.url());
    let mut callers = Vec::new();
    for index in 0..2 {
        let running = fleet.server(index).unwrap();
        callers.push(running.try_caller(&fleet.token).await.unwrap());
    }
    for student in 0..STUDENTS {
        let first = Journey::new(&format!("torn-{student}"), "2024-01-01");
        let second = first.second("other");
        first.to_offer(&callers[0]).await.unwrap();
        second.to_offer(&callers[1]).await.unwrap();
        let (one, other) = tokio::join!(first.accept(&callers[0]), second.accept(&callers[1]));
        assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
        for (accepted, caller) in [(one, &callers[0]), (other, &callers[1])] {
            if let Ok(accepted) = accepted {
                let token = accepted.into_inner().consistency_token;
                settle(caller, &token).await.unwrap();
            }
        }
    }
    let all = log
        .read_all(None, Direction::Forward, usize::MAX, &Filter::default())
        .await
        .unwrap();
    let mut started: BTreeMap<String, usize> = BTreeMap::new();
    for event in all
        .events
        .iter()
        .filter(|event| *event.event_type == *"PlacementStarted")
    {
        let data: Value = serde_json::from_slice(&event.data).unwrap();
        let student = data["student_id"].as_str().unwrap().to_owned();
        *started.entry(student).or_default() += 1;
    }
    assert_eq!(started.len(), STUDENTS);
    assert!(started.values().all(|count| *count == 1), "{started:?}");
}

fn each_is_there_once(events: &[RecordedEvent], placements: usize) {
    for event_type in ONCE {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for event in events
            .iter()
            .filter(|event| *event.event_type == *event_type)
        {
            *found.entry(event.stream.to_string()).or_default() += 1;
        }
        assert_eq!(found.len(), placements, "{event_type}");
        assert!(found.values().all(|count| *count == 1), "{event_type}");
    }
}

/// How often the lease went to another server, the first one included.
fn holders(events: &[RecordedEvent]) -> usize {
    let mut owners: Vec<String> = events
        .iter()
        .filter(|event| *event.event_type == *"LeaseHeld")
        .map(|event| {
            let note: Value = serde_json::from_slice(&event.data).unwrap();
            note["owner"].as_str().unwrap().to_owned()
        })
        .collect();
    owners.dedup();
    assert!(owners.len() > 1, "nobody took over");
    owners.len()
}
