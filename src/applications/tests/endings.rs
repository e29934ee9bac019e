//! Applications that end without a placement.

use super::*;

#[test]
fn a_student_withdraws_until_an_interview_is_scheduled() {
    for status in [Status::Submitted, Status::Shortlisted] {
        given::<Application>(up_to(status))
            .when(&Command::Withdraw, &noon())
            .then([Event::ApplicationWithdrawn(ids())]);
    }
    for status in [
        Status::InterviewScheduled,
        Status::InterviewCompleted,
        Status::Offered,
    ] {
        given::<Application>(up_to(status))
            .when(&Command::Withdraw, &noon())
            .refused("APPLICATION_STATE");
    }
}

#[test]
fn an_employer_rejects_until_acceptance_and_says_why() {
    let reasoned = because("no place left", &noon());
    for status in [Status::Submitted, Status::Offered] {
        given::<Application>(up_to(status))
            .when(&Command::Reject, &noon())
            .refused("REASON_REQUIRED");
        given::<Application>(up_to(status))
            .when(&Command::Reject, &reasoned)
            .then([Event::ApplicationRejected(ids())]);
    }
    given::<Application>(up_to(Status::Accepted))
        .when(&Command::Reject, &reasoned)
        .refused("APPLICATION_STATE");
}

#[test]
fn an_open_application_is_closed_and_a_decided_one_is_left_alone() {
    let close = Command::CloseApplication {
        accepted_application_id: Uuid::from_u128(30),
    };
    given::<Application>(up_to(Status::InterviewScheduled))
        .when(&close, &noon())
        .then([Event::ApplicationClosed {
            ids: ids(),
            accepted_application_id: Uuid::from_u128(30),
        }]);
    given::<Application>(up_to(Status::Accepted))
        .when(&close, &noon())
        .then_nothing();
    given::<Application>([])
        .when(&close, &noon())
        .refused("APPLICATION_UNKNOWN");
}
