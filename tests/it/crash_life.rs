//! Deaths at the named steps of a whole placement, from its offer to eligibility, on the real server: what is on the logs in the
//! end is what is on them without a death. Guards against a process that does its work twice, halfway, or never.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use annals::ops::clock;
use annals::proto::annals::applications::v1::MakeOfferRequest;
use annals::proto::annals::applications::v1::applications_service_client::ApplicationsServiceClient;
use annals::proto::annals::common::v1::PlacementTerms;
use annals::proto::annals::evaluations::v1::evaluations_service_client::EvaluationsServiceClient;
use annals::proto::annals::evaluations::v1::{CategoryRating, RecordEvaluationRequest};
use annals::proto::annals::tasks::v1::artifact::Reference;
use annals::proto::annals::tasks::v1::tasks_service_client::TasksServiceClient;
use annals::proto::annals::tasks::v1::{Artifact, AssignTaskRequest, SubmitWorkRequest};
use prost_types::Timestamp;
use tonic::Status;
use uuid::Uuid;

use crate::crash::count_events;
use crate::support::journey::{Journey, far_future, id, settle};
use crate::support::server::{Authenticated, Server};

/// Every named step of the processes and the log that a life passes, and how often it is passed before the process dies there.
const POINTS: &[(&str, &[u32])] = &[
    ("acceptance::before_start", &[0]),
    ("acceptance::before_close", &[0]),
    ("placement_life::before_evaluation", &[0]),
    ("placement_life::before_release", &[0]),
    ("placement_life::before_eligibility", &[0]),
    ("final_kpis::before_note", &[0]),
    ("process::before_handle", &[12]),
    ("process::before_commit", &[12]),
    ("log-insert", &[30]),
    ("log-commit", &[30]),
    ("log-committed", &[30]),
    ("log-publish", &[0, 30]),
];

/// How long a crash may take to heal once the server runs again.
const HEALS_WITHIN: Duration = Duration::from_secs(30);

/// Two offers, one accepted; a mandatory task, its submission, the evaluation. A repeat of what was done changes nothing.
pub async fn live(caller: &Authenticated, journey: &Journey) -> Result<(), Status> {
    journey.second("other").to_offer(caller).await?;
    journey.to_placement(caller).await?;
    let placement_id = journey.placement.to_string();
    let (task, submission) = (journey.request("task"), journey.request("submission"));
    let mut tasks = TasksServiceClient::new(caller.clone());
    tasks
        .assign_task(AssignTaskRequest {
            request_id: journey.request("assign"),
            placement_id: placement_id.clone(),
            task_id: task.clone(),
            title: "Load the records".to_owned(),
            due_at: Some(far_future()),
            mandatory: true,
            ..Default::default()
        })
        .await?;
    tasks
        .submit_work(SubmitWorkRequest {
            request_id: journey.request("work"),
            placement_id: placement_id.clone(),
            task_id: task,
            submission_id: submission,
            artifacts: vec![Artifact {
                name: "Report".to_owned(),
                reference: Some(Reference::Link("https://example.org/1".to_owned())),
            }],
            ..Default::default()
        })
        .await?;
    let ratings = (1..=5).map(|category| CategoryRating {
        category,
        rating: 4,
    });
    let recorded = EvaluationsServiceClient::new(caller.clone())
        .record_evaluation(RecordEvaluationRequest {
            request_id: journey.request("evaluate"),
            placement_id,
            ratings: ratings.collect(),
            ..Default::default()
        })
        .await?;
    settle(caller, &recorded.into_inner().consistency_token).await
}

/// Lives one life, on a new server after the death that `failpoints` bring; answers what is on the logs.
async fn through(failpoints: &str) -> BTreeMap<String, usize> {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start_env(data.path(), &[("FAILPOINTS", failpoints)]);
    let token = server.token("import", Uuid::from_u128(1));
    let journey = Journey::new("life", "2024-01-01");
    let (mut crashed, mut patience) = (failpoints.is_empty(), 10);
    loop {
        let attempt = match server.try_caller(&token).await {
            Some(caller) => live(&caller, &journey)
                .await
                .map_err(|status| status.to_string()),
            None => Err("no connection".to_owned()),
        };
        if crashed && attempt.is_ok() {
            break;
        }
        if server.has_ended() {
            assert!(!crashed, "{failpoints}: it died again: {attempt:?}");
            crashed = true;
            server = Server::start(data.path());
        } else {
            // Too slow for its deadline; or all was answered, and the death comes from what goes on behind it.
            patience -= 1;
            assert!(patience > 0, "{failpoints}: {attempt:?}");
        }
    }
    wait_for(data.path(), "EligibilityEstablished").await;
    let caller = server.try_caller(&token).await.unwrap();
    live(&caller, &journey).await.unwrap();
    server.stop();
    count_events(data.path()).await
}

