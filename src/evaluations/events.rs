//! The facts of an evaluation.

use serde::Serialize;
use uuid::Uuid;

use crate::kernel::{Date, DomainEvent, Figures, PlacementIds, Ratings};

/// What the register reported.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AttendanceFigures {
    /// Days there.
    pub days_present: u32,
    /// Days not there.
    pub days_absent: u32,
    /// Days there by days recorded.
    pub attendance_rate: f64,
}

/// What the worklist reported.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WorkFigures {
    /// Tasks assigned.
    pub tasks_assigned: u32,
    /// Of those, with a submission.
    pub tasks_submitted: u32,
    /// Of those, whose first submission was not late.
    pub tasks_on_time: u32,
    /// Mandatory tasks assigned.
    pub mandatory_assigned: u32,
    /// Of those, with a submission.
    pub mandatory_submitted: u32,
    /// Mean over the reviewed tasks of the last review's score.
    pub mean_score: f64,
}

/// What an evaluation states.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The placement started.
    EvaluationOpened {
        /// Whose.
        ids: PlacementIds,
        /// Who evaluates.
        employer_id: Uuid,
        /// The placement's first day.
        start_date: Date,
        /// Days from the first day after which it can be evaluated.
        minimum_days: u32,
    },
    /// The employer evaluated, finally.
    EvaluationRecorded {
        /// Whose.
        ids: PlacementIds,
        /// Every category's rating.
        ratings: Ratings,
        /// Their mean.
        mean_rating: f64,
        /// In words: personal.
        comments: String,
    },
    /// The register reported.
    AttendanceNoted {
        /// Whose.
        ids: PlacementIds,
        /// What.
        figures: AttendanceFigures,
    },
    /// The worklist reported.
    WorkNoted {
        /// Whose.
        ids: PlacementIds,
        /// What.
        figures: WorkFigures,
    },
    /// The final figures of the placement.
    KpisFinalised {
        /// Whose.
        ids: PlacementIds,
        /// The five KPIs.
        figures: Figures,
        /// Mandatory tasks assigned.
        mandatory_assigned: u32,
        /// Of those, with a submission.
        mandatory_submitted: u32,
        /// Every category's rating.
        ratings: Ratings,
    },
    /// The placement is on hold.
    EvaluationFrozen {
        /// Whose.
        ids: PlacementIds,
    },
    /// The placement goes on.
    EvaluationReopened {
        /// Whose.
        ids: PlacementIds,
    },
    /// The placement ended.
    EvaluationClosed {
        /// Whose.
        ids: PlacementIds,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::EvaluationOpened { .. } => "EvaluationOpened",
            Self::EvaluationRecorded { .. } => "EvaluationRecorded",
            Self::AttendanceNoted { .. } => "AttendanceNoted",
            Self::WorkNoted { .. } => "WorkNoted",
            Self::KpisFinalised { .. } => "KpisFinalised",
            Self::EvaluationFrozen { .. } => "EvaluationFrozen",
            Self::EvaluationReopened { .. } => "EvaluationReopened",
            Self::EvaluationClosed { .. } => "EvaluationClosed",
        }
    }
}
