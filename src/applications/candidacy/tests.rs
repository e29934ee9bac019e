//! Given, when, then.

use proptest::prelude::*;
use uuid::Uuid;

use super::super::Ids;
use super::super::tests::{ids, noon, submission_of};
use super::{Candidacy, Cause, Command, Event};
use crate::kernel::given::given;
use crate::kernel::{Aggregate as _, Context, golden};

#[test]
fn every_stored_version_is_read_and_todays_is_written() {
    golden::holds::<Candidacy>();
}

fn student() -> Uuid {
    ids().student_id
}

fn registered(application: u128, internship: u128) -> Event {
    Event::ApplicationRegistered(submission_of(Ids {
        application_id: Uuid::from_u128(application),
        student_id: student(),
        internship_id: Uuid::from_u128(internship),
    }))
}

fn register(application: u128, internship: u128) -> Command {
    let Event::ApplicationRegistered(submission) = registered(application, internship) else {
        unreachable!()
    };
    Command::Register(submission)
}

fn claim(application: u128, placement: u128) -> Command {
    Command::Claim {
        application_id: Uuid::from_u128(application),
        placement_id: Uuid::from_u128(placement),
    }
}

fn claimed(application: u128, placement: u128) -> Event {
    Event::PlacementClaimed {
        student_id: student(),
        application_id: Uuid::from_u128(application),
        placement_id: Uuid::from_u128(placement),
        since: noon().occurred_at,
    }
}

fn released(placement: u128, cause: Cause) -> Event {
    Event::PlacementReleased {
        student_id: student(),
        placement_id: Uuid::from_u128(placement),
        cause,
        until: noon().occurred_at,
    }
}

/// A context of the import, of something that happened so many seconds after noon.
fn imported(seconds: i64) -> Context {
    let noon = noon();
    Context {
        occurred_at: noon.occurred_at.plus_seconds(seconds),
        imported: true,
        ..noon
    }
}

#[test]
fn records_of_the_past_are_judged_by_their_own_time() {
    let until = noon().occurred_at.plus_seconds(100);
    let past = [
        registered(1, 100),
        claimed(1, 50),
        Event::PlacementReleased {
            student_id: student(),
            placement_id: Uuid::from_u128(50),
            cause: Cause::Completed,
            until,
        },
    ];
    for seconds in [0, 50, 100] {
        given::<Candidacy>(past.clone())
            .when(&register(2, 101), &imported(seconds))
            .refused("ACTIVE_PLACEMENT_EXISTS");
    }
    for seconds in [-1, 101] {
        given::<Candidacy>(past.clone())
            .when(&register(2, 101), &imported(seconds))
            .then([registered(2, 101)]);
    }
    let both = past.into_iter().chain([registered(2, 101)]);
    given::<Candidacy>(both)
        .when(&claim(2, 51), &imported(50))
        .refused("ACTIVE_PLACEMENT_EXISTS");
}

#[test]
fn a_student_applies_once_to_an_internship() {
    let past = [registered(1, 100)];
    given::<Candidacy>(past.clone())
        .when(&register(2, 100), &noon())
        .refused("ALREADY_APPLIED");
    given::<Candidacy>(past.clone())
        .when(&register(1, 100), &noon())
        .refused("ALREADY_APPLIED");
    given::<Candidacy>(past.clone())
        .when(&register(1, 101), &noon())
        .refused("ID_TAKEN");
    given::<Candidacy>(past)
        .when(&register(2, 101), &noon())
        .then([registered(2, 101)]);
}

#[test]
fn an_abandoned_registration_leaves_no_trace_in_the_rules() {
    let abandon = Command::Abandon {
        application_id: Uuid::from_u128(1),
    };
    let (after, _) = given::<Candidacy>([registered(1, 100)])
        .when(&abandon, &noon())
        .events();
    assert!(after.applications.is_empty());
    assert!(after.decide(&register(2, 100), &noon()).is_ok());
    assert_eq!(after.decide(&abandon, &noon()), Ok(vec![]));
}