/// Until the logs hold an event of this type.
async fn wait_for(data: &Path, event_type: &str) {
    let begun = Instant::now();
    while !beside(data).await.contains_key(event_type) {
        assert!(begun.elapsed() < HEALS_WITHIN, "no {event_type}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What is on the logs of a server that runs.
async fn beside(data: &Path) -> BTreeMap<String, usize> {
    crate::crash::counted(|service| {
        annals::log::sqlite::SqliteLog::beside(&data.join(service)).unwrap()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_at_any_step_of_a_placement_changes_nothing_in_the_end() {
    let expected = through("").await;
    assert_eq!(expected.get("EligibilityEstablished"), Some(&1));
    assert_eq!(expected.get("ApplicationClosed"), Some(&1));
    let mut run = 0;
    for (point, counts) in POINTS {
        for count in *counts {
            let failpoints = format!("{point}={count}*off->panic");
            assert_eq!(through(&failpoints).await, expected, "{failpoints}");
            run += 1;
        }
    }
    println!("{run} crash points run");
}

/// A server that dies at `point` while something goes on by itself, and another one that goes on.
fn die_and_restart(mut server: Server, data: &Path) -> Server {
    let begun = Instant::now();
    while !server.has_ended() {
        assert!(begun.elapsed() < HEALS_WITHIN, "it did not die");
    }
    Server::start(data)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_while_an_offer_runs_out_expires_it_once() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start_env(
        data.path(),
        &[("FAILPOINTS", "offer_expiry::before_clear=panic")],
    );
    let importer = server.caller("import", id("importer")).await;
    let journey = Journey::new("expiry", "2024-01-01");
    journey.to_interview(&importer).await.unwrap();
    let employer = server.caller("employer", journey.employer).await;
    let micros = clock::now().plus_seconds(1).unix_micros();
    ApplicationsServiceClient::new(employer)
        .make_offer(MakeOfferRequest {
            request_id: journey.request("offer"),
            application_id: journey.application.to_string(),
            valid_until: Some(Timestamp {
                seconds: micros / 1_000_000,
                nanos: 0,
            }),
            terms: Some(PlacementTerms {
                start_date: journey.start_date.clone(),
                ..Default::default()
            }),
            ..Default::default()
        })
        .await
        .unwrap();
    let server = die_and_restart(server, data.path());
    wait_for(data.path(), "OfferExpired").await;
    // Its timer is due until it is cleared: a second expiry would come with the next ticks.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    server.stop();
    assert_eq!(
        count_events(data.path()).await.get("OfferExpired"),
        Some(&1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_before_a_rescission_takes_the_acceptance_back_once() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start_env(
        data.path(),
        &[("FAILPOINTS", "acceptance::before_rescind=panic")],
    );
    let importer = server.caller("import", id("importer")).await;
    let first = Journey::new("first", "2024-01-01");
    first.to_placement(&importer).await.unwrap();
    // Another student's placement gets the id of this one.
    let mut second = Journey::new("second", "2024-01-01");
    second.placement = first.placement;
    second.to_offer(&importer).await.unwrap();
    let _ = second.accept(&importer).await;
    let server = die_and_restart(server, data.path());
    wait_for(data.path(), "PlacementReleased").await;
    server.stop();
    let counted = count_events(data.path()).await;
    for (event_type, count) in [
        ("OfferAccepted", 2),
        ("AcceptanceRescinded", 1),
        ("PlacementReleased", 1),
        ("PlacementStarted", 1),
    ] {
        assert_eq!(
            counted.get(event_type),
            Some(&count),
            "{event_type}: {counted:?}"
        );
    }
}
