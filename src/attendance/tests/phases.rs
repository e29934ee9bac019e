//! A register is opened, put on hold, reported and closed with its placement.

use super::*;

#[test]
fn the_placement_opens_its_register_once() {
    let open = Command::OpenRegister {
        ids: IDS,
        employer_id: Uuid::from_u128(13),
        start_date: day("2024-01-01"),
    };
    let state = given([]).when(&open, &on("2023-12-20")).then([opened()]);
    assert!(state.owners().includes(Role::Student, IDS.student_id));
    assert!(state.owners().includes(Role::Employer, Uuid::from_u128(13)));
    given([opened()])
        .when(&open, &on("2023-12-20"))
        .then_nothing();
    given([opened(), closed("2024-02-01")])
        .when(&open, &on("2024-02-02"))
        .then_nothing();
}

#[test]
fn a_register_that_nobody_opened_takes_nothing() {
    let today = on_with_reason("2024-01-01");
    for command in [
        clock_in("2024-01-01"),
        clock_out("2024-01-01"),
        absent("2024-01-01"),
        correct("2024-01-01", true),
        report("2024-01-01"),
        Command::FreezeRegister,
        Command::ReopenRegister,
        Command::CloseRegister,
    ] {
        given([])
            .when(&command, &today)
            .refused("PLACEMENT_NOT_ACTIVE");
    }
}

#[test]
fn a_register_on_hold_takes_no_entries() {
    let today = on_with_reason("2024-01-04");
    for command in [
        clock_in("2024-01-04"),
        clock_out("2024-01-01"),
        absent("2024-01-04"),
        correct("2024-01-01", false),
    ] {
        given([opened(), came("2024-01-01"), frozen("2024-01-02")])
            .when(&command, &today)
            .refused("PLACEMENT_NOT_ACTIVE");
    }
}

#[test]
fn freezing_reopening_and_closing_take_effect_once() {
    let today = on("2024-01-02");
    given([opened()])
        .when(&Command::FreezeRegister, &today)
        .then([frozen("2024-01-02")]);
    given([opened(), frozen("2024-01-01")])
        .when(&Command::FreezeRegister, &today)
        .then_nothing();
    given([opened(), frozen("2024-01-01")])
        .when(&Command::ReopenRegister, &today)
        .then([reopened("2024-01-02")]);
    given([opened()])
        .when(&Command::ReopenRegister, &today)
        .then_nothing();
    for command in [
        Command::FreezeRegister,
        Command::ReopenRegister,
        Command::CloseRegister,
    ] {
        given([opened(), closed("2024-01-01")])
            .when(&command, &today)
            .then_nothing();
    }
}

#[test]
fn a_closing_register_records_the_gap_up_to_yesterday() {
    given([opened(), came("2024-01-01")])
        .when(&Command::CloseRegister, &on("2024-01-04"))
        .then([gap("2024-01-02", "2024-01-03", 2), closed("2024-01-04")]);
    given([opened(), came("2024-01-01"), frozen("2024-01-02")])
        .when(&Command::CloseRegister, &on("2024-01-09"))
        .then([closed("2024-01-09")]);
}

#[test]
fn a_placement_that_ends_before_it_starts_has_no_gap() {
    given([opened()])
        .when(&Command::CloseRegister, &on("2023-12-20"))
        .then([closed("2023-12-20")]);
}

#[test]
fn the_report_counts_the_gap_up_to_the_day_before_it() {
    given([opened(), came("2024-01-01"), came("2024-01-02")])
        .when(&report("2024-01-05"), &on("2024-01-05"))
        .then([gap("2024-01-03", "2024-01-04", 2), reported(2, 2, 0.5)]);
}

#[test]
fn where_nothing_was_recorded_nothing_was_missed() {
    given([opened()])
        .when(&report("2024-01-01"), &on("2024-01-01"))
        .then([reported(0, 0, 1.0)]);
}

#[test]
fn the_report_is_made_once_and_also_after_the_end() {
    let past = || [opened(), came("2024-01-01"), reported(1, 0, 1.0)];
    given(past())
        .when(&report("2024-01-09"), &on("2024-01-09"))
        .then_nothing();
    given([
        opened(),
        gap("2024-01-01", "2024-01-01", 1),
        closed("2024-01-02"),
    ])
    .when(&report("2024-01-09"), &on("2024-01-09"))
    .then([reported(0, 1, 0.0)]);
}
