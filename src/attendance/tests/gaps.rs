//! Working days of which nobody said anything become absences.

use super::*;

#[test]
fn the_working_days_before_a_clock_in_become_absences() {
    given([opened(), came("2024-01-01")])
        .when(&clock_in("2024-01-04"), &on("2024-01-04"))
        .then([gap("2024-01-02", "2024-01-03", 2), came("2024-01-04")]);
}

#[test]
fn a_gap_starts_with_the_placement() {
    given([opened()])
        .when(&clock_in("2024-01-03"), &on("2024-01-03"))
        .then([gap("2024-01-01", "2024-01-02", 2), came("2024-01-03")]);
}

#[test]
fn a_weekend_is_no_gap() {
    given([opened(), came("2024-01-05")])
        .when(&clock_in("2024-01-08"), &on("2024-01-08"))
        .then([came("2024-01-08")]);
}

#[test]
fn a_gap_over_a_weekend_counts_its_working_days() {
    let state = given([opened(), came("2024-01-03")])
        .when(&clock_in("2024-01-10"), &on("2024-01-10"))
        .then([gap("2024-01-04", "2024-01-09", 4), came("2024-01-10")]);
    assert_eq!((state.days_present(), state.days_absent()), (2, 4));
}

#[test]
fn a_weekend_day_within_a_gap_can_still_be_clocked_in() {
    let past = [
        opened(),
        gap("2024-01-01", "2024-01-09", 7),
        came("2024-01-10"),
    ];
    let state = given(past)
        .when(&clock_in("2024-01-06"), &on("2024-01-10"))
        .then([came("2024-01-06")]);
    assert_eq!((state.days_present(), state.days_absent()), (2, 7));
}

#[test]
fn days_on_hold_are_no_gap_and_cannot_be_recorded_afterwards() {
    let past = || {
        [
            opened(),
            came("2024-01-01"),
            frozen("2024-01-03"),
            reopened("2024-01-10"),
        ]
    };
    given(past())
        .when(&clock_in("2024-01-12"), &on("2024-01-12"))
        .then([
            gap("2024-01-02", "2024-01-02", 1),
            gap("2024-01-11", "2024-01-11", 1),
            came("2024-01-12"),
        ]);
    given(past())
        .when(&clock_in("2024-01-05"), &on("2024-01-12"))
        .refused("PLACEMENT_NOT_ACTIVE");
    given(past())
        .when(&clock_in("2024-01-10"), &on("2024-01-12"))
        .then([gap("2024-01-02", "2024-01-02", 1), came("2024-01-10")]);
}
