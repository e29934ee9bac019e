//! The register's rules as sentences.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::kernel::given::{self, Given, because, context};
use crate::kernel::{
    Aggregate as _, Context, Date, Moment, PlacementIds, Role, golden, parse_date,
};

const IDS: PlacementIds = PlacementIds {
    placement_id: Uuid::from_u128(10),
    student_id: Uuid::from_u128(11),
    internship_id: Uuid::from_u128(12),
};

fn day(text: &str) -> Date {
    parse_date(text).unwrap()
}

fn given(past: impl IntoIterator<Item = Event>) -> Given<Register> {
    given::given(past)
}

/// The placement starts on Monday, 2024-01-01.
fn opened() -> Event {
    Event::RegisterOpened {
        ids: IDS,
        employer_id: Uuid::from_u128(13),
        start_date: day("2024-01-01"),
    }
}

fn came(date: &str) -> Event {
    Event::ClockedIn {
        ids: IDS,
        date: day(date),
    }
}

fn left(date: &str) -> Event {
    Event::ClockedOut {
        ids: IDS,
        date: day(date),
    }
}

fn gap(date: &str, to_date: &str, days: u32) -> Event {
    Event::AbsenceRecorded {
        ids: IDS,
        date: day(date),
        to_date: day(to_date),
        days,
        cause: AbsenceCause::Gap,
    }
}

fn away(date: &str) -> Event {
    Event::AbsenceRecorded {
        ids: IDS,
        date: day(date),
        to_date: day(date),
        days: 1,
        cause: AbsenceCause::Reported,
    }
}

fn corrected(date: &str, present: bool, corrects_revision: u64) -> Event {
    Event::AttendanceCorrected {
        ids: IDS,
        date: day(date),
        present,
        corrects_revision,
    }
}

fn frozen(date: &str) -> Event {
    Event::RegisterFrozen {
        ids: IDS,
        date: day(date),
    }
}

fn reopened(date: &str) -> Event {
    Event::RegisterReopened {
        ids: IDS,
        date: day(date),
    }
}

fn closed(date: &str) -> Event {
    Event::RegisterClosed {
        ids: IDS,
        date: day(date),
    }
}

fn reported(days_present: u32, days_absent: u32, attendance_rate: f64) -> Event {
    Event::AttendanceReported {
        ids: IDS,
        days_present,
        days_absent,
        attendance_rate,
    }
}

fn clock_in(date: &str) -> Command {
    Command::ClockIn { date: day(date) }
}

fn clock_out(date: &str) -> Command {
    Command::ClockOut { date: day(date) }
}

fn absent(date: &str) -> Command {
    Command::RecordAbsence { date: day(date) }
}

fn correct(date: &str, present: bool) -> Command {
    Command::CorrectAttendance {
        date: day(date),
        present,
    }
}

fn report(as_of: &str) -> Command {
    Command::ReportAttendance { as_of: day(as_of) }
}

fn on(date: &str) -> Context {
    context(Role::Student, &format!("{date}T09:00:00Z"))
}

fn on_with_reason(date: &str) -> Context {
    because("the train was cancelled", &on(date))
}

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

#[test]
fn the_stored_events_are_read_as_they_were_written() {
    golden::holds::<Register>();
}

#[test]
fn the_state_reads_as_json() {
    let state = given([
        opened(),
        gap("2024-01-01", "2024-01-02", 2),
        came("2024-01-03"),
    ])
    .state();
    let json = serde_json::to_value(&state).unwrap();
    assert_eq!(json["phase"], "OPEN");
    assert_eq!(json["start_date"], "2024-01-01");
    assert_eq!(
        json["days"][0],
        serde_json::json!({"from": "2024-01-01", "to": "2024-01-02", "mark": "ABSENT_GAP", "revision": 1})
    );
}

/// What may be asked, on days around a placement of some weeks.
fn any_command() -> impl Strategy<Value = (Command, i64)> {
    let date = (0..60_i64).prop_map(|offset| day("2023-12-25") + time::Duration::days(offset));
    let command = (date, any::<bool>(), 0..9_u8).prop_map(|(date, present, kind)| match kind {
        0..=2 => Command::ClockIn { date },
        3 => Command::ClockOut { date },
        4 => Command::RecordAbsence { date },
        5 => Command::CorrectAttendance { date, present },
        6 => Command::FreezeRegister,
        7 => Command::ReopenRegister,
        _ => Command::ReportAttendance { as_of: date },
    });
    (command, 0..3_i64)
}

proptest! {
    /// Guards against a day that counts twice, or both ways, or for nothing.
    #[test]
    fn every_day_counts_at_most_once_and_the_totals_are_those_of_the_events(
        commands in prop::collection::vec(any_command(), 1..60)
    ) {
        let mut register = Register::default();
        register.evolve(&opened());
        let mut days = std::collections::BTreeMap::<Date, bool>::new();
        let mut today = day("2024-01-01");
        for (command, later) in commands {
            today += time::Duration::days(later);
            let context = on_with_reason(&today.to_string());
            for event in register.decide(&command, &context).unwrap_or_default() {
                match &event {
                    Event::ClockedIn { date, .. } => prop_assert_eq!(days.insert(*date, true), None),
                    Event::AbsenceRecorded { date, to_date, days: count, cause, .. } => {
                        let mut counted = 0;
                        for offset in 0..=(*to_date - *date).whole_days() {
                            let date = *date + time::Duration::days(offset);
                            let weekend = date.weekday().number_days_from_monday() > 4;
                            if *cause == AbsenceCause::Gap && weekend {
                                continue;
                            }
                            counted += 1;
                            prop_assert_eq!(days.insert(date, false), None);
                        }
                        prop_assert_eq!(*count, counted);
                    }
                    Event::AttendanceCorrected { date, present, .. } => {
                        prop_assert_eq!(days.insert(*date, *present), Some(!present));
                    }
                    Event::RegisterOpened { .. }
                    | Event::ClockedOut { .. }
                    | Event::RegisterFrozen { .. }
                    | Event::RegisterReopened { .. }
                    | Event::RegisterClosed { .. }
                    | Event::AttendanceReported { .. } => {}
                }
                register.evolve(&event);
            }
            let present = days.values().filter(|there| **there).count();
            prop_assert_eq!(register.days_present() as usize, present);
            prop_assert_eq!(register.days_absent() as usize, days.len() - present);
            for date in days.keys() {
                prop_assert!(day("2024-01-01") <= *date && *date <= today.max(day("2024-02-22")));
            }
        }
    }
}
