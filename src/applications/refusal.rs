//! Why an application says no: one table from rule to reason.

use super::Status;
use crate::kernel::{self, Moment, RefusalKind};

/// Why an application says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing was submitted under this id.
    #[error("there is no application with this id")]
    Unknown,
    /// The state does not allow it.
    #[error("the application is {}; this needs one that is {needed}", .status.as_str())]
    State {
        /// Where it stands.
        status: Status,
        /// Where it would have to stand.
        needed: &'static str,
    },
    /// The offer ran out.
    #[error("the offer was valid until {valid_until}")]
    OfferExpired {
        /// When it ran out.
        valid_until: Moment,
    },
    /// An offer that nobody could accept.
    #[error("valid_until {valid_until} is not after {occurred_at}, when the offer is made")]
    OfferOver {
        /// Until when it should have been valid.
        valid_until: Moment,
        /// When it was to be made.
        occurred_at: Moment,
    },
    /// Saying no needs a reason.
    #[error("a rejection needs a reason")]
    ReasonRequired,
    /// This very application was submitted by an earlier request.
    #[error("this application was submitted before")]
    AlreadyApplied,
    /// The id belongs to another application.
    #[error("the application id belongs to another application")]
    IdTaken,
}

impl kernel::Refusal for Refusal {
    fn reason(&self) -> &'static str {
        match self {
            Self::Unknown => "APPLICATION_UNKNOWN",
            Self::State { .. } => "APPLICATION_STATE",
            Self::OfferExpired { .. } => "OFFER_EXPIRED",
            Self::OfferOver { .. } => "INVALID_ARGUMENT",
            Self::ReasonRequired => "REASON_REQUIRED",
            Self::AlreadyApplied => "ALREADY_APPLIED",
            Self::IdTaken => "ID_TAKEN",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::Unknown => RefusalKind::NotFound,
            Self::State { .. } | Self::OfferExpired { .. } => RefusalKind::State,
            Self::OfferOver { .. } | Self::ReasonRequired => RefusalKind::Argument,
            Self::AlreadyApplied | Self::IdTaken => RefusalKind::AlreadyExists,
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::Unknown => "Check the application id.",
            Self::State { .. } => "Read the application's state and choose what it allows.",
            Self::OfferExpired { .. } => "Ask the employer about another offer.",
            Self::OfferOver { .. } => "Choose a later valid_until.",
            Self::ReasonRequired => "Give a reason.",
            Self::AlreadyApplied => {
                "Nothing is left to do: there is one application per internship."
            }
            Self::IdTaken => "Choose a new random UUID.",
        }
    }
}
