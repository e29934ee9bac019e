//! What is told of the work: once at the evaluation, and the mandatory tasks whenever they change after it.

use super::*;

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
