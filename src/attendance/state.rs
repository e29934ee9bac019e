//! The state of a register.

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::events::{AbsenceCause, Event};
use super::spans::{Span, Spans};
use crate::kernel::{Date, PlacementIds, day};

/// Where a register stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// No placement started it.
    #[default]
    None,
    /// It takes entries.
    Open,
    /// The placement is on hold.
    Frozen,
    /// The placement ended.
    Closed,
}

/// What holds for a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// There; and whether the leaving was recorded too.
    Present {
        /// Clocked out.
        left: bool,
    },
    /// Not there.
    Absent(AbsenceCause),
    /// What an admin said.
    Corrected {
        /// There or not.
        present: bool,
        /// Clocked out.
        left: bool,
    },
}

impl Mark {
    /// Whether the student was there.
    #[must_use]
    pub const fn is_present(self) -> bool {
        match self {
            Self::Present { .. } => true,
            Self::Absent(_) => false,
            Self::Corrected { present, .. } => present,
        }
    }

    /// Whether the leaving was recorded.
    #[must_use]
    pub const fn has_left(self) -> bool {
        match self {
            Self::Present { left } | Self::Corrected { left, .. } => left,
            Self::Absent(_) => false,
        }
    }

    const fn leaving(self) -> Self {
        match self {
            Self::Present { .. } => Self::Present { left: true },
            Self::Corrected { present, .. } => Self::Corrected {
                present,
                left: true,
            },
            Self::Absent(_) => self,
        }
    }
}

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match (self, self.is_present(), self.has_left()) {
            (_, true, false) => "PRESENT",
            (_, true, true) => "PRESENT_AND_LEFT",
            (Self::Absent(AbsenceCause::Gap), ..) => "ABSENT_GAP",
            (Self::Absent(AbsenceCause::Reported), ..) => "ABSENT_REPORTED",
            (Self::Present { .. } | Self::Corrected { .. }, ..) => "ABSENT_CORRECTED",
        })
    }
}

/// The register of one placement.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Register {
    /// Where it stands.
    pub(super) phase: Phase,
    /// Whose it is.
    #[serde(flatten)]
    pub(super) ids: PlacementIds,
    /// Whose internship it is.
    pub(super) employer_id: Uuid,
    /// The first day that can be recorded.
    #[serde(serialize_with = "day::serialize_optional")]
    pub(super) start_date: Option<Date>,
    /// Every day that something was recorded of.
    pub(super) days: Spans,
    /// The first day that nothing is known of yet, nor of any day after it.
    #[serde(serialize_with = "day::serialize_optional")]
    pub(super) unknown_from: Option<Date>,
    /// Times on hold, oldest first; the last one has no end while it lasts.
    #[serde(serialize_with = "holds")]
    pub(super) holds: Vec<(Date, Option<Date>)>,
    /// The final figures were reported.
    pub(super) reported: bool,
    /// How many events it has seen: the next one's revision.
    pub(super) events: u64,
}

impl Register {
    /// Days there.
    #[must_use]
    pub const fn days_present(&self) -> u32 {
        self.days.present()
    }

    /// Days not there.
    #[must_use]
    pub const fn days_absent(&self) -> u32 {
        self.days.absent()
    }

    pub(super) fn apply(&mut self, event: &Event) {
        let revision = self.events;
        self.events += 1;
        match event {
            Event::RegisterOpened {
                ids,
                employer_id,
                start_date,
            } => {
                self.phase = Phase::Open;
                self.ids = *ids;
                self.employer_id = *employer_id;
                self.start_date = Some(*start_date);
                self.unknown_from = Some(*start_date);
            }
            Event::ClockedIn { date, .. } => {
                self.mark(*date, *date, Mark::Present { left: false }, revision);
            }
            Event::ClockedOut { date, .. } => self.leave(*date),
            Event::AbsenceRecorded {
                date,
                to_date,
                cause,
                ..
            } => self.mark(*date, *to_date, Mark::Absent(*cause), revision),
            Event::AttendanceCorrected { date, present, .. } => {
                let left = *present && self.days.on(*date).is_some_and(|old| old.mark.has_left());
                let present = *present;
                self.mark(*date, *date, Mark::Corrected { present, left }, revision);
            }
            Event::RegisterFrozen { date, .. } => {
                self.phase = Phase::Frozen;
                self.holds.push((*date, None));
            }
            Event::RegisterReopened { date, .. } => {
                self.phase = Phase::Open;
                if let Some((_, until)) = self.holds.last_mut() {
                    *until = Some(*date);
                }
            }
            Event::RegisterClosed { .. } => self.phase = Phase::Closed,
            Event::AttendanceReported { .. } => self.reported = true,
        }
    }

    fn mark(&mut self, from: Date, to: Date, mark: Mark, revision: u64) {
        self.days.record(Span {
            from,
            to,
            mark,
            revision,
        });
        self.unknown_from = self.unknown_from.max(to.next_day());
    }

    fn leave(&mut self, date: Date) {
        if let Some(day) = self.days.on(date) {
            self.days.record(Span {
                mark: day.mark.leaving(),
                ..day
            });
        }
    }
}

fn holds<S: Serializer>(holds: &[(Date, Option<Date>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(
        holds
            .iter()
            .map(|(from, to)| (from.to_string(), to.map(|date| date.to_string()))),
    )
}
