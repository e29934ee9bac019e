//! From submission to the interview, one step after the other.

use super::*;

#[test]
fn an_application_goes_its_way_step_by_step() {
    let steps = [
        Command::Submit(submission()),
        Command::Shortlist,
        Command::ScheduleInterview {
            scheduled_at: at("2024-02-02T00:00:00Z"),
        },
        Command::CompleteInterview {
            notes: "good".to_owned(),
        },
        Command::MakeOffer {
            valid_until: at(VALID_UNTIL),
            terms: terms(),
        },
        accept(),
    ];
    for (done, (command, event)) in steps.iter().zip(way()).enumerate() {
        let past = way().into_iter().take(done);
        given::<Application>(past)
            .when(command, &noon())
            .then([event]);
    }
}

#[test]
fn a_step_that_is_not_next_is_refused() {
    given::<Application>(up_to(Status::Submitted))
        .when(&accept(), &noon())
        .refused("APPLICATION_STATE");
    given::<Application>(up_to(Status::Offered))
        .when(&Command::Shortlist, &noon())
        .refused("APPLICATION_STATE");
    given::<Application>(up_to(Status::Shortlisted))
        .when(&Command::Shortlist, &noon())
        .refused("APPLICATION_STATE");
}

#[test]
fn nothing_can_be_done_with_an_application_that_was_never_submitted() {
    for command in [Command::Shortlist, accept(), Command::Withdraw] {
        given::<Application>([])
            .when(&command, &noon())
            .refused("APPLICATION_UNKNOWN");
    }
}

#[test]
fn a_submission_is_made_once_and_completed_as_often_as_one_likes() {
    let submitted = up_to(Status::Submitted);
    given::<Application>(submitted.clone())
        .when(&Command::Submit(submission()), &noon())
        .refused("ALREADY_APPLIED");
    given::<Application>(submitted.clone())
        .when(&Command::CompleteSubmission(submission()), &noon())
        .then_nothing();
    let other = submission_of(Ids {
        student_id: Uuid::from_u128(99),
        ..ids()
    });
    for command in [
        Command::Submit(other.clone()),
        Command::CompleteSubmission(other),
    ] {
        given::<Application>(submitted.clone())
            .when(&command, &noon())
            .refused("ID_TAKEN");
    }
}

#[test]
fn an_interview_can_be_moved_until_it_is_held() {
    let scheduled_at = at("2024-02-03T00:00:00Z");
    let moved = Command::ScheduleInterview { scheduled_at };
    given::<Application>(up_to(Status::InterviewScheduled))
        .when(&moved, &noon())
        .then([Event::InterviewScheduled {
            ids: ids(),
            scheduled_at,
        }]);
    given::<Application>(up_to(Status::InterviewCompleted))
        .when(&moved, &noon())
        .refused("APPLICATION_STATE");
}
