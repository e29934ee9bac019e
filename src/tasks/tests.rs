//! The worklist's rules as sentences.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::kernel::given::{self, Given, context};
use crate::kernel::{Aggregate as _, Context, Moment, PlacementIds, Role, golden, parse_date};

const IDS: PlacementIds = PlacementIds {
    placement_id: Uuid::from_u128(10),
    student_id: Uuid::from_u128(11),
    internship_id: Uuid::from_u128(12),
};
const EMPLOYER: Uuid = Uuid::from_u128(13);

fn given(past: impl IntoIterator<Item = Event>) -> Given<Worklist> {
    given::given(past)
}

fn task(number: u128) -> Uuid {
    Uuid::from_u128(100 + number)
}

fn submission(number: u128) -> Uuid {
    Uuid::from_u128(200 + number)
}

fn at(date: &str) -> Context {
    context(Role::Employer, &format!("{date}T12:00:00Z"))
}

fn noon(date: &str) -> Moment {
    at(date).now
}

fn opened() -> Event {
    Event::WorklistOpened {
        ids: IDS,
        employer_id: EMPLOYER,
        start_date: parse_date("2024-01-01").unwrap(),
    }
}

/// Due at noon on 2024-01-10.
fn assigned(number: u128, mandatory: bool) -> Event {
    Event::TaskAssigned {
        ids: IDS,
        task_id: task(number),
        title: "Load".to_owned(),
        description: "All of it".to_owned(),
        due_at: noon("2024-01-10"),
        mandatory,
    }
}

fn assign(number: u128, mandatory: bool) -> Command {
    Command::AssignTask(NewTask {
        task_id: task(number),
        title: "Load".to_owned(),
        description: "All of it".to_owned(),
        due_at: noon("2024-01-10"),
        mandatory,
    })
}

fn artifacts() -> Vec<Artifact> {
    vec![Artifact {
        kind: ArtifactKind::Link,
        reference: "https://example.org/1".to_owned(),
        name: "Report".to_owned(),
    }]
}

fn submitted(number: u128, to: u128, late: bool, first: bool) -> Event {
    Event::WorkSubmitted {
        ids: IDS,
        task_id: task(to),
        submission_id: submission(number),
        artifacts: artifacts(),
        late,
        first,
        comment: "Done".to_owned(),
    }
}

fn submit(number: u128, to: u128) -> Command {
    Command::SubmitWork(NewSubmission {
        task_id: task(to),
        submission_id: submission(number),
        artifacts: artifacts(),
        comment: "Done".to_owned(),
    })
}

fn reviewed(number: u128, to: u128, score: u32) -> Event {
    Event::SubmissionReviewed {
        ids: IDS,
        task_id: task(to),
        submission_id: submission(number),
        verdict: Verdict::Accepted,
        score: Score::new(score).unwrap(),
        feedback: "Good".to_owned(),
    }
}

fn review(number: u128, score: u32) -> Command {
    Command::ReviewSubmission(Review {
        submission_id: submission(number),
        verdict: Verdict::Accepted,
        score: Score::new(score).unwrap(),
        feedback: "Good".to_owned(),
    })
}

fn reported(figures: WorkFigures) -> Event {
    Event::WorkReported { ids: IDS, figures }
}

fn progressed(mandatory_assigned: u32, mandatory_submitted: u32) -> Event {
    Event::MandatoryTasksProgressed {
        ids: IDS,
        mandatory_assigned,
        mandatory_submitted,
    }
}

const FROZEN: Event = Event::WorklistFrozen { ids: IDS };
const REOPENED: Event = Event::WorklistReopened { ids: IDS };
const CLOSED: Event = Event::WorklistClosed { ids: IDS };

#[test]
fn the_placement_opens_its_worklist_once() {
    let open = Command::OpenWorklist {
        ids: IDS,
        employer_id: EMPLOYER,
        start_date: parse_date("2024-01-01").unwrap(),
    };
    let state = given([]).when(&open, &at("2024-01-01")).then([opened()]);
    assert!(state.owners().includes(Role::Student, IDS.student_id));
    assert!(state.owners().includes(Role::Employer, EMPLOYER));
    given([opened(), CLOSED])
        .when(&open, &at("2024-01-01"))
        .then_nothing();
}

