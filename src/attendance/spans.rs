//! The days of a register as spans: a gap of a year is one entry, so a register of many years stays small.
//!
//! Spans never overlap. A gap may cover weekends, which do not count and can still be clocked in.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::events::AbsenceCause;
use super::state::Mark;
use crate::kernel::{Date, day};

/// What was recorded of the days from `from` to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Span {
    /// The first day.
    #[serde(with = "day")]
    pub(super) from: Date,
    /// The last day.
    #[serde(with = "day")]
    pub(super) to: Date,
    /// What holds.
    pub(super) mark: Mark,
    /// Revision of the event that said so.
    pub(super) revision: u64,
}

impl Span {
    /// How many of its days count.
    pub(super) fn days(&self) -> u32 {
        match self.mark {
            Mark::Absent(AbsenceCause::Gap) => working_days(self.from, self.to),
            Mark::Present { .. }
            | Mark::Absent(AbsenceCause::Reported)
            | Mark::Corrected { .. } => days_between(self.from, self.to),
        }
    }

    fn counts(&self, date: Date) -> bool {
        self.mark != Mark::Absent(AbsenceCause::Gap) || is_working_day(date)
    }
}

/// Spans by their first day, and how many days they count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spans {
    by_first_day: BTreeMap<Date, Span>,
    present: u32,
    absent: u32,
}

impl Spans {
    /// What was recorded of `date`, if it counts.
    pub(super) fn on(&self, date: Date) -> Option<Span> {
        self.covering(date).filter(|span| span.counts(date))
    }

    /// Days there.
    pub(super) const fn present(&self) -> u32 {
        self.present
    }

    /// Days not there.
    pub(super) const fn absent(&self) -> u32 {
        self.absent
    }

    /// Records `span`; what it covers gives way.
    pub(super) fn record(&mut self, span: Span) {
        // Registers are kept day by day: mostly another day follows, or the last one is said more of.
        match self.by_first_day.values().next_back().copied() {
            Some(last) if (last.from, last.to) == (span.from, span.to) => {
                *self.total(last.mark) -= last.days();
                return self.insert(span);
            }
            Some(last) if last.to >= span.from => {}
            _ => return self.insert(span),
        }
        while let Some(old) = self.overlapping(span) {
            self.remove(old);
            if let Some(before) = span.from.previous_day().filter(|&day| old.from <= day) {
                self.insert(Span { to: before, ..old });
            }
            if let Some(after) = span.to.next_day().filter(|&day| day <= old.to) {
                self.insert(Span { from: after, ..old });
            }
        }
        self.insert(span);
    }

    fn covering(&self, date: Date) -> Option<Span> {
        let (_, span) = self.by_first_day.range(..=date).next_back()?;
        (date <= span.to).then_some(*span)
    }

    fn overlapping(&self, span: Span) -> Option<Span> {
        let (_, old) = self.by_first_day.range(..=span.to).next_back()?;
        (span.from <= old.to).then_some(*old)
    }

    fn insert(&mut self, span: Span) {
        *self.total(span.mark) += span.days();
        self.by_first_day.insert(span.from, span);
    }

    fn remove(&mut self, span: Span) {
        *self.total(span.mark) -= span.days();
        self.by_first_day.remove(&span.from);
    }

    fn total(&mut self, mark: Mark) -> &mut u32 {
        if mark.is_present() {
            &mut self.present
        } else {
            &mut self.absent
        }
    }
}

impl Serialize for Spans {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.by_first_day.values())
    }
}

/// Days from `from` to `to`, both included; 0 where `to` lies before.
pub(super) fn days_between(from: Date, to: Date) -> u32 {
    u32::try_from(to.to_julian_day() - from.to_julian_day() + 1).unwrap_or(0)
}

/// Monday to Friday.
pub(super) fn is_working_day(date: Date) -> bool {
    date.weekday().number_days_from_monday() < WORKING_DAYS
}

/// Working days of a week.
const WORKING_DAYS: u8 = 5;

/// Working days from `from` to `to`, both included, without walking them.
pub(super) fn working_days(from: Date, to: Date) -> u32 {
    let days = days_between(from, to);
    let (weeks, rest) = (days / 7, days % 7);
    let first = u32::from(from.weekday().number_days_from_monday());
    let in_rest = (first..first + rest).filter(|day| day % 7 < u32::from(WORKING_DAYS));
    weeks * u32::from(WORKING_DAYS) + u32::try_from(in_rest.count()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::Duration;

    use super::*;

    const DAYS: i64 = 40;

    fn date(day: i64) -> Date {
        // A Wednesday: weekends lie in the middle.
        Date::from_julian_day(2_460_000).unwrap() + Duration::days(day)
    }

    fn marks() -> impl Strategy<Value = Mark> {
        prop_oneof![
            any::<bool>().prop_map(|left| Mark::Present { left }),
            Just(Mark::Absent(AbsenceCause::Gap)),
            Just(Mark::Absent(AbsenceCause::Reported)),
            any::<(bool, bool)>().prop_map(|(present, left)| Mark::Corrected { present, left }),
        ]
    }

    /// Mostly a day after the other, some of them twice, and now and then anything.
    fn recorded() -> impl Strategy<Value = Vec<(i64, i64, Mark)>> {
        let next = (0..2_i64, Just(1), marks());
        let any = (-DAYS..DAYS, 1..9_i64, marks());
        prop::collection::vec(prop_oneof![4 => next, 1 => any], 0..60)
    }

    proptest! {
        #[test]
        fn spans_say_what_was_recorded_last_of_every_day(recorded in recorded()) {
            let mut spans = Spans::default();
            let mut oracle = vec![None; usize::try_from(DAYS).unwrap()];
            let mut day = 0;
            for (revision, (step, length, mark)) in (0..).zip(recorded) {
                day = (day + step).clamp(0, DAYS - 1);
                let last = (day + length - 1).min(DAYS - 1);
                spans.record(Span { from: date(day), to: date(last), mark, revision });
                for day in day..=last {
                    oracle[usize::try_from(day).unwrap()] = Some((mark, revision));
                }
                let (mut present, mut absent) = (0, 0);
                for (day, expected) in (0..).zip(&oracle) {
                    let said = spans.covering(date(day)).map(|span| (span.mark, span.revision));
                    prop_assert_eq!(said, *expected);
                    match spans.on(date(day)) {
                        Some(span) if span.mark.is_present() => present += 1,
                        Some(_) => absent += 1,
                        None => {}
                    }
                }
                prop_assert_eq!((spans.present(), spans.absent()), (present, absent));
            }
        }
    }
}
