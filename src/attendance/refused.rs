//! When a register says no, and what that is called.

use super::state::Phase;
use crate::kernel::{Date, Refusal, RefusalKind};

/// Why a register says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The register does not take entries.
    #[error("the register takes no entries: the placement is {}", spoken(*.0))]
    NotActive(Phase),
    /// It did not take entries on that day.
    #[error("the placement was on hold on {0}")]
    OnHold(Date),
    /// Before the placement, or not yet.
    #[error("{date} is outside the placement: days from {first} to {last} can be recorded")]
    OutsidePlacement {
        /// The day asked for.
        date: Date,
        /// The placement's first.
        first: Date,
        /// Today.
        last: Date,
    },
    /// The day is recorded as absent.
    #[error("{0} is recorded as absent")]
    AbsenceRecorded(Date),
    /// The day is recorded as present.
    #[error("{0} is recorded as present")]
    PresenceRecorded(Date),
    /// Nobody can leave who did not come.
    #[error("{0} was not clocked in")]
    NotClockedIn(Date),
    /// The day already is as the correction says, or nothing was recorded of it.
    #[error("there is nothing to correct on {0}")]
    NothingToCorrect(Date),
    /// The command needs a reason.
    #[error("a reason is required")]
    ReasonRequired,
}

fn spoken(phase: Phase) -> &'static str {
    match phase {
        Phase::None => "not started",
        Phase::Open => "active",
        Phase::Frozen => "on hold",
        Phase::Closed => "ended",
    }
}

impl Refusal for Refused {
    fn reason(&self) -> &'static str {
        match self {
            Self::NotActive(_) | Self::OnHold(_) => "PLACEMENT_NOT_ACTIVE",
            Self::OutsidePlacement { .. } => "DATE_OUTSIDE_PLACEMENT",
            Self::AbsenceRecorded(_) => "ABSENCE_RECORDED",
            Self::PresenceRecorded(_) => "PRESENCE_RECORDED",
            Self::NotClockedIn(_) => "NOT_CLOCKED_IN",
            Self::NothingToCorrect(_) => "NOTHING_TO_CORRECT",
            Self::ReasonRequired => "REASON_REQUIRED",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::ReasonRequired => RefusalKind::Argument,
            Self::NotActive(_)
            | Self::OnHold(_)
            | Self::OutsidePlacement { .. }
            | Self::AbsenceRecorded(_)
            | Self::PresenceRecorded(_)
            | Self::NotClockedIn(_)
            | Self::NothingToCorrect(_) => RefusalKind::State,
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::NotActive(_) => "check the placement's id, and wait until it is active",
            Self::OnHold(_) => "record a day on which the placement was active",
            Self::OutsidePlacement { .. } => {
                "record a day of the placement that is not in the future"
            }
            Self::AbsenceRecorded(_) | Self::PresenceRecorded(_) => {
                "ask an admin to correct the day with CorrectAttendance"
            }
            Self::NotClockedIn(_) => "clock in first",
            Self::NothingToCorrect(_) => "correct a day that is recorded otherwise",
            Self::ReasonRequired => "say why",
        }
    }
}
