//! Guards against: half a command, a lost consequence, a doubled one, whatever step the process dies at.
//!
//! The binary is built with the feature `failpoints`; a point that fires aborts the process, as SIGKILL would.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use annals::kernel::Position;
use annals::log::sqlite::{Options, SqliteLog};
use annals::log::{Direction, EventLog, Filter};
use annals::proto::annals::applications::v1::ShortlistApplicationRequest;
use annals::proto::annals::applications::v1::applications_service_client::ApplicationsServiceClient;
use uuid::Uuid;

use crate::support::journey::Journey;
use crate::support::server::{Authenticated, Server};

/// Every named step that a journey to a placement passes, and how often it is passed before the process dies there.
const POINTS: &[(&str, &[u32])] = &[
    ("applications::between_streams", &[0, 1, 3]),
    ("process::before_handle", &[0, 2, 7]),
    ("process::before_commit", &[0, 2, 5]),
    ("log-insert", &[0, 9, 20]),
    ("log-commit", &[0, 9, 20]),
    ("log-committed", &[0, 9, 20]),
];
/// Students of a run.
const STUDENTS: usize = 2;
/// How long a crash may take to heal once the server runs again.
const HEALS_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_step_leaves_each_student_with_exactly_one_of_everything() {
    let mut run = 0;
    for (point, counts) in POINTS {
        for count in *counts {
            crash_at(point, *count).await;
            run += 1;
        }
    }
    println!("{run} crash points run");
}

async fn crash_at(point: &str, count: u32) {
    let data = tempfile::tempdir().unwrap();
    let failpoints = format!("{point}={count}*off->panic");
    let mut server = Server::start_env(data.path(), &[("FAILPOINTS", &failpoints)]);
    let token = server.token("import", Uuid::from_u128(1));
    let (mut crashed, mut patience) = (false, 10);
    for student in 0..STUDENTS {
        let journey = Journey::new(&format!("crash-{student}"), "2026-01-05");
        loop {
            let attempt = match server.try_caller(&token).await {
                Some(caller) => journey
                    .to_placement(&caller)
                    .await
                    .map_err(|status| status.to_string()),
                None => Err("no connection".to_owned()),
            };
            let Err(problem) = attempt else { break };
            if !server.has_ended() {
                // Too slow for its deadline, which a busy machine may be: the retry finds what was done.
                patience -= 1;
                assert!(patience > 0, "{point} {count}: {problem}");
                continue;
            }
            assert!(!crashed, "{point} {count}: it died again: {problem}");
            crashed = true;
            server = Server::start(data.path());
        }
    }
    assert!(crashed, "{point} was not passed {count} times");
    server.stop();
    let counted = count_events(data.path()).await;
    for (event_type, count) in &counted {
        assert_eq!(*count, STUDENTS, "{point}: {event_type} in {counted:?}");
    }
    for expected in [
        "OfferAccepted",
        "PlacementClaimed",
        "PlacementStarted",
        "RegisterOpened",
        "WorklistOpened",
        "EvaluationOpened",
    ] {
        assert!(
            counted.contains_key(expected),
            "{point} {count}: no {expected} in {counted:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submission_that_crashed_between_its_streams_heals_without_its_client() {
    let data = tempfile::tempdir().unwrap();
    let failpoints = "applications::between_streams=panic";
    let server = Server::start_env(data.path(), &[("FAILPOINTS", failpoints)]);
    let token = server.token("import", Uuid::from_u128(1));
    let journey = Journey::new("alone", "2026-01-05");
    let caller = server.try_caller(&token).await.unwrap();
    ApplicationsServiceClient::new(caller)
        .submit_application(journey.submit())
        .await
        .unwrap_err();
    drop(server);

    let server = Server::start(data.path());
    let caller = server.try_caller(&token).await.unwrap();
    let begun = Instant::now();
    while let Err(status) = shortlist(&caller, &journey).await {
        assert!(begun.elapsed() < HEALS_WITHIN, "{status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.stop();
}

async fn shortlist(caller: &Authenticated, journey: &Journey) -> Result<(), tonic::Status> {
    let request = ShortlistApplicationRequest {
        request_id: journey.request("dry"),
        application_id: journey.application.to_string(),
        validate_only: true,
        ..Default::default()
    };
    ApplicationsServiceClient::new(caller.clone())
        .shortlist_application(request)
        .await
        .map(drop)
}

/// How many events of each type all logs of a server that ended hold.
pub async fn count_events(data: &Path) -> BTreeMap<String, usize> {
    counted(|service| SqliteLog::open(&data.join(service), Options::default()).unwrap()).await
}

/// The same of logs that `open` opens by their service.
pub async fn counted(open: impl Fn(&str) -> SqliteLog) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for service in [
        "applications",
        "placements",
        "attendance",
        "tasks",
        "evaluations",
        "certificates",
    ] {
        let log = open(service);
        let slice = log
            .read_all(
                Some(Position::START),
                Direction::Forward,
                10_000,
                &Filter::default(),
            )
            .await
            .unwrap();
        for event in slice.events {
            *counted.entry(event.event_type.to_string()).or_default() += 1;
        }
        log.close().await;
    }
    counted
}