#[test]
fn a_student_holds_one_placement() {
    let past = [registered(1, 100), registered(2, 101), claimed(1, 50)];
    given::<Candidacy>(past.clone())
        .when(&claim(2, 51), &noon())
        .refused("ACTIVE_PLACEMENT_EXISTS");
    given::<Candidacy>(past.clone())
        .when(&claim(2, 50), &noon())
        .refused("ACTIVE_PLACEMENT_EXISTS");
    given::<Candidacy>(past.clone())
        .when(&register(3, 102), &noon())
        .refused("ACTIVE_PLACEMENT_EXISTS");
    given::<Candidacy>(past)
        .when(&claim(1, 50), &noon())
        .then_nothing();
}

#[test]
fn a_claim_needs_a_registered_application() {
    given::<Candidacy>([registered(1, 100)])
        .when(&claim(9, 50), &noon())
        .refused("APPLICATION_UNKNOWN");
}

#[test]
fn an_old_claim_does_not_come_back_to_life() {
    let past = [
        registered(1, 100),
        registered(2, 101),
        claimed(1, 50),
        released(50, Cause::Completed),
    ];
    given::<Candidacy>(past.clone())
        .when(&claim(1, 50), &noon())
        .then_nothing();
    given::<Candidacy>(past.clone())
        .when(&claim(2, 50), &noon())
        .refused("ID_TAKEN");
    given::<Candidacy>(past)
        .when(&register(3, 102), &noon())
        .then([registered(3, 102)]);
}

#[test]
fn a_claim_that_the_application_refused_may_be_made_again() {
    given::<Candidacy>([
        registered(1, 100),
        claimed(1, 50),
        released(50, Cause::Refused),
    ])
    .when(&claim(1, 50), &noon())
    .then([claimed(1, 50)]);
}

#[test]
fn releasing_what_is_not_held_changes_nothing() {
    let release = Command::Release {
        placement_id: Uuid::from_u128(51),
        cause: Cause::Terminated,
    };
    given::<Candidacy>([registered(1, 100), claimed(1, 50)])
        .when(&release, &noon())
        .then_nothing();
    given::<Candidacy>([])
        .when(&release, &noon())
        .then_nothing();
}

fn any_candidacy_command() -> impl Strategy<Value = Command> {
    let causes = prop_oneof![
        Just(Cause::Completed),
        Just(Cause::Terminated),
        Just(Cause::Rescinded),
        Just(Cause::Refused)
    ];
    prop_oneof![
        (1_u128..4, 100_u128..103).prop_map(|(a, i)| register(a, i)),
        (1_u128..4).prop_map(|a| Command::Abandon {
            application_id: Uuid::from_u128(a)
        }),
        (1_u128..4, 50_u128..53).prop_map(|(a, p)| claim(a, p)),
        (50_u128..53, causes).prop_map(|(p, cause)| Command::Release {
            placement_id: Uuid::from_u128(p),
            cause
        }),
    ]
}

proptest! {
    /// Guards against two placements at once, and two applications to one internship.
    #[test]
    fn claims_and_releases_alternate(commands in prop::collection::vec(any_candidacy_command(), 0..80)) {
        let mut candidacy = Candidacy::default();
        let mut held: Option<Uuid> = None;
        for command in commands {
            let Ok(events) = candidacy.decide(&command, &noon()) else {
                continue;
            };
            for event in &events {
                match event {
                    Event::PlacementClaimed { placement_id, .. } => {
                        prop_assert_eq!(held.replace(*placement_id), None);
                    }
                    Event::PlacementReleased { placement_id, .. } => {
                        prop_assert_eq!(held.take(), Some(*placement_id));
                    }
                    Event::ApplicationRegistered(_) => prop_assert_eq!(held, None),
                    Event::ApplicationAbandoned { .. } => {}
                }
                candidacy.evolve(event);
            }
            prop_assert_eq!(candidacy.held.map(|held| held.placement_id), held);
            let mut internships: Vec<_> =
                candidacy.applications.values().map(|a| a.internship_id).collect();
            internships.sort_unstable();
            internships.dedup();
            prop_assert_eq!(internships.len(), candidacy.applications.len());
        }
    }
}
