//! The register's rules as sentences, and the words that they are made of.

mod corrections;
mod days;
mod gaps;
mod phases;
mod totals;

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
