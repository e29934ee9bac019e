//! When a worklist says no, and what that is called.

use uuid::Uuid;

use super::state::Phase;
use crate::kernel::{Moment, Refusal, RefusalKind};

/// Why a worklist says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The worklist takes nothing.
    #[error("the worklist takes no entries: the placement is {}", spoken(*.0))]
    NotActive(Phase),
    /// It was due before it was assigned.
    #[error("a task assigned at {assigned_at} cannot be due at {due_at}")]
    Backdated {
        /// When it is assigned.
        assigned_at: Moment,
        /// When it would be due.
        due_at: Moment,
    },
    /// The id is taken.
    #[error("task {0} was assigned already")]
    TaskExists(Uuid),
    /// No such task here.
    #[error("there is no task {0} in this placement")]
    TaskUnknown(Uuid),
    /// The id is taken.
    #[error("submission {0} was handed in already")]
    SubmissionExists(Uuid),
    /// No such submission here.
    #[error("there is no submission {0} in this placement")]
    SubmissionUnknown(Uuid),
    /// A review is final.
    #[error("submission {0} was reviewed already")]
    SubmissionReviewed(Uuid),
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
            Self::NotActive(_) => "PLACEMENT_NOT_ACTIVE",
            Self::Backdated { .. } => "TASK_BACKDATED",
            Self::TaskExists(_) => "TASK_EXISTS",
            Self::TaskUnknown(_) => "TASK_UNKNOWN",
            Self::SubmissionExists(_) => "SUBMISSION_EXISTS",
            Self::SubmissionUnknown(_) => "SUBMISSION_UNKNOWN",
            Self::SubmissionReviewed(_) => "SUBMISSION_REVIEWED",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotActive(_) | Self::SubmissionReviewed(_) => RefusalKind::State,
            Self::Backdated { .. } => RefusalKind::Argument,
            Self::TaskExists(_) | Self::SubmissionExists(_) => RefusalKind::AlreadyExists,
            Self::TaskUnknown(_) | Self::SubmissionUnknown(_) => RefusalKind::NotFound,
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::NotActive(_) => "check the placement's id, and wait until it is active",
            Self::Backdated { .. } => "choose a due time that is still to come",
            Self::TaskExists(_) | Self::SubmissionExists(_) => {
                "choose a new id, or repeat the first request with its request_id"
            }
            Self::TaskUnknown(_) => "check the ids of the placement and the task",
            Self::SubmissionUnknown(_) => "check the ids of the placement and the submission",
            Self::SubmissionReviewed(_) => "review the next submission instead",
        }
    }
}
