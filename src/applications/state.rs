//! What an application is after its events. Long texts are left in the events: no rule reads them.

use serde::Serialize;
use uuid::Uuid;

use super::{Event, Ids, Submission};
use crate::kernel::{Moment, Terms};

/// Where an application stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// The student applied.
    Submitted,
    /// In the closer choice.
    Shortlisted,
    /// The interview has a time.
    InterviewScheduled,
    /// The interview was held.
    InterviewCompleted,
    /// A place is offered.
    Offered,
    /// The offer is accepted. Final but for a rescission.
    Accepted,
    /// The placement could not start. Final.
    Rescinded,
    /// The student declined. Final.
    Declined,
    /// The offer ran out. Final.
    Expired,
    /// The student withdrew. Final.
    Withdrawn,
    /// The employer said no. Final.
    Rejected,
    /// The student accepted another offer. Final.
    Closed,
}

impl Status {
    /// Whether it can still lead to an acceptance.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Submitted
            | Self::Shortlisted
            | Self::InterviewScheduled
            | Self::InterviewCompleted
            | Self::Offered => true,
            Self::Accepted
            | Self::Rescinded
            | Self::Declined
            | Self::Expired
            | Self::Withdrawn
            | Self::Rejected
            | Self::Closed => false,
        }
    }

    /// As people say it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Shortlisted => "shortlisted",
            Self::InterviewScheduled => "waiting for its interview",
            Self::InterviewCompleted => "interviewed",
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Rescinded => "rescinded",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Rejected => "rejected",
            Self::Closed => "closed",
        }
    }
}

/// An application; nothing before its submission.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Application {
    /// What is known of it.
    pub known: Option<Known>,
}

/// What is known of an application that was submitted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Known {
    /// Which, whose, to what.
    #[serde(flatten)]
    pub ids: Ids,
    /// Where it stands.
    pub status: Status,
    /// Whose internship it is.
    pub employer_id: Uuid,
    /// The internship's title.
    pub title: String,
    /// The employer's name.
    pub employer_name: String,
    /// The student's name.
    pub student_name: String,
    /// When the interview is or was.
    pub interview_at: Option<Moment>,
    /// What was offered.
    pub offer: Option<Offer>,
    /// The placement that the acceptance named.
    pub placement_id: Option<Uuid>,
}

/// An offer, open or past.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Offer {
    /// Until when it can be accepted.
    pub valid_until: Moment,
    /// On which terms.
    pub terms: Terms,
}

impl Known {
    fn submitted(submission: &Submission) -> Self {
        Self {
            ids: submission.ids,
            status: Status::Submitted,
            employer_id: submission.listing.employer_id,
            title: submission.listing.title.clone(),
            employer_name: submission.listing.employer_name.clone(),
            student_name: submission.profile.name.clone(),
            interview_at: None,
            offer: None,
            placement_id: None,
        }
    }
}

impl Application {
    /// The state after `event`. What comes before a submission is none of ours and changes nothing.
    pub(super) fn apply(&mut self, event: &Event) {
        if let Event::ApplicationSubmitted(submission) = event {
            self.known = Some(Known::submitted(submission));
        }
        let Some(known) = &mut self.known else {
            return;
        };
        known.status = match event {
            Event::ApplicationSubmitted(_) => Status::Submitted,
            Event::ApplicationShortlisted(_) => Status::Shortlisted,
            Event::InterviewScheduled { scheduled_at, .. } => {
                known.interview_at = Some(*scheduled_at);
                Status::InterviewScheduled
            }
            Event::InterviewCompleted { .. } => Status::InterviewCompleted,
            Event::OfferMade {
                valid_until, terms, ..
            } => {
                known.offer = Some(Offer {
                    valid_until: *valid_until,
                    terms: terms.clone(),
                });
                Status::Offered
            }
            Event::OfferAccepted { placement_id, .. } => {
                known.placement_id = Some(*placement_id);
                Status::Accepted
            }
            Event::OfferDeclined(_) => Status::Declined,
            Event::OfferExpired { .. } => Status::Expired,
            Event::ApplicationWithdrawn(_) => Status::Withdrawn,
            Event::ApplicationRejected(_) => Status::Rejected,
            Event::ApplicationClosed { .. } => Status::Closed,
            Event::AcceptanceRescinded { .. } => Status::Rescinded,
        };
    }
}