#[test]
fn nothing_is_assigned_handed_in_or_reviewed_unless_the_placement_is_active() {
    let past = [assigned(1, true), submitted(1, 1, false, true)];
    for phase in [
        vec![],
        vec![opened(), FROZEN],
        vec![opened(), FROZEN, CLOSED],
    ] {
        for command in [assign(2, true), submit(2, 1), review(1, 50)] {
            let past = phase.iter().cloned().chain(past.clone());
            given(past)
                .when(&command, &at("2024-01-02"))
                .refused("PLACEMENT_NOT_ACTIVE");
        }
    }
}

#[test]
fn a_task_is_assigned_once_and_not_backdated() {
    given([opened()])
        .when(&assign(1, true), &at("2024-01-02"))
        .then([assigned(1, true)]);
    given([opened(), assigned(1, true)])
        .when(&assign(1, false), &at("2024-01-02"))
        .refused("TASK_EXISTS");
    given([opened()])
        .when(&assign(1, true), &at("2024-01-11"))
        .refused("TASK_BACKDATED");
}

#[test]
fn work_is_late_after_the_task_was_due_and_accepted_all_the_same() {
    let past = || [opened(), assigned(1, false)];
    given(past())
        .when(&submit(1, 1), &at("2024-01-10"))
        .then([submitted(1, 1, false, true)]);
    let second_later = context(Role::Student, "2024-01-10T12:00:00.000001Z");
    given(past())
        .when(&submit(1, 1), &second_later)
        .then([submitted(1, 1, true, true)]);
}

#[test]
fn a_revision_is_a_new_submission() {
    given([opened(), assigned(1, false), submitted(1, 1, false, true)])
        .when(&submit(2, 1), &at("2024-01-03"))
        .then([submitted(2, 1, false, false)]);
}

#[test]
fn work_for_an_unknown_task_or_with_a_used_id_is_refused() {
    let past = || {
        [
            opened(),
            assigned(1, false),
            assigned(2, false),
            submitted(1, 1, false, true),
        ]
    };
    given(past())
        .when(&submit(2, 3), &at("2024-01-03"))
        .refused("TASK_UNKNOWN");
    for to in [1, 2] {
        given(past())
            .when(&submit(1, to), &at("2024-01-03"))
            .refused("SUBMISSION_EXISTS");
    }
}

#[test]
fn a_submission_is_reviewed_once() {
    let past = || vec![opened(), assigned(1, false), submitted(1, 1, false, true)];
    given(past())
        .when(&review(1, 80), &at("2024-01-03"))
        .then([reviewed(1, 1, 80)]);
    given(past())
        .when(&review(2, 80), &at("2024-01-03"))
        .refused("SUBMISSION_UNKNOWN");
    let mut past = past();
    past.push(reviewed(1, 1, 80));
    given(past)
        .when(&review(1, 90), &at("2024-01-03"))
        .refused("SUBMISSION_REVIEWED");
}

#[test]
fn the_report_counts_what_was_assigned_submitted_on_time_and_scored_last() {
    let past = [
        opened(),
        assigned(1, true),
        assigned(2, true),
        assigned(3, false),
        assigned(4, false),
        submitted(1, 1, false, true),
        reviewed(1, 1, 30),
        submitted(2, 1, true, false),
        reviewed(2, 1, 70),
        submitted(3, 3, true, true),
        reviewed(3, 3, 51),
        submitted(4, 4, false, true),
    ];
    let figures = WorkFigures {
        tasks_assigned: 4,
        tasks_submitted: 3,
        tasks_on_time: 2,
        mandatory_assigned: 2,
        mandatory_submitted: 1,
        mean_score: 60.5,
    };
    given(past)
        .when(&Command::ReportWork, &at("2024-02-01"))
        .then([reported(figures)]);
}

