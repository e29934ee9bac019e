//! The facts of a worklist.

use uuid::Uuid;

use super::state::Score;
use crate::kernel::{Date, DomainEvent, Moment, PlacementIds};

/// What kind of reference an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtifactKind {
    /// An http(s) URL.
    Link,
    /// The SHA-256 of a file, 64 hexadecimal digits.
    Sha256,
}

/// A reference to work; never the work itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// What kind.
    pub kind: ArtifactKind,
    /// The URL or the digest.
    pub reference: String,
    /// A name to show.
    pub name: String,
}

/// What the employer says of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The work is accepted.
    Accepted,
    /// The student should submit again.
    NeedsRevision,
}

/// The figures of a worklist.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
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
    /// Mean over the reviewed tasks of the last review's score; 0 where none was reviewed.
    pub mean_score: f64,
}

/// What a worklist states.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The placement started.
    WorklistOpened {
        /// Whose.
        ids: PlacementIds,
        /// Whose internship it is.
        employer_id: Uuid,
        /// The placement's first day.
        start_date: Date,
    },
    /// The employer assigned a task.
    TaskAssigned {
        /// Whose.
        ids: PlacementIds,
        /// Which.
        task_id: Uuid,
        /// What is to be done.
        title: String,
        /// In detail.
        description: String,
        /// Work handed in after this is late.
        due_at: Moment,
        /// Completion of the placement depends on it.
        mandatory: bool,
    },
    /// The student handed work in.
    WorkSubmitted {
        /// Whose.
        ids: PlacementIds,
        /// For which task.
        task_id: Uuid,
        /// Which submission.
        submission_id: Uuid,
        /// What was handed in.
        artifacts: Vec<Artifact>,
        /// It came after the task was due.
        late: bool,
        /// It is the first for its task.
        first: bool,
        /// What the student says of it: personal.
        comment: String,
    },
    /// The employer reviewed a submission.
    SubmissionReviewed {
        /// Whose.
        ids: PlacementIds,
        /// For which task.
        task_id: Uuid,
        /// Which submission.
        submission_id: Uuid,
        /// Accepted, or not yet.
        verdict: Verdict,
        /// How good.
        score: Score,
        /// What the employer says of it: personal.
        feedback: String,
    },
    /// The placement is on hold.
    WorklistFrozen {
        /// Whose.
        ids: PlacementIds,
    },
    /// The placement goes on.
    WorklistReopened {
        /// Whose.
        ids: PlacementIds,
    },
    /// The placement ended.
    WorklistClosed {
        /// Whose.
        ids: PlacementIds,
    },
    /// The figures that the final KPIs are made from.
    WorkReported {
        /// Whose.
        ids: PlacementIds,
        /// What was counted.
        figures: WorkFigures,
    },
    /// After the report: the mandatory tasks are not what was reported.
    MandatoryTasksProgressed {
        /// Whose.
        ids: PlacementIds,
        /// Mandatory tasks assigned.
        mandatory_assigned: u32,
        /// Of those, with a submission.
        mandatory_submitted: u32,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::WorklistOpened { .. } => "WorklistOpened",
            Self::TaskAssigned { .. } => "TaskAssigned",
            Self::WorkSubmitted { .. } => "WorkSubmitted",
            Self::SubmissionReviewed { .. } => "SubmissionReviewed",
            Self::WorklistFrozen { .. } => "WorklistFrozen",
            Self::WorklistReopened { .. } => "WorklistReopened",
            Self::WorklistClosed { .. } => "WorklistClosed",
            Self::WorkReported { .. } => "WorkReported",
            Self::MandatoryTasksProgressed { .. } => "MandatoryTasksProgressed",
        }
    }
}
