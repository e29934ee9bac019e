//! Given, when, then.

use proptest::prelude::*;
use uuid::Uuid;

use super::{Application, Command, Event, Ids, Listing, Profile, Status, Submission};
use crate::kernel::given::{because, context, given};
use crate::kernel::{Aggregate as _, Context, Date, Moment, Role, Terms, golden};

pub(super) fn ids() -> Ids {
    Ids {
        application_id: Uuid::from_u128(10),
        student_id: Uuid::from_u128(11),
        internship_id: Uuid::from_u128(12),
    }
}

fn submission() -> Submission {
    submission_of(ids())
}

pub(super) fn submission_of(ids: Ids) -> Submission {
    Submission {
        ids,
        listing: Listing {
            employer_id: Uuid::from_u128(13),
            title: "Gardener".to_owned(),
            employer_name: "Gardens".to_owned(),
            description: "Outside".to_owned(),
        },
        profile: Profile {
            name: "Ada".to_owned(),
            email: "ada@example.org".to_owned(),
            statement: String::new(),
        },
    }
}

fn terms() -> Terms {
    Terms {
        start_date: Date::from_calendar_date(2024, time::Month::March, 1).unwrap(),
        minimum_days: 30,
        required_attendance_rate: 0.0,
        required_task_share: 1.0,
        kpis: vec![],
    }
}

fn at(text: &str) -> Moment {
    Moment::parse(text).unwrap()
}

pub(super) fn noon() -> Context {
    context(Role::Employer, "2024-02-01T12:00:00Z")
}

const VALID_UNTIL: &str = "2024-02-10T00:00:00Z";

fn placement() -> Uuid {
    Uuid::from_u128(20)
}

/// The way up to each open status, and on to acceptance.
fn way() -> Vec<Event> {
    let ids = ids();
    vec![
        Event::ApplicationSubmitted(submission()),
        Event::ApplicationShortlisted(ids),
        Event::InterviewScheduled {
            ids,
            scheduled_at: at("2024-02-02T00:00:00Z"),
        },
        Event::InterviewCompleted {
            ids,
            notes: "good".to_owned(),
        },
        Event::OfferMade {
            ids,
            valid_until: at(VALID_UNTIL),
            terms: terms(),
        },
        Event::OfferAccepted {
            ids,
            placement_id: placement(),
            employer_id: Uuid::from_u128(13),
            title: "Gardener".to_owned(),
            employer_name: "Gardens".to_owned(),
            terms: terms(),
            student_name: "Ada".to_owned(),
        },
    ]
}

fn up_to(status: Status) -> Vec<Event> {
    let open = [
        Status::Submitted,
        Status::Shortlisted,
        Status::InterviewScheduled,
        Status::InterviewCompleted,
        Status::Offered,
        Status::Accepted,
    ];
    let count = open.iter().position(|s| *s == status).unwrap() + 1;
    way().into_iter().take(count).collect()
}

fn accept() -> Command {
    Command::Accept {
        placement_id: placement(),
    }
}

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

#[test]
fn an_offer_must_be_valid_for_a_while() {
    given::<Application>(up_to(Status::InterviewCompleted))
        .when(
            &Command::MakeOffer {
                valid_until: noon().occurred_at,
                terms: terms(),
            },
            &noon(),
        )
        .refused("INVALID_ARGUMENT");
}

#[test]
fn an_offer_is_valid_to_its_last_moment_and_not_longer() {
    let last = context(Role::Student, VALID_UNTIL);
    let late = context(Role::Student, "2024-02-10T00:00:00.000001Z");
    given::<Application>(up_to(Status::Offered))
        .when(&accept(), &last)
        .events();
    given::<Application>(up_to(Status::Offered))
        .when(&accept(), &late)
        .refused("OFFER_EXPIRED");
    given::<Application>(up_to(Status::Offered))
        .when(&Command::ExpireOffer, &last)
        .refused("APPLICATION_STATE");
    let expired = Event::OfferExpired {
        ids: ids(),
        valid_until: at(VALID_UNTIL),
    };
    given::<Application>(up_to(Status::Offered))
        .when(&Command::ExpireOffer, &late)
        .then([expired.clone()]);
    let mut past = up_to(Status::Offered);
    past.push(expired);
    given::<Application>(past.clone())
        .when(&accept(), &late)
        .refused("OFFER_EXPIRED");
    given::<Application>(past)
        .when(&Command::ExpireOffer, &late)
        .then_nothing();
}

