//! Given, when, then.

use proptest::prelude::*;
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
fn a_placement_starts_once_and_its_id_is_its_own() {
    given::<Placement>([])
        .when(&Command::Start(start()), &last_day())
        .then(started());
    given::<Placement>(started())
        .when(&Command::Start(start()), &last_day())
        .then_nothing();
    let other = Start {
        application_id: Uuid::from_u128(6),
        ..start()
    };
    given::<Placement>(started())
        .when(&Command::Start(other), &last_day())
        .refused("ID_TAKEN");
}

#[test]
fn a_placement_is_held_and_resumed_with_a_reason() {
    given::<Placement>(started())
        .when(&Command::Hold, &last_day())
        .refused("REASON_REQUIRED");
    given::<Placement>(started())
        .when(&Command::Hold, &reasoned())
        .then([Event::PlacementHeld(ids())]);
    given::<Placement>(on_hold())
        .when(&Command::Hold, &reasoned())
        .refused("PLACEMENT_NOT_ACTIVE");
    given::<Placement>(on_hold())
        .when(&Command::Resume, &reasoned())
        .then([Event::PlacementResumed(ids())]);
    given::<Placement>(started())
        .when(&Command::Resume, &reasoned())
        .refused("PLACEMENT_NOT_ACTIVE");
}

#[test]
fn a_running_placement_is_terminated_once_also_before_its_first_day() {
    for past in [started(), on_hold()] {
        given::<Placement>(past)
            .when(&Command::Terminate, &reasoned())
            .then([terminated()]);
    }
    let early = because("moved", &context(Role::Employer, "2024-01-01T00:00:00Z"));
    let (_, events) = given::<Placement>(started())
        .when(&Command::Terminate, &early)
        .events();
    assert_eq!(events.len(), 1);
    let mut past = started();
    past.push(terminated());
    given::<Placement>(past)
        .when(&Command::Terminate, &reasoned())
        .refused("PLACEMENT_NOT_ACTIVE");
}

#[test]
fn what_never_started_is_not_active() {
    for command in [
        Command::Hold,
        Command::Resume,
        Command::Terminate,
        note(figures(), tasks(0, 0)),
    ] {
        given::<Placement>([])
            .when(&command, &reasoned())
            .refused("PLACEMENT_NOT_ACTIVE");
    }
}

#[test]
fn a_placement_is_completed_as_soon_as_every_criterion_holds() {
    given::<Placement>(started())
        .when(&note(figures(), tasks(2, 2)), &last_day())
        .then([noted(tasks(2, 2)), completed("2024-03-31")]);
}

#[test]
fn each_criterion_alone_keeps_a_placement_from_completion() {
    let too_early = context(Role::System, "2024-03-30T23:59:59Z");
    let low = |change: fn(&mut Figures)| {
        let mut figures = figures();
        change(&mut figures);
        figures
    };
    let cases = [
        ("MINIMUM_DAYS", figures(), tasks(2, 2), too_early),
        (
            "ATTENDANCE_RATE",
            low(|f| f.attendance_rate = 0.79),
            tasks(2, 2),
            last_day(),
        ),
        ("MANDATORY_TASKS", figures(), tasks(2, 1), last_day()),
        (
            "KPI_MEAN_SCORE",
            low(|f| f.mean_score = 49.9),
            tasks(2, 2),
            last_day(),
        ),
    ];
    for (name, figures, tasks, context) in cases {
        let (state, events) = given::<Placement>(started())
            .when(&note(figures, tasks), &context)
            .events();
        let Some(Event::CompletionAssessed { criteria, .. }) = events.last() else {
            panic!("{name}: {events:?}");
        };
        let failing: Vec<_> = criteria.iter().filter(|c| !c.holds).collect();
        assert_eq!(failing.len(), 1);
        assert_eq!(failing[0].name, name);
        assert_eq!(state.known.unwrap().status, Status::Active);
    }
}

