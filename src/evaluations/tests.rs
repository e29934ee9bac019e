//! The evaluation's rules as sentences.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::kernel::given::{self, Given, context};
use crate::kernel::{
    Aggregate as _, Context, Figures, PlacementIds, Ratings, Role, golden, parse_date,
};

const IDS: PlacementIds = PlacementIds {
    placement_id: Uuid::from_u128(10),
    student_id: Uuid::from_u128(11),
    internship_id: Uuid::from_u128(12),
};
const EMPLOYER: Uuid = Uuid::from_u128(13);
const RATINGS: Ratings = Ratings {
    quality: 5,
    reliability: 4,
    initiative: 3,
    teamwork: 4,
    communication: 4,
};
const ATTENDANCE: AttendanceFigures = AttendanceFigures {
    days_present: 19,
    days_absent: 1,
    attendance_rate: 0.95,
};
const WORK: WorkFigures = WorkFigures {
    tasks_assigned: 5,
    tasks_submitted: 4,
    tasks_on_time: 3,
    mandatory_assigned: 3,
    mandatory_submitted: 2,
    mean_score: 82.5,
};
const ATTENDANCE_NOTED: Event = Event::AttendanceNoted {
    ids: IDS,
    figures: ATTENDANCE,
};
const WORK_NOTED: Event = Event::WorkNoted {
    ids: IDS,
    figures: WORK,
};
const FROZEN: Event = Event::EvaluationFrozen { ids: IDS };
const REOPENED: Event = Event::EvaluationReopened { ids: IDS };
const CLOSED: Event = Event::EvaluationClosed { ids: IDS };

fn given(past: impl IntoIterator<Item = Event>) -> Given<Evaluation> {
    given::given(past)
}

/// From 2024-01-01, for 30 days.
fn opened() -> Event {
    Event::EvaluationOpened {
        ids: IDS,
        employer_id: EMPLOYER,
        start_date: parse_date("2024-01-01").unwrap(),
        minimum_days: 30,
    }
}

fn record() -> Command {
    Command::RecordEvaluation {
        ratings: RATINGS,
        comments: "A pleasure".to_owned(),
    }
}

fn recorded() -> Event {
    Event::EvaluationRecorded {
        ids: IDS,
        ratings: RATINGS,
        mean_rating: 4.0,
        comments: "A pleasure".to_owned(),
    }
}

fn finalised() -> Event {
    Event::KpisFinalised {
        ids: IDS,
        figures: Figures {
            attendance_rate: 0.95,
            on_time_rate: 0.75,
            completion_rate: 0.8,
            mean_score: 82.5,
            mean_rating: 4.0,
        },
        mandatory_assigned: 3,
        mandatory_submitted: 2,
        ratings: RATINGS,
    }
}

fn on(date: &str) -> Context {
    context(Role::Employer, &format!("{date}T09:00:00Z"))
}

#[test]
fn the_placement_opens_its_evaluation_once() {
    let open = Command::OpenEvaluation {
        ids: IDS,
        employer_id: EMPLOYER,
        start_date: parse_date("2024-01-01").unwrap(),
        minimum_days: 30,
    };
    let state = given([]).when(&open, &on("2024-01-01")).then([opened()]);
    assert!(state.owners().includes(Role::Employer, EMPLOYER));
    given([opened(), CLOSED])
        .when(&open, &on("2024-01-01"))
        .then_nothing();
}

#[test]
fn an_evaluation_is_recorded_on_the_day_that_the_minimum_is_reached() {
    given([opened()])
        .when(&record(), &on("2024-01-30"))
        .refused("EVALUATION_TOO_EARLY");
    given([opened()])
        .when(&record(), &on("2023-06-01"))
        .refused("EVALUATION_TOO_EARLY");
    given([opened()])
        .when(&record(), &on("2024-01-31"))
        .then([recorded()]);
}

#[test]
fn a_second_evaluation_is_refused_also_after_the_end() {
    given([opened(), recorded()])
        .when(&record(), &on("2024-02-01"))
        .refused("EVALUATION_ALREADY_RECORDED");
    given([opened(), recorded(), CLOSED])
        .when(&record(), &on("2024-02-01"))
        .refused("EVALUATION_ALREADY_RECORDED");
}

#[test]
fn only_an_active_placement_is_evaluated() {
    for past in [vec![], vec![opened(), FROZEN], vec![opened(), CLOSED]] {
        given(past)
            .when(&record(), &on("2024-02-01"))
            .refused("PLACEMENT_NOT_ACTIVE");
    }
    given([opened(), FROZEN, REOPENED])
        .when(&record(), &on("2024-02-01"))
        .then([recorded()]);
}

#[test]
fn the_kpis_are_finalised_by_the_last_of_the_three_whatever_their_order() {
    let (attendance, work) = (Command::NoteAttendance(ATTENDANCE), Command::NoteWork(WORK));
    let today = on("2024-02-01");
    given([opened(), recorded()])
        .when(&attendance, &today)
        .then([ATTENDANCE_NOTED]);
    given([opened(), recorded(), ATTENDANCE_NOTED])
        .when(&work, &today)
        .then([WORK_NOTED, finalised()]);
    given([opened(), recorded(), WORK_NOTED])
        .when(&attendance, &today)
        .then([ATTENDANCE_NOTED, finalised()]);
    given([opened(), WORK_NOTED, ATTENDANCE_NOTED])
        .when(&record(), &today)
        .then([recorded(), finalised()]);
}

