//! The placement's rules as sentences, and the words that they are made of.

mod completion;
mod ends;
mod life;

use uuid::Uuid;

use super::criteria::criteria_of;
use super::{Command, Completion, Event, MandatoryTasks, Placement, Start, Status};
use crate::kernel::given::{because, context, given};
use crate::kernel::{
    Aggregate as _, Context, Date, Figures, Kpi, KpiTarget, PlacementIds, Ratings, Role, Terms,
    golden, parse_date,
};

fn ids() -> PlacementIds {
    PlacementIds {
        placement_id: Uuid::from_u128(1),
        student_id: Uuid::from_u128(2),
        internship_id: Uuid::from_u128(3),
    }
}

fn start() -> Start {
    Start {
        ids: ids(),
        employer_id: Uuid::from_u128(4),
        application_id: Uuid::from_u128(5),
        title: "Gardener".to_owned(),
        employer_name: "Gardens".to_owned(),
        terms: Terms {
            start_date: date("2024-03-01"),
            minimum_days: 30,
            required_attendance_rate: 0.8,
            required_task_share: 1.0,
            kpis: vec![
                target(Kpi::MeanScore, 50.0, true),
                target(Kpi::OnTimeRate, 1.0, false),
            ],
        },
        student_name: "Ada".to_owned(),
    }
}

fn target(kpi: Kpi, target: f64, mandatory: bool) -> KpiTarget {
    KpiTarget {
        kpi,
        target,
        mandatory,
    }
}

fn date(text: &str) -> Date {
    parse_date(text).unwrap()
}

fn figures() -> Figures {
    Figures {
        attendance_rate: 0.8,
        on_time_rate: 0.5,
        completion_rate: 1.0,
        mean_score: 50.0,
        mean_rating: 4.0,
    }
}

const RATINGS: Ratings = Ratings {
    quality: 4,
    reliability: 4,
    initiative: 4,
    teamwork: 4,
    communication: 4,
};

fn tasks(assigned: u32, submitted: u32) -> MandatoryTasks {
    MandatoryTasks {
        assigned,
        submitted,
    }
}

fn note(figures: Figures, tasks: MandatoryTasks) -> Command {
    Command::NoteKpis {
        figures,
        tasks,
        ratings: RATINGS,
    }
}

fn noted(tasks: MandatoryTasks) -> Event {
    Event::KpisNoted {
        ids: ids(),
        figures: figures(),
        tasks,
        ratings: RATINGS,
    }
}

fn completed(end_date: &str) -> Event {
    Event::PlacementCompleted(Box::new(Completion {
        ids: ids(),
        employer_id: Uuid::from_u128(4),
        application_id: Uuid::from_u128(5),
        title: "Gardener".to_owned(),
        employer_name: "Gardens".to_owned(),
        start_date: date("2024-03-01"),
        end_date: date(end_date),
        figures: figures(),
        ratings: RATINGS,
        student_name: "Ada".to_owned(),
    }))
}

fn terminated() -> Event {
    Event::PlacementTerminated {
        ids: ids(),
        end_date: date("2024-03-31"),
    }
}

/// The day on which the minimum of 30 days is reached.
fn last_day() -> Context {
    context(Role::System, "2024-03-31T00:00:00Z")
}

fn reasoned() -> Context {
    because("illness", &last_day())
}

fn started() -> Vec<Event> {
    vec![Event::PlacementStarted(start())]
}

fn on_hold() -> Vec<Event> {
    vec![
        Event::PlacementStarted(start()),
        Event::PlacementHeld(ids()),
    ]
}

#[test]
fn every_stored_version_is_read_and_todays_is_written() {
    golden::holds::<Placement>();
}

#[test]
fn the_view_of_a_placement_is_plain_json() {
    let mut past = started();
    past.push(noted(tasks(2, 1)));
    past.push(terminated());
    let view = serde_json::to_value(given::<Placement>(past).state()).unwrap();
    assert_eq!(view["status"], "TERMINATED");
    assert_eq!(view["end_date"], "2024-03-31");
    assert_eq!(view["mandatory_submitted"], 1);
    assert_eq!(view["evaluated"]["mean_score"], 50.0);
    assert_eq!(view["terms"]["start_date"], "2024-03-01");
}