#[test]
fn an_empty_worklist_reports_zeros_once_and_also_after_the_end() {
    let none = WorkFigures::default();
    given([opened(), CLOSED])
        .when(&Command::ReportWork, &at("2024-02-01"))
        .then([reported(none)]);
    given([opened(), reported(none)])
        .when(&Command::ReportWork, &at("2024-02-01"))
        .then_nothing();
    given([])
        .when(&Command::ReportWork, &at("2024-02-01"))
        .refused("PLACEMENT_NOT_ACTIVE");
}

#[test]
fn after_the_report_every_change_of_the_mandatory_figures_is_told() {
    let past = || {
        [
            opened(),
            assigned(1, true),
            assigned(2, false),
            reported(WorkFigures::default()),
        ]
    };
    let today = at("2024-01-03");
    given(past())
        .when(&submit(1, 1), &today)
        .then([submitted(1, 1, false, true), progressed(1, 1)]);
    given(past())
        .when(&assign(3, true), &today)
        .then([assigned(3, true), progressed(2, 0)]);
    given(past())
        .when(&submit(1, 2), &today)
        .then([submitted(1, 2, false, true)]);
    given(past())
        .when(&assign(3, false), &today)
        .then([assigned(3, false)]);
    let again = past().into_iter().chain([submitted(1, 1, false, true)]);
    given(again)
        .when(&submit(2, 1), &today)
        .then([submitted(2, 1, false, false)]);
}

#[test]
fn freezing_reopening_and_closing_take_effect_once() {
    let today = at("2024-01-02");
    let (freeze, reopen, close) = (
        Command::FreezeWorklist,
        Command::ReopenWorklist,
        Command::CloseWorklist,
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
fn a_score_is_at_most_100() {
    assert!(Score::new(100).is_some());
    for score in [101, 256, u32::MAX] {
        assert!(Score::new(score).is_none(), "{score}");
    }
}

#[test]
fn the_stored_events_are_read_as_they_were_written() {
    golden::holds::<Worklist>();
}

fn any_command() -> impl Strategy<Value = Command> {
    let ids = (0..6_u128, 0..6_u128);
    (ids, 0..=100_u32, any::<bool>(), 0..12_u8).prop_map(|((a, b), score, mandatory, kind)| {
        match kind {
            0..=2 => assign(a, mandatory),
            3..=6 => submit(a, b),
            7..=9 => review(a, score),
            10 => Command::ReportWork,
            _ => Command::FreezeWorklist,
        }
    })
}

proptest! {
    /// Guards against figures that no reader could explain, and ids that mean two things.
    #[test]
    fn figures_stay_within_their_bounds_and_ids_are_never_reused(
        commands in prop::collection::vec(any_command(), 1..80)
    ) {
        let mut worklist = Worklist::default();
        worklist.evolve(&opened());
        let mut seen = std::collections::BTreeSet::new();
        for (step, command) in commands.iter().enumerate() {
            let context = at(&format!("2024-01-{:02}", 1 + step % 28));
            for event in worklist.decide(command, &context).unwrap_or_default() {
                if let Event::TaskAssigned { task_id: id, .. }
                | Event::WorkSubmitted { submission_id: id, .. } = &event
                {
                    prop_assert!(seen.insert(*id));
                }
                worklist.evolve(&event);
                if let Event::MandatoryTasksProgressed { mandatory_submitted, .. } = &event {
                    prop_assert_eq!(*mandatory_submitted, worklist.figures().mandatory_submitted);
                }
            }
            let figures = worklist.figures();
            prop_assert!(figures.tasks_on_time <= figures.tasks_submitted);
            prop_assert!(figures.tasks_submitted <= figures.tasks_assigned);
            prop_assert!(figures.mandatory_submitted <= figures.mandatory_assigned);
            prop_assert!(figures.mandatory_assigned <= figures.tasks_assigned);
            prop_assert!((0.0..=100.0).contains(&figures.mean_score));
        }
    }
}
