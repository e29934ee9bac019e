//! The facts of one candidacy.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::{Ids, Submission};
use crate::kernel::{DomainEvent, Moment};

/// Why a placement is no longer held, or an application no longer registered. Stored names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Cause {
    /// The placement was completed.
    Completed,
    /// The placement was terminated.
    Terminated,
    /// The placement could not start.
    Rescinded,
    /// The application's own stream refused the second half of the command.
    Refused,
}

/// What can happen to a candidacy.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The student applies; holds all that the application's first event says, so that anybody can complete it.
    ApplicationRegistered(Submission),
    /// The registration is taken back: the application's stream refused it.
    ApplicationAbandoned {
        /// Which application.
        ids: Ids,
        /// Why.
        cause: Cause,
    },
    /// The student holds this placement from now on.
    PlacementClaimed {
        /// Who.
        student_id: Uuid,
        /// The application whose offer is accepted.
        application_id: Uuid,
        /// The placement.
        placement_id: Uuid,
        /// From when on.
        since: Moment,
    },
    /// The student holds it no longer.
    PlacementReleased {
        /// Who.
        student_id: Uuid,
        /// The placement.
        placement_id: Uuid,
        /// Why.
        cause: Cause,
        /// Held to here: what is told of the past afterwards is judged by it.
        until: Moment,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::ApplicationRegistered(_) => "ApplicationRegistered",
            Self::ApplicationAbandoned { .. } => "ApplicationAbandoned",
            Self::PlacementClaimed { .. } => "PlacementClaimed",
            Self::PlacementReleased { .. } => "PlacementReleased",
        }
    }
}