#[test]
fn a_kpi_that_is_not_mandatory_is_no_criterion() {
    let placement = given::<Placement>(started()).state().known.unwrap();
    let names: Vec<_> = criteria_of(&placement, date("2024-03-01"))
        .into_iter()
        .map(|c| (c.name.into_owned(), c.holds))
        .collect();
    assert_eq!(
        names,
        [
            ("MINIMUM_DAYS".to_owned(), false),
            ("ATTENDANCE_RATE".to_owned(), false),
            ("MANDATORY_TASKS".to_owned(), true),
            ("EVALUATION_RECORDED".to_owned(), false),
            ("KPI_MEAN_SCORE".to_owned(), false),
        ]
    );
}

#[test]
fn a_mandatory_task_that_comes_after_the_evaluation_completes_the_placement() {
    let (after, _) = given::<Placement>(started())
        .when(&note(figures(), tasks(2, 1)), &last_day())
        .events();
    let events = after
        .decide(&Command::NoteTasks { tasks: tasks(2, 2) }, &last_day())
        .unwrap();
    assert_eq!(
        events,
        [
            Event::MandatoryTasksNoted {
                ids: ids(),
                tasks: tasks(2, 2)
            },
            completed("2024-03-31")
        ]
    );
}

#[test]
fn tasks_told_before_the_figures_are_not_forgotten() {
    let told = Event::MandatoryTasksNoted {
        ids: ids(),
        tasks: tasks(3, 3),
    };
    let mut past = started();
    past.push(told);
    given::<Placement>(past)
        .when(&note(figures(), tasks(3, 2)), &last_day())
        .then([noted(tasks(3, 2)), completed("2024-03-31")]);
}

#[test]
fn what_comes_to_hold_on_hold_takes_effect_when_it_is_resumed() {
    let after = given::<Placement>(on_hold())
        .when(&note(figures(), tasks(0, 0)), &last_day())
        .then([noted(tasks(0, 0))]);
    assert_eq!(
        after.decide(&Command::Resume, &reasoned()).unwrap(),
        [Event::PlacementResumed(ids()), completed("2024-03-31")]
    );
}

#[test]
fn figures_are_final_and_what_comes_after_the_end_changes_nothing() {
    let (after, _) = given::<Placement>(started())
        .when(&note(figures(), tasks(2, 1)), &last_day())
        .events();
    let better = Figures {
        mean_score: 100.0,
        ..figures()
    };
    assert_eq!(
        after.decide(&note(better, tasks(2, 2)), &last_day()),
        Ok(vec![])
    );
    for end in [terminated(), completed("2024-03-31")] {
        let mut past = started();
        past.push(end);
        for command in [
            note(figures(), tasks(2, 2)),
            Command::NoteTasks { tasks: tasks(9, 9) },
        ] {
            given::<Placement>(past.clone())
                .when(&command, &last_day())
                .then_nothing();
        }
    }
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

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Start(start())),
        Just(Command::Hold),
        Just(Command::Resume),
        Just(Command::Terminate),
        (0_u32..4, 0_u32..4).prop_map(|(a, b)| note(figures(), tasks(a.max(b), b))),
        (0_u32..4, 0_u32..4).prop_map(|(a, b)| Command::NoteTasks {
            tasks: tasks(a.max(b), b)
        }),
    ]
}

proptest! {
    /// Guards against a forced completion and against life after the end.
    #[test]
    fn completion_is_earned_and_an_end_is_final(
        commands in prop::collection::vec((any_command(), 0_i64..60), 0..60)
    ) {
        let mut placement = Placement::default();
        let mut ended = false;
        for (command, day) in commands {
            let mut context = reasoned();
            context.occurred_at = context.occurred_at.plus_seconds((day - 30) * 86_400);
            let Ok(events) = placement.decide(&command, &context) else {
                continue;
            };
            prop_assert!(!ended || events.is_empty());
            for event in &events {
                if let Event::PlacementCompleted(completion) = event {
                    let known = placement.known.clone().unwrap();
                    prop_assert!(known.status == Status::Active);
                    prop_assert!(criteria_of(&known, completion.end_date).iter().all(|c| c.holds));
                }
                placement.evolve(event);
            }
            ended = placement.known.as_ref().is_some_and(|known| !known.status.is_running());
        }
    }
}
