//! The stored form of the evaluation's events. Every struct here is version 1 and may never change.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::events::{AttendanceFigures, Event, WorkFigures};
use super::state::Evaluation;
use crate::kernel::{
    Date, DomainEvent as _, EventShape, Figures, PlacementIds, Ratings, Stored, WireError, day,
    read_json, write_json,
};

/// The only version so far, of every type.
const V1: u32 = 1;

#[derive(Serialize, Deserialize)]
struct EvaluationOpenedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    employer_id: Uuid,
    #[serde(with = "day")]
    start_date: Date,
    minimum_days: u32,
}

#[derive(Serialize, Deserialize)]
struct EvaluationRecordedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    ratings: Ratings,
    mean_rating: f64,
    personal: CommentsV1,
}

#[derive(Serialize, Deserialize)]
struct CommentsV1 {
    comments: String,
}

#[derive(Serialize, Deserialize)]
struct AttendanceNotedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    days_present: u32,
    days_absent: u32,
    attendance_rate: f64,
}

#[derive(Serialize, Deserialize)]
struct WorkNotedV1 {
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
struct KpisFinalisedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    #[serde(flatten)]
    figures: Figures,
    mandatory_assigned: u32,
    mandatory_submitted: u32,
    ratings: Ratings,
}

impl Stored for Evaluation {
    #[rustfmt::skip]
    const SHAPES: &'static [EventShape] = &[
        EventShape::of("EvaluationOpened",
            &["placement_id", "student_id", "internship_id", "employer_id", "start_date", "minimum_days"], &[]),
        EventShape::of("EvaluationRecorded",
            &["placement_id", "student_id", "internship_id", "ratings", "mean_rating"], &["comments"]),
        EventShape::of("AttendanceNoted",
            &["placement_id", "student_id", "internship_id", "days_present", "days_absent", "attendance_rate"], &[]),
        EventShape::of("WorkNoted",
            &["placement_id", "student_id", "internship_id", "tasks_assigned", "tasks_submitted", "tasks_on_time",
              "mandatory_assigned", "mandatory_submitted", "mean_score"], &[]),
        EventShape::of("KpisFinalised",
            &["placement_id", "student_id", "internship_id", "attendance_rate", "on_time_rate", "completion_rate",
              "mean_score", "mean_rating", "mandatory_assigned", "mandatory_submitted", "ratings"], &[]),
        EventShape::of("EvaluationFrozen", PlacementIds::FIELDS, &[]),
        EventShape::of("EvaluationReopened", PlacementIds::FIELDS, &[]),
        EventShape::of("EvaluationClosed", PlacementIds::FIELDS, &[]),
    ];

    fn encode(event: &Event) -> Result<(u32, Vec<u8>), WireError> {
        let name = event.event_type();
        match event {
            &Event::EvaluationOpened {
                ids,
                employer_id,
                start_date,
                minimum_days,
            } => write_json(
                name,
                V1,
                &EvaluationOpenedV1 {
                    ids,
                    employer_id,
                    start_date,
                    minimum_days,
                },
            ),
            Event::EvaluationRecorded {
                ids,
                ratings,
                mean_rating,
                comments,
            } => write_json(
                name,
                V1,
                &EvaluationRecordedV1 {
                    ids: *ids,
                    ratings: *ratings,
                    mean_rating: *mean_rating,
                    personal: CommentsV1 {
                        comments: comments.clone(),
                    },
                },
            ),
            &Event::AttendanceNoted { ids, figures } => write_json(
                name,
                V1,
                &AttendanceNotedV1 {
                    ids,
                    days_present: figures.days_present,
                    days_absent: figures.days_absent,
                    attendance_rate: figures.attendance_rate,
                },
            ),
            &Event::WorkNoted { ids, figures } => {
                write_json(name, V1, &WorkNotedV1::new(ids, figures))
            }
            &Event::KpisFinalised {
                ids,
                figures,
                mandatory_assigned,
                mandatory_submitted,
                ratings,
            } => write_json(
                name,
                V1,
                &KpisFinalisedV1 {
                    ids,
                    figures,
                    mandatory_assigned,
                    mandatory_submitted,
                    ratings,
                },
            ),
            &Event::EvaluationFrozen { ids }
            | &Event::EvaluationReopened { ids }
            | &Event::EvaluationClosed { ids } => write_json(name, V1, &ids),
        }
    }

    fn decode(event_type: &str, schema_version: u32, data: &[u8]) -> Result<Event, WireError> {
        WireError::refuse_newer(event_type, schema_version, V1)?;
        let ids = || read_json::<PlacementIds>(event_type, data);
        match event_type {
            "EvaluationOpened" => read_json::<EvaluationOpenedV1>(event_type, data).map(Into::into),
            "EvaluationRecorded" => {
                read_json::<EvaluationRecordedV1>(event_type, data).map(Into::into)
            }
            "AttendanceNoted" => read_json::<AttendanceNotedV1>(event_type, data).map(Into::into),
            "WorkNoted" => read_json::<WorkNotedV1>(event_type, data).map(Into::into),
            "KpisFinalised" => read_json::<KpisFinalisedV1>(event_type, data).map(Into::into),
            "EvaluationFrozen" => Ok(Event::EvaluationFrozen { ids: ids()? }),
            "EvaluationReopened" => Ok(Event::EvaluationReopened { ids: ids()? }),
            "EvaluationClosed" => Ok(Event::EvaluationClosed { ids: ids()? }),
            unknown => Err(WireError::UnknownType(unknown.to_owned())),
        }
    }
}

impl WorkNotedV1 {
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

impl From<EvaluationOpenedV1> for Event {
    fn from(stored: EvaluationOpenedV1) -> Self {
        Self::EvaluationOpened {
            ids: stored.ids,
            employer_id: stored.employer_id,
            start_date: stored.start_date,
            minimum_days: stored.minimum_days,
        }
    }
}

impl From<EvaluationRecordedV1> for Event {
    fn from(stored: EvaluationRecordedV1) -> Self {
        Self::EvaluationRecorded {
            ids: stored.ids,
            ratings: stored.ratings,
            mean_rating: stored.mean_rating,
            comments: stored.personal.comments,
        }
    }
}

impl From<AttendanceNotedV1> for Event {
    fn from(stored: AttendanceNotedV1) -> Self {
        Self::AttendanceNoted {
            ids: stored.ids,
            figures: AttendanceFigures {
                days_present: stored.days_present,
                days_absent: stored.days_absent,
                attendance_rate: stored.attendance_rate,
            },
        }
    }
}

impl From<WorkNotedV1> for Event {
    fn from(stored: WorkNotedV1) -> Self {
        Self::WorkNoted {
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

impl From<KpisFinalisedV1> for Event {
    fn from(stored: KpisFinalisedV1) -> Self {
        Self::KpisFinalised {
            ids: stored.ids,
            figures: stored.figures,
            mandatory_assigned: stored.mandatory_assigned,
            mandatory_submitted: stored.mandatory_submitted,
            ratings: stored.ratings,
        }
    }
}
