//! Given, when, then: the words of an application's sentences, whose it is, and how it is stored.

mod decided;
mod endings;
mod offers;
mod way;

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
