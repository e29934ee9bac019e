//! The two-stream commands on a log in memory: what a crash, a race or a refusal in between leaves behind.

use std::sync::Arc;

use uuid::Uuid;

use super::candidacy::Candidacy;
use super::tests::{ids, noon, submission_of};
use super::{Acceptance, Application, Command, Coordinator, Ids, Status, Submission};
use crate::command::{CommandError, Handler, Order, Ownership, RequestDigest};
use crate::kernel::{Context, Date, Moment, Terms};
use crate::log::memory::MemoryLog;

fn coordinator(log: &MemoryLog) -> Coordinator {
    let log: Arc<MemoryLog> = Arc::new(log.clone());
    Coordinator::new(
        Arc::new(Handler::<Application>::new(log.clone(), 100)),
        Arc::new(Handler::<Candidacy>::new(log, 100)),
    )
}

fn order<C>(request: u128, id: Uuid, command: C) -> Order<C> {
    Order {
        id,
        command,
        context: Context {
            request_id: Uuid::from_u128(request),
            ..noon()
        },
        digest: RequestDigest::of(&[&request.to_be_bytes()]),
        expected: None,
        validate_only: false,
        ownership: Ownership::Any,
    }
}

fn applying(application: u128, internship: u128) -> Submission {
    submission_of(Ids {
        application_id: Uuid::from_u128(application),
        internship_id: Uuid::from_u128(internship),
        ..ids()
    })
}

fn submitting(request: u128, application: u128, internship: u128) -> Order<Submission> {
    order(
        request,
        Uuid::from_u128(application),
        applying(application, internship),
    )
}

fn accepting(request: u128, application: u128, placement: u128) -> Order<Acceptance> {
    let placement_id = Uuid::from_u128(placement);
    order(
        request,
        Uuid::from_u128(application),
        Acceptance { placement_id },
    )
}

/// Brings an application to an offer.
async fn offered(coordinator: &Coordinator, application: u128, internship: u128) {
    let submitted = submitting(application * 100, application, internship);
    coordinator.submit(&submitted).await.unwrap();
    let steps = [
        Command::Shortlist,
        Command::ScheduleInterview {
            scheduled_at: Moment::EPOCH,
        },
        Command::CompleteInterview {
            notes: String::new(),
        },
        Command::MakeOffer {
            valid_until: noon().occurred_at.plus_seconds(60),
            terms: Terms {
                start_date: Date::from_calendar_date(2024, time::Month::March, 1).unwrap(),
                minimum_days: 1,
                required_attendance_rate: 0.0,
                required_task_share: 0.0,
                kpis: vec![],
            },
        },
    ];
    for (request, step) in (application * 100 + 1..).zip(steps) {
        let order = order(request, Uuid::from_u128(application), step);
        coordinator.applications().execute(&order).await.unwrap();
    }
}

async fn status(coordinator: &Coordinator, application: u128) -> Option<Status> {
    let state = coordinator
        .applications()
        .state(Uuid::from_u128(application));
    state.await.unwrap()?.known.map(|known| known.status)
}

async fn candidacy(coordinator: &Coordinator) -> Candidacy {
    let state = coordinator.candidacies().state(ids().student_id).await;
    state.unwrap().unwrap_or_default()
}

