//! The stored form of the worklist's events. Every struct here is version 1 and may never change.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::events::{Artifact, ArtifactKind, Event, Verdict, WorkFigures};
use super::state::{Score, Worklist};
use crate::kernel::{
    Date, DomainEvent as _, EventShape, Moment, PlacementIds, Stored, WireError, day, read_json,
    write_json,
};

/// The only version so far, of every type.
const V1: u32 = 1;

#[derive(Serialize, Deserialize)]
struct WorklistOpenedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    employer_id: Uuid,
    #[serde(with = "day")]
    start_date: Date,
}

#[derive(Serialize, Deserialize)]
struct TaskAssignedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    task_id: Uuid,
    title: String,
    description: String,
    due_at: Moment,
    mandatory: bool,
}

#[derive(Serialize, Deserialize)]
struct WorkSubmittedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    task_id: Uuid,
    submission_id: Uuid,
    artifacts: Vec<ArtifactV1>,
    late: bool,
    first: bool,
    personal: CommentV1,
}

#[derive(Serialize, Deserialize)]
struct ArtifactV1 {
    kind: ArtifactKindV1,
    reference: String,
    name: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum ArtifactKindV1 {
    #[serde(rename = "LINK")]
    Link,
    #[serde(rename = "SHA256")]
    Sha256,
}

#[derive(Serialize, Deserialize)]
struct CommentV1 {
    comment: String,
}

#[derive(Serialize, Deserialize)]
struct SubmissionReviewedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    task_id: Uuid,
    submission_id: Uuid,
    verdict: VerdictV1,
    score: u32,
    personal: FeedbackV1,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum VerdictV1 {
    Accepted,
    NeedsRevision,
}

#[derive(Serialize, Deserialize)]
struct FeedbackV1 {
    feedback: String,
}

#[derive(Serialize, Deserialize)]
struct WorkReportedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    tasks_assigned: u32,
    tasks_submitted: u32,
    tasks_on_time: u32,
    mandatory_assigned: u32,
    mandatory_submitted: u32,
    mean_score: f64,
}

#[derive(Serialize, Deserialize)]
struct MandatoryTasksProgressedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    mandatory_assigned: u32,
    mandatory_submitted: u32,
}

impl Stored for Worklist {
    #[rustfmt::skip]
    const SHAPES: &'static [EventShape] = &[
        EventShape::of("WorklistOpened",
            &["placement_id", "student_id", "internship_id", "employer_id", "start_date"], &[]),
        EventShape::of("TaskAssigned",
            &["placement_id", "student_id", "internship_id", "task_id", "title", "description", "due_at", "mandatory"], &[]),
        EventShape::of("WorkSubmitted",
            &["placement_id", "student_id", "internship_id", "task_id", "submission_id", "artifacts", "late", "first"], &["comment"]),
        EventShape::of("SubmissionReviewed",
            &["placement_id", "student_id", "internship_id", "task_id", "submission_id", "verdict", "score"], &["feedback"]),
        EventShape::of("WorklistFrozen", PlacementIds::FIELDS, &[]),
        EventShape::of("WorklistReopened", PlacementIds::FIELDS, &[]),
        EventShape::of("WorklistClosed", PlacementIds::FIELDS, &[]),
        EventShape::of("WorkReported",
            &["placement_id", "student_id", "internship_id", "tasks_assigned", "tasks_submitted", "tasks_on_time",
              "mandatory_assigned", "mandatory_submitted", "mean_score"], &[]),
        EventShape::of("MandatoryTasksProgressed",
            &["placement_id", "student_id", "internship_id", "mandatory_assigned", "mandatory_submitted"], &[]),
    ];

    fn encode(event: &Event) -> Result<(u32, Vec<u8>), WireError> {
        let name = event.event_type();
        match event.clone() {
            Event::WorklistOpened {
                ids,
                employer_id,
                start_date,
            } => write_json(
                name,
                V1,
                &WorklistOpenedV1 {
                    ids,
                    employer_id,
                    start_date,
                },
            ),
            Event::TaskAssigned {
                ids,
                task_id,
                title,
                description,
                due_at,
                mandatory,
            } => write_json(
                name,
                V1,
                &TaskAssignedV1 {
                    ids,
                    task_id,
                    title,
                    description,
                    due_at,
                    mandatory,
                },
            ),
            Event::WorkSubmitted {
                ids,
                task_id,
                submission_id,
                artifacts,
                late,
                first,
                comment,
            } => write_json(
                name,
                V1,
                &WorkSubmittedV1 {
                    ids,
                    task_id,
                    submission_id,
                    artifacts: artifacts.into_iter().map(Into::into).collect(),
                    late,
                    first,
                    personal: CommentV1 { comment },
                },
            ),
            Event::SubmissionReviewed {
                ids,
                task_id,
                submission_id,
                verdict,
                score,
                feedback,
            } => write_json(
                name,
                V1,
                &SubmissionReviewedV1 {
                    ids,
                    task_id,
                    submission_id,
                    verdict: match verdict {
                        Verdict::Accepted => VerdictV1::Accepted,
                        Verdict::NeedsRevision => VerdictV1::NeedsRevision,
                    },
                    score: u32::from(score.get()),
                    personal: FeedbackV1 { feedback },
                },
            ),
            Event::WorklistFrozen { ids }
            | Event::WorklistReopened { ids }
            | Event::WorklistClosed { ids } => write_json(name, V1, &ids),
            Event::WorkReported { ids, figures } => {
                write_json(name, V1, &WorkReportedV1::new(ids, figures))
            }
            Event::MandatoryTasksProgressed {
                ids,
                mandatory_assigned,
                mandatory_submitted,
            } => write_json(
                name,
                V1,
                &MandatoryTasksProgressedV1 {
                    ids,
                    mandatory_assigned,
                    mandatory_submitted,
                },
            ),
        }
    }

    fn decode(event_type: &str, schema_version: u32, data: &[u8]) -> Result<Event, WireError> {
        WireError::refuse_newer(event_type, schema_version, V1)?;
        let ids = || read_json::<PlacementIds>(event_type, data);
        match event_type {
            "WorklistOpened" => read_json::<WorklistOpenedV1>(event_type, data).map(Into::into),
            "TaskAssigned" => read_json::<TaskAssignedV1>(event_type, data).map(Into::into),
            "WorkSubmitted" => read_json::<WorkSubmittedV1>(event_type, data).map(Into::into),
            "SubmissionReviewed" => read_json::<SubmissionReviewedV1>(event_type, data)?.try_into(),
            "WorklistFrozen" => Ok(Event::WorklistFrozen { ids: ids()? }),
            "WorklistReopened" => Ok(Event::WorklistReopened { ids: ids()? }),
            "WorklistClosed" => Ok(Event::WorklistClosed { ids: ids()? }),
            "WorkReported" => read_json::<WorkReportedV1>(event_type, data).map(Into::into),
            "MandatoryTasksProgressed" => {
                read_json::<MandatoryTasksProgressedV1>(event_type, data).map(Into::into)
            }
            unknown => Err(WireError::UnknownType(unknown.to_owned())),
        }
    }
}

