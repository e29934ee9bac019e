//! A placement's events as stored: flat JSON, personal data under `personal`. All types are at version 1.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::events::Completion;
use super::{Criterion, Event, MandatoryTasks, Placement, Start};
use crate::kernel::{
    Date, DomainEvent as _, EventShape, Figures, PlacementIds, Ratings, Stored, Terms, WireError,
    day, read_json, write_json,
};

const VERSION: u32 = 1;

/// For the types that carry nothing else.
#[derive(Serialize, Deserialize)]
struct Bare {
    #[serde(flatten)]
    ids: PlacementIds,
}

/// The first day and the minimum are told twice, so that read models need not look into the terms.
#[derive(Serialize, Deserialize)]
struct Started {
    #[serde(flatten)]
    ids: PlacementIds,
    employer_id: Uuid,
    application_id: Uuid,
    title: String,
    employer_name: String,
    #[serde(with = "day")]
    start_date: Date,
    minimum_days: u32,
    terms: Terms,
    #[serde(default)]
    personal: Personal,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Personal {
    student_name: String,
}

#[derive(Serialize, Deserialize)]
struct Terminated {
    #[serde(flatten)]
    ids: PlacementIds,
    #[serde(with = "day")]
    end_date: Date,
}

#[derive(Serialize, Deserialize)]
struct KpisNoted {
    #[serde(flatten)]
    ids: PlacementIds,
    #[serde(flatten)]
    figures: Figures,
    #[serde(flatten)]
    tasks: MandatoryTasks,
    ratings: Ratings,
}

#[derive(Serialize, Deserialize)]
struct TasksNoted {
    #[serde(flatten)]
    ids: PlacementIds,
    #[serde(flatten)]
    tasks: MandatoryTasks,
}

#[derive(Serialize, Deserialize)]
struct Assessed {
    #[serde(flatten)]
    ids: PlacementIds,
    criteria: Vec<Criterion>,
}

#[derive(Serialize, Deserialize)]
struct Completed {
    #[serde(flatten)]
    ids: PlacementIds,
    employer_id: Uuid,
    application_id: Uuid,
    title: String,
    employer_name: String,
    #[serde(with = "day")]
    start_date: Date,
    #[serde(with = "day")]
    end_date: Date,
    #[serde(flatten)]
    figures: Figures,
    ratings: Ratings,
    #[serde(default)]
    personal: Personal,
}

macro_rules! shape {
    ($name:literal, [$($field:literal),*], [$($personal:literal),*]) => {
        EventShape {
            event_type: $name,
            fields: &["placement_id", "student_id", "internship_id", $($field),*],
            personal: &[$($personal),*],
        }
    };
}

#[rustfmt::skip]
impl Stored for Placement {
    const SHAPES: &'static [EventShape] = &[
        shape!("PlacementStarted", ["employer_id", "application_id", "title", "employer_name", "start_date",
            "minimum_days", "terms"], ["student_name"]),
        shape!("PlacementHeld", [], []),
        shape!("PlacementResumed", [], []),
        shape!("PlacementTerminated", ["end_date"], []),
        shape!("KpisNoted", ["attendance_rate", "on_time_rate", "completion_rate", "mean_score", "mean_rating",
            "mandatory_assigned", "mandatory_submitted", "ratings"], []),
        shape!("MandatoryTasksNoted", ["mandatory_assigned", "mandatory_submitted"], []),
        shape!("CompletionAssessed", ["criteria"], []),
        shape!("PlacementCompleted", ["employer_id", "application_id", "title", "employer_name", "start_date",
            "end_date", "attendance_rate", "on_time_rate", "completion_rate", "mean_score", "mean_rating",
            "ratings"], ["student_name"]),
    ];