#[test]
fn an_acceptance_repeated_for_its_placement_changes_nothing() {
    given::<Application>(up_to(Status::Accepted))
        .when(&accept(), &noon())
        .then_nothing();
    given::<Application>(up_to(Status::Accepted))
        .when(
            &Command::Accept {
                placement_id: Uuid::from_u128(21),
            },
            &noon(),
        )
        .refused("APPLICATION_STATE");
}

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

#[test]
fn only_the_acceptance_of_that_placement_is_rescinded() {
    let rescind = |placement_id| Command::RescindAcceptance {
        placement_id,
        cause: "taken".to_owned(),
    };
    given::<Application>(up_to(Status::Accepted))
        .when(&rescind(Uuid::from_u128(21)), &noon())
        .then_nothing();
    let rescinded = given::<Application>(up_to(Status::Accepted))
        .when(&rescind(placement()), &noon())
        .then([Event::AcceptanceRescinded {
            ids: ids(),
            placement_id: placement(),
            cause: "taken".to_owned(),
        }]);
    assert_eq!(rescinded.known.unwrap().status, Status::Rescinded);
}

#[test]
fn an_application_belongs_to_its_student_and_its_employer() {
    let owners = given::<Application>(up_to(Status::Submitted))
        .state()
        .owners();
    assert!(owners.includes(Role::Student, Uuid::from_u128(11)));
    assert!(owners.includes(Role::Employer, Uuid::from_u128(13)));
    assert!(!owners.includes(Role::Student, Uuid::from_u128(13)));
    let claims = Application::claims(&Command::Submit(submission()));
    assert_eq!(claims, owners);
}

#[test]
fn every_stored_version_is_read_and_todays_is_written() {
    golden::holds::<Application>();
}

#[test]
fn an_event_whose_personal_part_is_gone_still_reads() {
    use crate::kernel::Stored as _;
    let (version, data) = Application::encode(&Event::ApplicationSubmitted(submission())).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&data).unwrap();
    json.as_object_mut().unwrap().remove("personal");
    let read = Application::decode("ApplicationSubmitted", version, json.to_string().as_bytes());
    let Event::ApplicationSubmitted(read) = read.unwrap() else {
        panic!("another event");
    };
    assert_eq!(read.ids, ids());
    assert_eq!(read.profile, Profile::default());
}

fn any_command() -> impl Strategy<Value = Command> {
    let placements = (20_u128..23).prop_map(Uuid::from_u128);
    prop_oneof![
        Just(Command::Submit(submission())),
        Just(Command::CompleteSubmission(submission())),
        Just(Command::Shortlist),
        Just(Command::ScheduleInterview {
            scheduled_at: at("2024-02-02T00:00:00Z")
        }),
        Just(Command::CompleteInterview {
            notes: String::new()
        }),
        Just(Command::MakeOffer {
            valid_until: at(VALID_UNTIL),
            terms: terms()
        }),
        placements
            .clone()
            .prop_map(|placement_id| Command::Accept { placement_id }),
        Just(Command::Decline),
        Just(Command::Withdraw),
        Just(Command::Reject),
        Just(Command::ExpireOffer),
        Just(Command::CloseApplication {
            accepted_application_id: Uuid::from_u128(30)
        }),
        placements.prop_map(|placement_id| Command::RescindAcceptance {
            placement_id,
            cause: String::new()
        }),
    ]
}

proptest! {
    /// Guards against a way back into life, and against a second acceptance.
    #[test]
    fn what_is_decided_stays_decided(commands in prop::collection::vec((any_command(), 0_i64..20), 0..60)) {
        let mut application = Application::default();
        let mut accepted = 0;
        for (command, day) in commands {
            let mut context = because("any", &noon());
            context.occurred_at = context.occurred_at.plus_seconds(day * 86_400);
            let before = application.known.as_ref().map(|known| known.status);
            let Ok(events) = application.decide(&command, &context) else {
                continue;
            };
            for event in &events {
                accepted += usize::from(matches!(event, Event::OfferAccepted { .. }));
                application.evolve(event);
            }
            let after = application.known.as_ref().map(|known| known.status);
            if let Some(before) = before.filter(|status| !status.is_open()) {
                let rescinded = before == Status::Accepted && after == Some(Status::Rescinded);
                prop_assert!(rescinded || after == Some(before));
            }
        }
        prop_assert!(accepted <= 1);
    }
}
