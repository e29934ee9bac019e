//! The facts of one placement.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Criterion, Start};
use crate::kernel::{Date, DomainEvent, Figures, PlacementIds, Ratings};

/// The mandatory tasks so far. Both figures only grow. The JSON names are stored in events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MandatoryTasks {
    /// How many were assigned.
    #[serde(rename = "mandatory_assigned")]
    pub assigned: u32,
    /// How many of them were submitted.
    #[serde(rename = "mandatory_submitted")]
    pub submitted: u32,
}

/// What can happen to a placement.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It started, on fixed terms.
    PlacementStarted(Start),
    /// It was put on hold.
    PlacementHeld(PlacementIds),
    /// It is active again.
    PlacementResumed(PlacementIds),
    /// It ended before its completion.
    PlacementTerminated {
        /// Which placement.
        ids: PlacementIds,
        /// Its last day.
        end_date: Date,
    },
    /// The final figures are there.
    KpisNoted {
        /// Which placement.
        ids: PlacementIds,
        /// The figures, final.
        figures: Figures,
        /// The mandatory tasks when the figures were taken.
        tasks: MandatoryTasks,
        /// What the employer rated.
        ratings: Ratings,
    },
    /// More mandatory tasks were assigned or submitted.
    MandatoryTasksNoted {
        /// Which placement.
        ids: PlacementIds,
        /// The figures now.
        tasks: MandatoryTasks,
    },
    /// Completion was considered, and at least one criterion did not hold.
    CompletionAssessed {
        /// Which placement.
        ids: PlacementIds,
        /// All criteria, with their figures.
        criteria: Vec<Criterion>,
    },
    /// All criteria hold: it is completed; all that eligibility for a certificate is established from.
    PlacementCompleted(Box<Completion>),
}

/// What a completed placement attests.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// Which placement.
    pub ids: PlacementIds,
    /// Whose internship it was.
    pub employer_id: Uuid,
    /// The application that led to it.
    pub application_id: Uuid,
    /// The internship's title.
    pub title: String,
    /// The employer's name.
    pub employer_name: String,
    /// First day.
    pub start_date: Date,
    /// Last day.
    pub end_date: Date,
    /// The final figures.
    pub figures: Figures,
    /// What the employer rated.
    pub ratings: Ratings,
    /// The student's name. Personal data.
    pub student_name: String,
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::PlacementStarted(_) => "PlacementStarted",
            Self::PlacementHeld(_) => "PlacementHeld",
            Self::PlacementResumed(_) => "PlacementResumed",
            Self::PlacementTerminated { .. } => "PlacementTerminated",
            Self::KpisNoted { .. } => "KpisNoted",
            Self::MandatoryTasksNoted { .. } => "MandatoryTasksNoted",
            Self::CompletionAssessed { .. } => "CompletionAssessed",
            Self::PlacementCompleted(_) => "PlacementCompleted",
        }
    }
}