    fn encode(event: &Event) -> Result<(u32, Vec<u8>), WireError> {
        let name = event.event_type();
        match event {
            Event::PlacementStarted(start) => write_json(name, VERSION, &Started::from(start)),
            Event::PlacementHeld(ids) | Event::PlacementResumed(ids) => {
                write_json(name, VERSION, &Bare { ids: *ids })
            }
            Event::PlacementTerminated { ids, end_date } => {
                write_json(name, VERSION, &Terminated { ids: *ids, end_date: *end_date })
            }
            Event::KpisNoted { ids, figures, tasks, ratings } => {
                let stored = KpisNoted { ids: *ids, figures: *figures, tasks: *tasks, ratings: *ratings };
                write_json(name, VERSION, &stored)
            }
            Event::MandatoryTasksNoted { ids, tasks } => {
                write_json(name, VERSION, &TasksNoted { ids: *ids, tasks: *tasks })
            }
            Event::CompletionAssessed { ids, criteria } => {
                write_json(name, VERSION, &Assessed { ids: *ids, criteria: criteria.clone() })
            }
            Event::PlacementCompleted(completion) => {
                write_json(name, VERSION, &Completed::from(completion.as_ref()))
            }
        }
    }

    fn decode(event_type: &str, version: u32, data: &[u8]) -> Result<Event, WireError> {
        WireError::refuse_newer(event_type, version, VERSION)?;
        Ok(match event_type {
            "PlacementStarted" => {
                Event::PlacementStarted(read_json::<Started>(event_type, data)?.into())
            }
            "PlacementHeld" => Event::PlacementHeld(read_json::<Bare>(event_type, data)?.ids),
            "PlacementResumed" => Event::PlacementResumed(read_json::<Bare>(event_type, data)?.ids),
            "PlacementTerminated" => {
                let Terminated { ids, end_date } = read_json(event_type, data)?;
                Event::PlacementTerminated { ids, end_date }
            }
            "KpisNoted" => {
                let KpisNoted { ids, figures, tasks, ratings } = read_json(event_type, data)?;
                Event::KpisNoted { ids, figures, tasks, ratings }
            }
            "MandatoryTasksNoted" => {
                let TasksNoted { ids, tasks } = read_json(event_type, data)?;
                Event::MandatoryTasksNoted { ids, tasks }
            }
            "CompletionAssessed" => {
                let Assessed { ids, criteria } = read_json(event_type, data)?;
                Event::CompletionAssessed { ids, criteria }
            }
            "PlacementCompleted" => {
                Event::PlacementCompleted(Box::new(read_json::<Completed>(event_type, data)?.into()))
            }
            unknown => return Err(WireError::UnknownType(unknown.to_owned())),
        })
    }
}

impl From<&Start> for Started {
    fn from(start: &Start) -> Self {
        Self {
            ids: start.ids,
            employer_id: start.employer_id,
            application_id: start.application_id,
            title: start.title.clone(),
            employer_name: start.employer_name.clone(),
            start_date: start.terms.start_date,
            minimum_days: start.terms.minimum_days,
            terms: start.terms.clone(),
            personal: Personal {
                student_name: start.student_name.clone(),
            },
        }
    }
}

impl From<Started> for Start {
    fn from(stored: Started) -> Self {
        Self {
            ids: stored.ids,
            employer_id: stored.employer_id,
            application_id: stored.application_id,
            title: stored.title,
            employer_name: stored.employer_name,
            terms: stored.terms,
            student_name: stored.personal.student_name,
        }
    }
}

impl From<&Completion> for Completed {
    fn from(completion: &Completion) -> Self {
        Self {
            ids: completion.ids,
            employer_id: completion.employer_id,
            application_id: completion.application_id,
            title: completion.title.clone(),
            employer_name: completion.employer_name.clone(),
            start_date: completion.start_date,
            end_date: completion.end_date,
            figures: completion.figures,
            ratings: completion.ratings,
            personal: Personal {
                student_name: completion.student_name.clone(),
            },
        }
    }
}

impl From<Completed> for Completion {
    fn from(stored: Completed) -> Self {
        Self {
            ids: stored.ids,
            employer_id: stored.employer_id,
            application_id: stored.application_id,
            title: stored.title,
            employer_name: stored.employer_name,
            start_date: stored.start_date,
            end_date: stored.end_date,
            figures: stored.figures,
            ratings: stored.ratings,
            student_name: stored.personal.student_name,
        }
    }
}
