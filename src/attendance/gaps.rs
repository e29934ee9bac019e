//! Working days that nothing was recorded of.

use super::spans::{is_working_day, working_days};
use super::state::Register;
use crate::kernel::Date;

/// A run of days, from a working day to a working day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// Its first day.
    pub(super) from: Date,
    /// Its last day.
    pub(super) to: Date,
    /// Its working days.
    pub(super) days: u32,
}

impl Gap {
    /// The run between two days, trimmed to working days; none where there are none.
    fn between(from: Date, to: Date) -> Option<Self> {
        let days = working_days(from, to);
        if days == 0 {
            return None;
        }
        let mut forward = std::iter::successors(Some(from), |day| day.next_day());
        let mut backward = std::iter::successors(Some(to), |day| day.previous_day());
        Some(Self {
            from: forward.find(|&day| is_working_day(day))?,
            to: backward.find(|&day| is_working_day(day))?,
            days,
        })
    }
}

impl Register {
    /// The gaps from the first unknown day to the day before `date`, outside the times on hold (whose first and last
    /// day may be recorded but need not).
    pub(super) fn gaps_before(&self, date: Date) -> Vec<Gap> {
        let (Some(mut from), Some(last)) = (self.unknown_from, date.previous_day()) else {
            return Vec::new();
        };
        let mut gaps = Vec::new();
        for &(held, until) in &self.holds {
            let before = held.previous_day().map(|day| day.min(last));
            gaps.extend(before.and_then(|to| Gap::between(from, to)));
            let Some(after) = until.and_then(Date::next_day) else {
                return gaps;
            };
            from = from.max(after);
        }
        gaps.extend(Gap::between(from, last));
        gaps
    }
}
