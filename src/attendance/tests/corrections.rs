//! A day is corrected by an event that names the wrong one.

use super::*;

#[test]
fn a_correction_refers_to_the_event_that_it_corrects() {
    let admin = because(
        "was seen at work",
        &context(Role::Admin, "2024-01-10T09:00:00Z"),
    );
    let past = || {
        vec![
            opened(),
            came("2024-01-01"),
            gap("2024-01-02", "2024-01-04", 3),
        ]
    };
    let state = given(past())
        .when(&correct("2024-01-03", true), &admin)
        .then([corrected("2024-01-03", true, 2)]);
    assert_eq!((state.days_present(), state.days_absent()), (2, 2));

    let mut again = past();
    again.push(corrected("2024-01-03", true, 2));
    let state = given(again)
        .when(&correct("2024-01-03", false), &admin)
        .then([corrected("2024-01-03", false, 3)]);
    assert_eq!((state.days_present(), state.days_absent()), (1, 3));
}

#[test]
fn what_is_not_recorded_or_right_already_cannot_be_corrected() {
    let admin = because("so he says", &context(Role::Admin, "2024-01-10T09:00:00Z"));
    let past = || {
        [
            opened(),
            came("2024-01-01"),
            gap("2024-01-02", "2024-01-09", 6),
        ]
    };
    given(past())
        .when(&correct("2024-01-01", true), &admin)
        .refused("NOTHING_TO_CORRECT");
    given(past())
        .when(&correct("2024-01-02", false), &admin)
        .refused("NOTHING_TO_CORRECT");
    // A Saturday within the gap.
    given(past())
        .when(&correct("2024-01-06", true), &admin)
        .refused("NOTHING_TO_CORRECT");
    given(past())
        .when(&correct("2024-01-01", false), &on("2024-01-10"))
        .refused("REASON_REQUIRED");
}

#[test]
fn a_day_corrected_to_present_can_be_left_and_one_corrected_to_absent_not_entered() {
    let past = || {
        [
            opened(),
            away("2024-01-01"),
            corrected("2024-01-01", true, 1),
        ]
    };
    given(past())
        .when(&clock_out("2024-01-01"), &on("2024-01-02"))
        .then([left("2024-01-01")]);
    let past = || {
        [
            opened(),
            came("2024-01-01"),
            corrected("2024-01-01", false, 1),
        ]
    };
    given(past())
        .when(&clock_in("2024-01-01"), &on("2024-01-02"))
        .refused("ABSENCE_RECORDED");
    given(past())
        .when(&clock_out("2024-01-01"), &on("2024-01-02"))
        .refused("NOT_CLOCKED_IN");
}
