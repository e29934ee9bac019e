//! The facts of a register.

use uuid::Uuid;

use crate::kernel::{Date, DomainEvent, PlacementIds};

/// Why a day counts as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbsenceCause {
    /// Nobody recorded anything of a working day.
    Gap,
    /// Somebody said so, with a reason.
    Reported,
}

/// What a register states.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The placement started.
    RegisterOpened {
        /// Whose.
        ids: PlacementIds,
        /// Whose internship it is.
        employer_id: Uuid,
        /// The first day that can be recorded.
        start_date: Date,
    },
    /// The student was there.
    ClockedIn {
        /// Whose.
        ids: PlacementIds,
        /// On this day.
        date: Date,
    },
    /// The student left, on a day clocked in.
    ClockedOut {
        /// Whose.
        ids: PlacementIds,
        /// On this day.
        date: Date,
    },
    /// The student was not there on `days` of the days from `date` to `to_date`.
    AbsenceRecorded {
        /// Whose.
        ids: PlacementIds,
        /// The first day of it.
        date: Date,
        /// The last day of it.
        to_date: Date,
        /// How many of them count: the working days of a gap, every day of a reported one.
        days: u32,
        /// How it became known.
        cause: AbsenceCause,
    },
    /// An admin corrected what was recorded of a day.
    AttendanceCorrected {
        /// Whose.
        ids: PlacementIds,
        /// The day.
        date: Date,
        /// What holds now.
        present: bool,
        /// Revision of the event that it corrects.
        corrects_revision: u64,
    },
    /// The placement is on hold since that day.
    RegisterFrozen {
        /// Whose.
        ids: PlacementIds,
        /// The day.
        date: Date,
    },
    /// The placement goes on.
    RegisterReopened {
        /// Whose.
        ids: PlacementIds,
        /// The day.
        date: Date,
    },
    /// The placement ended.
    RegisterClosed {
        /// Whose.
        ids: PlacementIds,
        /// The day.
        date: Date,
    },
    /// The figures that the final KPIs are made from.
    AttendanceReported {
        /// Whose.
        ids: PlacementIds,
        /// Days there.
        days_present: u32,
        /// Days not there.
        days_absent: u32,
        /// Days there by days recorded; 1 where none was recorded.
        attendance_rate: f64,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::RegisterOpened { .. } => "RegisterOpened",
            Self::ClockedIn { .. } => "ClockedIn",
            Self::ClockedOut { .. } => "ClockedOut",
            Self::AbsenceRecorded { .. } => "AbsenceRecorded",
            Self::AttendanceCorrected { .. } => "AttendanceCorrected",
            Self::RegisterFrozen { .. } => "RegisterFrozen",
            Self::RegisterReopened { .. } => "RegisterReopened",
            Self::RegisterClosed { .. } => "RegisterClosed",
            Self::AttendanceReported { .. } => "AttendanceReported",
        }
    }
}