impl WorkReportedV1 {
    const fn new(ids: PlacementIds, figures: WorkFigures) -> Self {
        Self {
            ids,
            tasks_assigned: figures.tasks_assigned,
            tasks_submitted: figures.tasks_submitted,
            tasks_on_time: figures.tasks_on_time,
            mandatory_assigned: figures.mandatory_assigned,
            mandatory_submitted: figures.mandatory_submitted,
            mean_score: figures.mean_score,
        }
    }
}

impl From<Artifact> for ArtifactV1 {
    fn from(artifact: Artifact) -> Self {
        Self {
            kind: match artifact.kind {
                ArtifactKind::Link => ArtifactKindV1::Link,
                ArtifactKind::Sha256 => ArtifactKindV1::Sha256,
            },
            reference: artifact.reference,
            name: artifact.name,
        }
    }
}

impl From<ArtifactV1> for Artifact {
    fn from(stored: ArtifactV1) -> Self {
        Self {
            kind: match stored.kind {
                ArtifactKindV1::Link => ArtifactKind::Link,
                ArtifactKindV1::Sha256 => ArtifactKind::Sha256,
            },
            reference: stored.reference,
            name: stored.name,
        }
    }
}

impl From<WorklistOpenedV1> for Event {
    fn from(stored: WorklistOpenedV1) -> Self {
        Self::WorklistOpened {
            ids: stored.ids,
            employer_id: stored.employer_id,
            start_date: stored.start_date,
        }
    }
}

impl From<TaskAssignedV1> for Event {
    fn from(stored: TaskAssignedV1) -> Self {
        Self::TaskAssigned {
            ids: stored.ids,
            task_id: stored.task_id,
            title: stored.title,
            description: stored.description,
            due_at: stored.due_at,
            mandatory: stored.mandatory,
        }
    }
}

impl From<WorkSubmittedV1> for Event {
    fn from(stored: WorkSubmittedV1) -> Self {
        Self::WorkSubmitted {
            ids: stored.ids,
            task_id: stored.task_id,
            submission_id: stored.submission_id,
            artifacts: stored.artifacts.into_iter().map(Into::into).collect(),
            late: stored.late,
            first: stored.first,
            comment: stored.personal.comment,
        }
    }
}

impl TryFrom<SubmissionReviewedV1> for Event {
    type Error = WireError;

    fn try_from(stored: SubmissionReviewedV1) -> Result<Self, WireError> {
        let score = Score::new(stored.score).ok_or_else(|| WireError::Malformed {
            event_type: "SubmissionReviewed".to_owned(),
            problem: format!("score {} is above {}", stored.score, Score::MAX),
        })?;
        Ok(Self::SubmissionReviewed {
            ids: stored.ids,
            task_id: stored.task_id,
            submission_id: stored.submission_id,
            verdict: match stored.verdict {
                VerdictV1::Accepted => Verdict::Accepted,
                VerdictV1::NeedsRevision => Verdict::NeedsRevision,
            },
            score,
            feedback: stored.personal.feedback,
        })
    }
}

impl From<WorkReportedV1> for Event {
    fn from(stored: WorkReportedV1) -> Self {
        Self::WorkReported {
            ids: stored.ids,
            figures: WorkFigures {
                tasks_assigned: stored.tasks_assigned,
                tasks_submitted: stored.tasks_submitted,
                tasks_on_time: stored.tasks_on_time,
                mandatory_assigned: stored.mandatory_assigned,
                mandatory_submitted: stored.mandatory_submitted,
                mean_score: stored.mean_score,
            },
        }
    }
}

impl From<MandatoryTasksProgressedV1> for Event {
    fn from(stored: MandatoryTasksProgressedV1) -> Self {
        Self::MandatoryTasksProgressed {
            ids: stored.ids,
            mandatory_assigned: stored.mandatory_assigned,
            mandatory_submitted: stored.mandatory_submitted,
        }
    }
}