fn reason(outcome: Result<crate::command::Committed, CommandError>) -> &'static str {
    match outcome {
        Err(CommandError::Refused(refusal)) => refusal.reason(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_submission_writes_both_streams_and_a_retry_answers_the_first_answer() {
    let log = MemoryLog::new();
    let first = coordinator(&log)
        .submit(&submitting(1, 10, 100))
        .await
        .unwrap();
    assert_eq!(first.events.len(), 1);
    let restarted = coordinator(&log);
    let again = restarted.submit(&submitting(1, 10, 100)).await.unwrap();
    assert!(again.repeated);
    assert_eq!(again.events, first.events);
    assert_eq!(candidacy(&restarted).await.applications.len(), 1);
    assert_eq!(
        reason(restarted.submit(&submitting(2, 11, 100)).await),
        "ALREADY_APPLIED"
    );
    assert_eq!(
        reason(restarted.submit(&submitting(3, 10, 100)).await),
        "ALREADY_APPLIED"
    );
}

#[tokio::test]
async fn a_submission_that_died_between_its_streams_is_completed_by_its_retry() {
    let log = MemoryLog::new();
    let before = coordinator(&log);
    let order = submitting(1, 10, 100);
    let register = super::candidacy::Command::Register(order.command.clone());
    let register = order.with(ids().student_id, register);
    before.candidacies().execute(&register).await.unwrap();
    let after = coordinator(&log);
    assert_eq!(after.submit(&order).await.unwrap().events.len(), 1);
    assert_eq!(status(&after, 10).await, Some(Status::Submitted));
}

/// A process that is quicker than the client with the second half, every time.
#[tokio::test]
async fn whoever_began_now_is_not_told_of_a_repeat_because_a_process_was_quicker() {
    let log = MemoryLog::new();
    let client = coordinator(&log);
    let order = submitting(1, 10, 100);
    let quick = {
        let (process, order) = (coordinator(&log), order.clone());
        tokio::spawn(async move {
            while candidacy(&process).await.applications.is_empty() {
                tokio::task::yield_now().await;
            }
            process.finish_submission(&order).await.unwrap()
        })
    };
    let answered = client.submit(&order).await.unwrap();
    assert_eq!(answered.events, quick.await.unwrap().events);
    assert!(!answered.repeated);
    assert!(client.submit(&order).await.unwrap().repeated);
}

#[tokio::test]
async fn completing_by_another_hand_first_gives_the_client_the_same_answer() {
    let log = MemoryLog::new();
    let (client, process) = (coordinator(&log), coordinator(&log));
    let order = submitting(1, 10, 100);
    let register = super::candidacy::Command::Register(order.command.clone());
    let register = order.with(ids().student_id, register);
    client.candidacies().execute(&register).await.unwrap();
    let completed = process.finish_submission(&order).await.unwrap();
    let answered = client.finish_submission(&order).await.unwrap();
    assert_eq!(answered.events, completed.events);
    assert!(answered.repeated);
}

#[tokio::test]
async fn a_submission_whose_application_id_is_taken_leaves_the_student_free_to_apply() {
    let log = MemoryLog::new();
    let coordinator = coordinator(&log);
    let mut other = applying(10, 100);
    other.ids.student_id = Uuid::from_u128(77);
    let order_of_other = order(1, Uuid::from_u128(10), other);
    coordinator.submit(&order_of_other).await.unwrap();
    let mine = submitting(2, 10, 100);
    assert_eq!(reason(coordinator.submit(&mine).await), "ID_TAKEN");
    // The race: both passed the check before either wrote.
    let register = super::candidacy::Command::Register(mine.command.clone());
    let register = mine.with(ids().student_id, register);
    coordinator.candidacies().execute(&register).await.unwrap();
    assert_eq!(
        reason(coordinator.finish_submission(&mine).await),
        "ID_TAKEN"
    );
    assert!(candidacy(&coordinator).await.applications.is_empty());
    coordinator.submit(&submitting(3, 11, 100)).await.unwrap();
}

#[tokio::test]
async fn an_acceptance_claims_and_a_second_one_is_refused() {
    let coordinator = coordinator(&MemoryLog::new());
    offered(&coordinator, 10, 100).await;
    offered(&coordinator, 11, 101).await;
    let first = coordinator.accept(&accepting(1, 10, 50)).await.unwrap();
    assert_eq!(first.events.len(), 1);
    assert_eq!(
        reason(coordinator.accept(&accepting(2, 11, 51)).await),
        "ACTIVE_PLACEMENT_EXISTS"
    );
    assert!(
        coordinator
            .accept(&accepting(1, 10, 50))
            .await
            .unwrap()
            .repeated
    );
    assert_eq!(status(&coordinator, 11).await, Some(Status::Offered));
}

#[tokio::test]
async fn of_many_acceptances_at_once_exactly_one_succeeds() {
    let log = MemoryLog::new();
    let first = Arc::new(coordinator(&log));
    let second = Arc::new(coordinator(&log));
    offered(&first, 10, 100).await;
    offered(&first, 11, 101).await;
    let mut racing = tokio::task::JoinSet::new();
    for n in 0..40_u128 {
        let coordinator = Arc::clone(if n % 4 < 2 { &first } else { &second });
        racing.spawn(async move {
            let order = accepting(10_000 + n, 10 + n % 2, 50 + n);
            coordinator.accept(&order).await.is_ok()
        });
    }
    let outcomes = racing.join_all().await;
    assert_eq!(outcomes.into_iter().filter(|accepted| *accepted).count(), 1);
    let held = candidacy(&first).await.held.unwrap();
    let accepted = status(&first, held.application_id.as_u128()).await;
    assert_eq!(accepted, Some(Status::Accepted));
}

#[tokio::test]
async fn a_claim_whose_application_refuses_is_released() {
    let coordinator = coordinator(&MemoryLog::new());
    offered(&coordinator, 10, 100).await;
    let order_ = accepting(1, 10, 50);
    let claim = super::candidacy::Command::Claim {
        application_id: order_.id,
        placement_id: order_.command.placement_id,
    };
    let claim = order_.with(ids().student_id, claim);
    coordinator.candidacies().execute(&claim).await.unwrap();
    // In between the student declined.
    let decline = order(2, order_.id, Command::Decline);
    coordinator.applications().execute(&decline).await.unwrap();
    let refused = coordinator
        .finish_acceptance(&order_, ids().student_id)
        .await;
    assert_eq!(reason(refused), "APPLICATION_STATE");
    assert_eq!(candidacy(&coordinator).await.held, None);
}

#[tokio::test]
async fn nothing_is_written_where_only_the_checks_are_asked_for_or_a_revision_is_pinned_wrongly() {
    let log = MemoryLog::new();
    let coordinator = coordinator(&log);
    offered(&coordinator, 10, 100).await;
    let before = candidacy(&coordinator).await;
    let mut checking = accepting(1, 10, 50);
    checking.validate_only = true;
    assert_eq!(coordinator.accept(&checking).await.unwrap().events.len(), 1);
    let mut pinned = accepting(2, 10, 50);
    pinned.expected = Some(2);
    assert!(matches!(
        coordinator.accept(&pinned).await,
        Err(CommandError::Conflict { .. })
    ));
    let mut checking = submitting(3, 12, 102);
    checking.validate_only = true;
    coordinator.submit(&checking).await.unwrap();
    assert_eq!(candidacy(&coordinator).await, before);
    assert_eq!(status(&coordinator, 12).await, None);
}

#[tokio::test]
async fn a_claim_that_was_released_is_made_anew_when_its_request_comes_again() {
    let coordinator = coordinator(&MemoryLog::new());
    offered(&coordinator, 10, 100).await;
    let accept = accepting(1, 10, 50);
    let claim = super::candidacy::Command::Claim {
        application_id: accept.id,
        placement_id: accept.command.placement_id,
    };
    let release = super::candidacy::Command::Release {
        placement_id: accept.command.placement_id,
        cause: super::candidacy::Cause::Refused,
    };
    let student = ids().student_id;
    for order in [accept.with(student, claim), order(9, student, release)] {
        coordinator.candidacies().execute(&order).await.unwrap();
    }
    coordinator.accept(&accept).await.unwrap();
    assert!(candidacy(&coordinator).await.held.is_some());
}
