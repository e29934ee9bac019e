//! Guards against: two placements for one student, whatever the race.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use annals::kernel::Position;
use annals::log::sqlite::{Options, SqliteLog};
use annals::log::{Direction, EventLog, Filter, Match};
use tonic::Code;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::support::journey::{Journey, settle};
use crate::support::server::{Authenticated, Server};

/// Clients that accept at the same time.
const CLIENTS: usize = 100;
/// Connections that they share.
const CONNECTIONS: usize = 8;

/// Students that race; the full proof takes 1,000.
fn students() -> usize {
    if std::env::var_os("ANNALS_FULL").is_some() {
        1_000
    } else {
        20
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_offers_accepted_at_once_exactly_one_becomes_a_placement() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let token = server.token("import", Uuid::from_u128(1));
    let mut callers = Vec::new();
    for _ in 0..CONNECTIONS {
        callers.push(crate::support::server::with_token(
            server.connect().await,
            &token,
        ));
    }
    for student in 0..students() {
        race(&callers, &format!("race-{student}")).await;
    }
    println!(
        "{} students, {CLIENTS} clients each: one placement each time",
        students()
    );
    server.stop();
    let started = placements_by_student(data.path()).await;
    assert_eq!(started.len(), students());
    assert!(
        started.values().all(|placements| *placements == 1),
        "{started:?}"
    );
}

/// `PlacementStarted` events by student, from the log itself.
async fn placements_by_student(data: &Path) -> BTreeMap<String, usize> {
    let log = SqliteLog::open(&data.join("placements"), Options::default()).unwrap();
    let filter = Filter::by_type(Match::one_of(["PlacementStarted"]));
    let slice = log
        .read_all(Some(Position::START), Direction::Forward, 100_000, &filter)
        .await
        .unwrap();
    let mut started = BTreeMap::new();
    for event in slice.events {
        let data: serde_json::Value = serde_json::from_slice(&event.data).unwrap();
        *started
            .entry(data["student_id"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    log.close().await;
    started
}

async fn race(callers: &[Authenticated], seed: &str) {
    let caller = &callers[0];
    let first = Journey::new(seed, "2026-01-05");
    let second = first.second("other");
    first.to_offer(caller).await.unwrap();
    second.to_offer(caller).await.unwrap();

    let attempts = (0..CLIENTS).map(|client| {
        let caller = callers[client % callers.len()].clone();
        let journey = if client % 2 == 0 {
            first.clone()
        } else {
            second.clone()
        };
        tokio::spawn(async move {
            (
                journey.placement,
                journey
                    .accept_as(&caller, &format!("accept-{client}"))
                    .await,
            )
        })
    });
    let mut accepted = BTreeSet::new();
    let mut token = String::new();
    for attempt in attempts.collect::<Vec<_>>() {
        let (placement, outcome) = attempt.await.unwrap();
        match outcome {
            Ok(reply) => {
                accepted.insert(placement);
                token = reply.into_inner().consistency_token;
            }
            Err(refused) => {
                assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
                let details = refused.get_error_details();
                let reason = details.error_info().unwrap().reason.clone();
                assert!(
                    ["ACTIVE_PLACEMENT_EXISTS", "APPLICATION_STATE"].contains(&reason.as_str()),
                    "{reason}"
                );
            }
        }
    }
    assert_eq!(accepted.len(), 1, "{seed}");
    settle(caller, &token).await.unwrap();
}
