//! All rooms and all processes on logs in memory: from application to eligibility, and what crashes, races and repeats
//! on the way leave behind.

use std::sync::Arc;

use uuid::Uuid;

use super::world::{
    World, accepting, clock, first_day, mandatory_task, order, steps, student, submitting, taken,
    work,
};
use crate::applications::Status;
use crate::applications::candidacy;
use crate::evaluations::Evaluation;
use crate::kernel::{ConsistencyToken, Moment};
use crate::placements::Placement;
use crate::processes::{OfferExpiry, Process as _, ProcessStore};
use crate::{applications, attendance, placements};

#[tokio::test]
async fn a_student_goes_from_application_to_eligibility() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    server.offered(11).await;
    server.accept(10, 50).await;
    server.settle().await;
    assert_eq!(server.application(10).await, Some(Status::Accepted));
    assert_eq!(server.application(11).await, Some(Status::Closed));
    assert_eq!(server.placement(50).await, Some(placements::Status::Active));
    let clock_in = attendance::Command::ClockIn { date: first_day() };
    let clock_in = order(1, 50, clock_in);
    server.rooms.registers.execute(&clock_in).await.unwrap();
    let assign = mandatory_task(50);
    server.rooms.worklists.execute(&assign).await.unwrap();
    server.evaluate(50).await;
    server.settle().await;
    // The mandatory task is missing.
    assert_eq!(server.placement(50).await, Some(placements::Status::Active));
    server.rooms.worklists.execute(&work(50)).await.unwrap();
    let head = server.rooms.worklists.log().head().await.unwrap();
    let token = ConsistencyToken::new("tasks", head);
    server.processes.settle(&token).await.unwrap();
    assert_eq!(
        server.placement(50).await,
        Some(placements::Status::Completed)
    );
    assert!(server.certification(50).await.is_some());
    let candidacy = server.candidacy().await;
    assert_eq!(candidacy.held, None);
    let evaluation: Option<Evaluation> = server
        .rooms
        .evaluations
        .state(Uuid::from_u128(50))
        .await
        .unwrap();
    let evaluation = serde_json::to_value(evaluation).unwrap();
    assert_eq!(evaluation["phase"], "CLOSED", "{evaluation}");
    server.processes.stop().await;
}

#[tokio::test]
async fn everything_delivered_again_changes_nothing() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    server.offered(11).await;
    server.accept(10, 50).await;
    server.settle().await;
    let hold = order(2, 50, placements::Command::Hold);
    server.rooms.placements.execute(&hold).await.unwrap();
    let resume = order(3, 50, placements::Command::Resume);
    server.rooms.placements.execute(&resume).await.unwrap();
    server.settle().await;
    server.evaluate(50).await;
    server.settle().await;
    assert_eq!(
        server.placement(50).await,
        Some(placements::Status::Completed)
    );
    // Applied for after the end: what is delivered again must leave it alone.
    server.offered(12).await;
    server.settle().await;
    server.processes.stop().await;
    let before = world.heads().await;
    let forgetful = tempfile::tempdir().unwrap();
    let store = Arc::new(ProcessStore::open(forgetful.path()).unwrap());
    let again = world.serve_with(store);
    again.settle().await;
    assert_eq!(world.heads().await, before);
    assert_eq!(again.application(12).await, Some(Status::Offered));
    again.processes.stop().await;
}

#[tokio::test]
async fn a_submission_that_died_between_its_streams_heals_after_the_restart() {
    let world = World::new();
    let submitting = submitting(10);
    let register = candidacy::Command::Register(submitting.command.clone());
    let register = submitting.with(student(), register);
    let rooms = world.rooms();
    rooms.candidacies().execute(&register).await.unwrap();
    let server = world.serve();
    server.settle().await;
    assert_eq!(server.application(10).await, Some(Status::Submitted));
    let retry = server.rooms.coordinator.submit(&submitting).await.unwrap();
    assert!(retry.repeated);
    assert_eq!(retry.events.len(), 1);
    server.processes.stop().await;
}

#[tokio::test]
async fn an_acceptance_that_died_between_its_streams_heals_after_the_restart() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    server.offered(11).await;
    server.processes.stop().await;
    let claim = |application: u128, placement: u128| {
        let claim = candidacy::Command::Claim {
            application_id: Uuid::from_u128(application),
            placement_id: Uuid::from_u128(placement),
        };
        accepting(application, placement).with(student(), claim)
    };
    let rooms = world.rooms();
    rooms.candidacies().execute(&claim(10, 50)).await.unwrap();
    let server = world.serve();
    server.settle().await;
    assert_eq!(server.application(10).await, Some(Status::Accepted));
    assert_eq!(server.placement(50).await, Some(placements::Status::Active));
    server.processes.stop().await;
}