#[test]
fn where_nothing_was_assigned_nothing_was_missed() {
    let none = WorkFigures {
        tasks_assigned: 0,
        tasks_submitted: 0,
        tasks_on_time: 0,
        mandatory_assigned: 0,
        mandatory_submitted: 0,
        mean_score: 0.0,
    };
    let past = [opened(), recorded(), ATTENDANCE_NOTED];
    let (_, events) = given(past)
        .when(&Command::NoteWork(none), &on("2024-02-01"))
        .events();
    let Some(Event::KpisFinalised { figures, .. }) = events.last() else {
        panic!("no KPIs in {events:?}");
    };
    assert_eq!((figures.on_time_rate, figures.completion_rate), (1.0, 1.0));
}

#[test]
fn notes_are_taken_once_and_not_after_the_end() {
    let today = on("2024-02-01");
    for command in [Command::NoteAttendance(ATTENDANCE), Command::NoteWork(WORK)] {
        given([
            opened(),
            recorded(),
            ATTENDANCE_NOTED,
            WORK_NOTED,
            finalised(),
        ])
        .when(&command, &today)
        .then_nothing();
        given([opened(), recorded(), CLOSED])
            .when(&command, &today)
            .then_nothing();
        given([])
            .when(&command, &today)
            .refused("PLACEMENT_NOT_ACTIVE");
    }
}

#[test]
fn freezing_reopening_and_closing_take_effect_once() {
    let today = on("2024-01-02");
    let (freeze, reopen, close) = (
        Command::FreezeEvaluation,
        Command::ReopenEvaluation,
        Command::CloseEvaluation,
    );
    given([opened()]).when(&freeze, &today).then([FROZEN]);
    given([opened(), FROZEN])
        .when(&freeze, &today)
        .then_nothing();
    given([opened(), FROZEN])
        .when(&reopen, &today)
        .then([REOPENED]);
    given([opened()]).when(&reopen, &today).then_nothing();
    given([opened(), FROZEN])
        .when(&close, &today)
        .then([CLOSED]);
    for command in [freeze, reopen, close] {
        given([opened(), CLOSED])
            .when(&command, &today)
            .then_nothing();
        given([])
            .when(&command, &today)
            .refused("PLACEMENT_NOT_ACTIVE");
    }
}

#[test]
fn the_stored_events_are_read_as_they_were_written() {
    golden::holds::<Evaluation>();
}

fn any_command() -> impl Strategy<Value = Command> {
    let rating = || 1..=5_u8;
    let ratings = (rating(), rating(), rating(), rating(), rating());
    let work = (0..9_u32, 0..9_u32, 0..9_u32, 0..=1000_u32);
    (ratings, work, 0..6_u8).prop_map(
        |((a, b, c, d, e), (tasks, submitted, on_time, score), kind)| {
            let submitted = submitted.min(tasks);
            match kind {
                0 => Command::RecordEvaluation {
                    ratings: Ratings {
                        quality: a,
                        reliability: b,
                        initiative: c,
                        teamwork: d,
                        communication: e,
                    },
                    comments: String::new(),
                },
                1 => Command::NoteAttendance(AttendanceFigures {
                    attendance_rate: f64::from(score) / 1000.0,
                    ..ATTENDANCE
                }),
                2 => Command::NoteWork(WorkFigures {
                    tasks_assigned: tasks,
                    tasks_submitted: submitted,
                    tasks_on_time: on_time.min(submitted),
                    mean_score: f64::from(score) / 10.0,
                    ..WORK
                }),
                3 => Command::FreezeEvaluation,
                4 => Command::ReopenEvaluation,
                _ => Command::CloseEvaluation,
            }
        },
    )
}

proptest! {
    /// Guards against KPIs that are recomputed, or out of their bounds.
    #[test]
    fn kpis_are_finalised_at_most_once_and_within_bounds(
        commands in prop::collection::vec(any_command(), 1..30)
    ) {
        let mut evaluation = Evaluation::default();
        evaluation.evolve(&opened());
        let (mut evaluations, mut finals) = (0, 0);
        for command in commands {
            let decided = evaluation.decide(&command, &on("2024-03-01")).unwrap_or_default();
            for event in decided {
                evaluation.evolve(&event);
                if matches!(event, Event::EvaluationRecorded { .. }) {
                    evaluations += 1;
                }
                let Event::KpisFinalised { figures, .. } = event else { continue };
                finals += 1;
                for rate in [figures.attendance_rate, figures.on_time_rate, figures.completion_rate] {
                    prop_assert!((0.0..=1.0).contains(&rate));
                }
                prop_assert!((0.0..=100.0).contains(&figures.mean_score));
                prop_assert!((1.0..=5.0).contains(&figures.mean_rating));
            }
        }
        prop_assert!(evaluations <= 1 && finals <= evaluations);
    }
}
