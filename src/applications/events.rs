//! The facts of one application.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kernel::{DomainEvent, Moment, Terms};

/// Which application, whose, to what: in every event of its stream. The JSON names are stored in events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// The application.
    pub application_id: Uuid,
    /// Who applied.
    pub student_id: Uuid,
    /// To which internship.
    pub internship_id: Uuid,
}

/// The internship as it was listed when the student applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Who offers it.
    pub employer_id: Uuid,
    /// Its title.
    pub title: String,
    /// The employer's name.
    pub employer_name: String,
    /// What the listing said.
    pub description: String,
}

/// What the student said of themselves. Personal data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// The student's name.
    pub name: String,
    /// Where they are reached.
    pub email: String,
    /// Free text.
    pub statement: String,
}

/// All that a submission says: enough to write it to both of its streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Which application.
    pub ids: Ids,
    /// To what, as listed.
    pub listing: Listing,
    /// By whom, as they said.
    pub profile: Profile,
}

/// What can happen to an application.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The student applied.
    ApplicationSubmitted(Submission),
    /// The employer took it into the closer choice.
    ApplicationShortlisted(Ids),
    /// The interview was given a time, the first or a new one.
    InterviewScheduled {
        /// Which application.
        ids: Ids,
        /// The time.
        scheduled_at: Moment,
    },
    /// The interview was held.
    InterviewCompleted {
        /// Which application.
        ids: Ids,
        /// What was said. Personal data.
        notes: String,
    },
    /// The employer offered a place.
    OfferMade {
        /// Which application.
        ids: Ids,
        /// Until when it can be accepted.
        valid_until: Moment,
        /// On which terms.
        terms: Terms,
    },
    /// The student accepted; all that is needed to start the placement.
    OfferAccepted {
        /// Which application.
        ids: Ids,
        /// The new placement.
        placement_id: Uuid,
        /// Whose internship it is.
        employer_id: Uuid,
        /// Its title.
        title: String,
        /// The employer's name.
        employer_name: String,
        /// The terms that were offered.
        terms: Terms,
        /// The student's name. Personal data.
        student_name: String,
    },
    /// The student declined.
    OfferDeclined(Ids),
    /// The offer ran out.
    OfferExpired {
        /// Which application.
        ids: Ids,
        /// When it ran out.
        valid_until: Moment,
    },
    /// The student withdrew.
    ApplicationWithdrawn(Ids),
    /// The employer said no.
    ApplicationRejected(Ids),
    /// The student accepted another offer.
    ApplicationClosed {
        /// Which application.
        ids: Ids,
        /// The one that was accepted.
        accepted_application_id: Uuid,
    },
    /// The placement could not start.
    AcceptanceRescinded {
        /// Which application.
        ids: Ids,
        /// The placement that did not start.
        placement_id: Uuid,
        /// Why it did not.
        cause: String,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::ApplicationSubmitted(_) => "ApplicationSubmitted",
            Self::ApplicationShortlisted(_) => "ApplicationShortlisted",
            Self::InterviewScheduled { .. } => "InterviewScheduled",
            Self::InterviewCompleted { .. } => "InterviewCompleted",
            Self::OfferMade { .. } => "OfferMade",
            Self::OfferAccepted { .. } => "OfferAccepted",
            Self::OfferDeclined(_) => "OfferDeclined",
            Self::OfferExpired { .. } => "OfferExpired",
            Self::ApplicationWithdrawn(_) => "ApplicationWithdrawn",
            Self::ApplicationRejected(_) => "ApplicationRejected",
            Self::ApplicationClosed { .. } => "ApplicationClosed",
            Self::AcceptanceRescinded { .. } => "AcceptanceRescinded",
        }
    }
}