#[tokio::test]
async fn a_claim_whose_offer_was_declined_meanwhile_is_released_after_the_restart() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    server.processes.stop().await;
    let rooms = world.rooms();
    let claim = candidacy::Command::Claim {
        application_id: Uuid::from_u128(10),
        placement_id: Uuid::from_u128(50),
    };
    let claim = accepting(10, 50).with(student(), claim);
    rooms.candidacies().execute(&claim).await.unwrap();
    let decline = order(1, 10, applications::Command::Decline);
    rooms.applications().execute(&decline).await.unwrap();
    let server = world.serve();
    server.settle().await;
    assert_eq!(server.candidacy().await.held, None);
    assert_eq!(server.placement(50).await, None);
    server.processes.stop().await;
}

#[tokio::test]
async fn a_placement_that_cannot_start_takes_the_acceptance_back() {
    let world = World::new();
    let server = world.serve();
    let taken = order(1, 50, placements::Command::Start(taken()));
    server.rooms.placements.execute(&taken).await.unwrap();
    server.offered(10).await;
    server.offered(11).await;
    server.accept(10, 50).await;
    server.settle().await;
    assert_eq!(server.application(10).await, Some(Status::Rescinded));
    assert_eq!(server.candidacy().await.held, None);
    // The other offer is still there to be taken.
    assert_eq!(server.application(11).await, Some(Status::Offered));
    server.accept(11, 51).await;
    server.settle().await;
    assert_eq!(server.placement(51).await, Some(placements::Status::Active));
    server.processes.stop().await;
}

#[tokio::test]
async fn a_terminated_placement_closes_its_rooms_and_frees_the_student() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    server.accept(10, 50).await;
    server.settle().await;
    let terminate = order(1, 50, placements::Command::Terminate);
    server.rooms.placements.execute(&terminate).await.unwrap();
    server.settle().await;
    let assign = server.rooms.worklists.execute(&mandatory_task(50)).await;
    assert!(assign.is_err());
    assert_eq!(server.candidacy().await.held, None);
    assert!(server.certification(50).await.is_none());
    server.offered(11).await;
    server.accept(11, 51).await;
    server.settle().await;
    let placement: Placement = server
        .rooms
        .placements
        .state(Uuid::from_u128(51))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(placement.known.unwrap().status, placements::Status::Active);
    server.processes.stop().await;
}

#[tokio::test]
async fn offers_expire_after_their_time_and_imported_ones_get_a_day_more() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    let submitting = submitting(11);
    server.rooms.coordinator.submit(&submitting).await.unwrap();
    for (n, step) in (1..).zip(steps()) {
        let mut order = order(1_100 + n, 11, step);
        order.context.imported = true;
        server.rooms.applications().execute(&order).await.unwrap();
    }
    server.settle().await;
    let expiry = OfferExpiry::new(Arc::clone(&server.rooms), Arc::clone(&server.store));
    let hour = clock().plus_seconds(3_600);
    expiry.tick(hour).await.unwrap();
    assert_eq!(server.application(10).await, Some(Status::Offered));
    expiry.tick(hour.plus_seconds(1)).await.unwrap();
    assert_eq!(server.application(10).await, Some(Status::Expired));
    assert_eq!(server.application(11).await, Some(Status::Offered));
    // The log's own clock says when it was recorded: long after the time of this test's story.
    let far = Moment::parse("9000-01-01T00:00:00Z").unwrap();
    expiry.tick(far).await.unwrap();
    assert_eq!(server.application(11).await, Some(Status::Expired));
    assert_eq!(
        server.store.due_timers("offer_expiry", far, 10).unwrap(),
        []
    );
    server.processes.stop().await;
}

#[tokio::test]
async fn an_offer_that_was_answered_has_no_timer_left() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    server.accept(10, 50).await;
    server.settle().await;
    let far = Moment::parse("9000-01-01T00:00:00Z").unwrap();
    let due = server.store.due_timers("offer_expiry", far, 10).unwrap();
    assert_eq!(due, []);
    server.processes.stop().await;
}
