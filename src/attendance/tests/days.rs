//! A day is clocked in and out once, or is reported as an absence.

use super::*;

#[test]
fn the_first_day_is_clocked_in() {
    given([opened()])
        .when(&clock_in("2024-01-01"), &on("2024-01-01"))
        .then([came("2024-01-01")]);
}

#[test]
fn a_second_clock_in_of_a_day_changes_nothing() {
    let past = || [opened(), came("2024-01-01")];
    given(past())
        .when(&clock_in("2024-01-01"), &on("2024-01-05"))
        .then_nothing();
}

#[test]
fn a_repeated_clock_in_succeeds_even_after_the_end() {
    let past = [opened(), came("2024-01-01"), closed("2024-01-02")];
    given(past)
        .when(&clock_in("2024-01-01"), &on("2024-01-05"))
        .then_nothing();
}

#[test]
fn days_before_the_placement_and_after_today_are_refused() {
    for date in ["2023-12-31", "2024-01-04"] {
        for command in [clock_in(date), absent(date)] {
            given([opened()])
                .when(&command, &on_with_reason("2024-01-03"))
                .refused("DATE_OUTSIDE_PLACEMENT");
        }
    }
}

#[test]
fn an_imported_day_is_judged_by_when_it_happened() {
    let imported = Context {
        now: Moment::parse("2026-01-01T00:00:00Z").unwrap(),
        imported: true,
        ..on("2024-01-03")
    };
    given([opened()])
        .when(&clock_in("2024-01-04"), &imported)
        .refused("DATE_OUTSIDE_PLACEMENT");
}

#[test]
fn a_day_that_is_recorded_absent_is_not_clocked_in_afterwards() {
    let past = || {
        [
            opened(),
            away("2024-01-01"),
            gap("2024-01-02", "2024-01-03", 2),
        ]
    };
    for date in ["2024-01-01", "2024-01-02", "2024-01-03"] {
        given(past())
            .when(&clock_in(date), &on("2024-01-10"))
            .refused("ABSENCE_RECORDED");
    }
}

#[test]
fn who_came_can_leave_once() {
    given([opened(), came("2024-01-01")])
        .when(&clock_out("2024-01-01"), &on("2024-01-01"))
        .then([left("2024-01-01")]);
    given([opened(), came("2024-01-01"), left("2024-01-01")])
        .when(&clock_out("2024-01-01"), &on("2024-01-01"))
        .then_nothing();
}

#[test]
fn who_did_not_come_cannot_leave() {
    given([opened()])
        .when(&clock_out("2024-01-01"), &on("2024-01-01"))
        .refused("NOT_CLOCKED_IN");
    given([opened(), away("2024-01-01")])
        .when(&clock_out("2024-01-01"), &on("2024-01-01"))
        .refused("NOT_CLOCKED_IN");
}

#[test]
fn an_absence_is_recorded_with_its_reason_and_the_gap_before_it() {
    given([opened()])
        .when(&absent("2024-01-02"), &on_with_reason("2024-01-02"))
        .then([gap("2024-01-01", "2024-01-01", 1), away("2024-01-02")]);
    given([opened()])
        .when(&absent("2024-01-01"), &on("2024-01-01"))
        .refused("REASON_REQUIRED");
    let blank = because("  ", &on("2024-01-01"));
    given([opened()])
        .when(&absent("2024-01-01"), &blank)
        .refused("REASON_REQUIRED");
}

#[test]
fn an_absence_is_reported_once_and_never_over_something_else() {
    let today = on_with_reason("2024-01-10");
    given([opened(), away("2024-01-01")])
        .when(&absent("2024-01-01"), &today)
        .then_nothing();
    given([opened(), came("2024-01-01")])
        .when(&absent("2024-01-01"), &today)
        .refused("PRESENCE_RECORDED");
    given([opened(), gap("2024-01-01", "2024-01-02", 2)])
        .when(&absent("2024-01-01"), &today)
        .refused("ABSENCE_RECORDED");
}
