//! Whatever is asked, the totals are those of the days.

use proptest::prelude::*;

use super::*;

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
