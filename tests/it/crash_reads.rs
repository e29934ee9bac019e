//! Deaths at the named steps of the read models and of the audit, on the real server. Guards against a read model that holds an
//! event twice or not at all, and against a reading of the history that nobody wrote down.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use annals::log::sqlite::SqliteLog;
use annals::log::{Direction, EventLog, Filter};
use annals::projection::{Scope, TableDigest, digest};
use annals::proto::annals::audit::v1::ListEventsRequest;
use annals::proto::annals::audit::v1::audit_service_client::AuditServiceClient;
use annals::proto::annals::operations::v1::RebuildProjectionRequest;
use annals::proto::annals::operations::v1::operations_service_client::OperationsServiceClient;
use tonic::Status;
use uuid::Uuid;

use crate::crash_life::live;
use crate::support::journey::{Journey, id};
use crate::support::server::Server;

/// Every named step of a read model's batch, and how often it is passed before the process dies there.
const READS: &[(&str, &[u32])] = &[
    ("projection::before_apply", &[0, 9]),
    ("projection::before_commit", &[0, 9]),
    ("projection::after_commit", &[0, 9]),
];

/// Every named step of a rebuild that takes the place of what it rebuilt, and which generation answers after a death there.
const REBUILD: &[(&str, u32)] = &[
    ("projection::before_go_live", 1),
    ("projection::after_go_live", 2),
];

/// What is rebuilt.
const REBUILT: &str = "event_history";

/// Every named step of a reading, the same.
const AUDIT: &[(&str, u32)] = &[("audit::before_record", 5), ("audit::recorded", 5)];

/// How long read models may take to catch up.
const WITHIN: Duration = Duration::from_mins(1);

fn tables(data: &Path) -> Vec<TableDigest> {
    digest(&data.join("projections"), Scope::Everything).unwrap_or_default()
}

/// The logs of `data` elsewhere, without its read models.
fn copy_logs(data: &Path, to: &Path) {
    for service in std::fs::read_dir(data).unwrap().map(Result::unwrap) {
        let from = service.path();
        if !from.join("log.db").exists() {
            continue;
        }
        let target = to.join(service.file_name());
        std::fs::create_dir_all(&target).unwrap();
        std::fs::copy(from.join("log.db"), target.join("log.db")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_at_any_step_of_a_read_model_leaves_it_as_a_replay_makes_it() {
    let mut run = 0;
    for (point, counts) in READS {
        for count in *counts {
            let failpoints = format!("{point}={count}*off->panic");
            dies_and_is_as_replayed(&failpoints).await;
            run += 1;
        }
    }
    println!("{run} crash points run");
}

async fn dies_and_is_as_replayed(failpoints: &str) {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start_env(data.path(), &[("FAILPOINTS", failpoints)]);
    let token = server.token("import", id("importer"));
    let journey = Journey::new("life", "2024-01-01");
    let begun = Instant::now();
    while !server.has_ended() {
        assert!(begun.elapsed() < WITHIN, "{failpoints}: it did not die");
        if let Some(caller) = server.try_caller(&token).await {
            let _ = live(&caller, &journey).await;
        }
    }
    let server = Server::start(data.path());
    let caller = server.caller("import", id("importer")).await;
    while live(&caller, &journey).await.is_err() {
        assert!(begun.elapsed() < WITHIN, "{failpoints}: no life afterwards");
    }
    server.stop();
    is_as_replayed(data.path(), failpoints).await;
}

/// What is in the read models of `data` is what a replay of its logs makes.
async fn is_as_replayed(data: &Path, failpoints: &str) {
    let begun = Instant::now();
    let replayed = tempfile::tempdir().unwrap();
    copy_logs(data, replayed.path());
    let (old, fresh) = (Server::start(data), Server::start(replayed.path()));
    while tables(data).is_empty() || tables(data) != tables(replayed.path()) {
        let (left, right) = (tables(data), tables(replayed.path()));
        assert!(
            begun.elapsed() < WITHIN,
            "{failpoints}: {left:#?} {right:#?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let rows: u64 = tables(data).iter().map(|table| table.rows).sum();
    assert!(rows > 20, "{failpoints}: {rows} rows");
    old.stop();
    fresh.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_where_a_rebuild_goes_live_leaves_one_read_model_that_is_as_a_replay_makes_it() {
    for (point, left) in REBUILD {
        let data = tempfile::tempdir().unwrap();
        let failpoints = format!("{point}=panic");
        let mut server = Server::start_env(data.path(), &[("FAILPOINTS", &failpoints)]);
        let caller = server.caller("import", id("importer")).await;
        let journey = Journey::new("life", "2024-01-01");
        live(&caller, &journey).await.unwrap();
        rebuild(&server).await.unwrap();
        let begun = Instant::now();
        while !server.has_ended() {
            assert!(begun.elapsed() < WITHIN, "{point}: it did not die");
        }
        // What the dead one had not written into the logs' main files is there after a clean end.
        Server::start(data.path()).stop();
        assert_eq!(generations(data.path()), [*left], "{point}");
        is_as_replayed(data.path(), point).await;
        // The next rebuild is not in the way of what the dead one left.
        let server = Server::start(data.path());
        rebuild(&server).await.unwrap();
        let begun = Instant::now();
        while generations(data.path()) != [left + 1] {
            assert!(begun.elapsed() < WITHIN, "{point}: it is not rebuilt");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        server.stop();
        is_as_replayed(data.path(), point).await;
    }
    println!("{} crash points run", REBUILD.len());
}

async fn rebuild(server: &Server) -> Result<(), Status> {
    let operator = server.caller("admin", id("operator")).await;
    let request = RebuildProjectionRequest {
        name: REBUILT.to_owned(),
        request_id: Uuid::now_v7().to_string(),
    };
    let mut operations = OperationsServiceClient::new(operator);
    operations.rebuild_projection(request).await.map(|_| ())
}

/// The generations of the read model that is rebuilt.
fn generations(data: &Path) -> Vec<u32> {
    let files = std::fs::read_dir(data.join("projections")).unwrap();
    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| {
            let number = name.strip_prefix(REBUILT)?.strip_prefix('.')?;
            number.strip_suffix(".db")?.parse().ok()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_at_any_step_of_a_reading_loses_no_record_of_one_that_was_answered() {
    for (point, count) in AUDIT {
        let data = tempfile::tempdir().unwrap();
        let failpoints = format!("{point}={count}*off->panic");
        let server = Server::start_env(data.path(), &[("FAILPOINTS", &failpoints)]);
        let auditor = server.caller("auditor", id("auditor")).await;
        let mut audit = AuditServiceClient::new(auditor);
        let mut answered = 0;
        while audit
            .list_events(ListEventsRequest::default())
            .await
            .is_ok()
        {
            answered += 1;
        }
        assert_eq!(answered, *count, "{point}");
        drop(server);
        let server = Server::start(data.path());
        let auditor = server.caller("auditor", id("auditor")).await;
        let mut audit = AuditServiceClient::new(auditor);
        audit
            .list_events(ListEventsRequest::default())
            .await
            .unwrap();
        server.stop();
        let log = SqliteLog::beside(&data.path().join("audit")).unwrap();
        let all = Filter::default();
        let readings = log
            .read_all(None, Direction::Forward, 100, &all)
            .await
            .unwrap();
        let ids: HashSet<_> = readings.events.iter().map(|event| event.id).collect();
        let died_with_it = u32::from(*point == "audit::recorded");
        assert_eq!(
            (ids.len(), readings.events.len()),
            ((count + died_with_it + 1) as usize, ids.len()),
            "{point}"
        );
    }
}
