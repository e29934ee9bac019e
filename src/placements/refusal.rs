//! Why a placement says no: one table from rule to reason.

use super::Status;
use crate::kernel::{self, RefusalKind};

/// Why a placement says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No placement started under this id.
    #[error("there is no placement with this id")]
    Unknown,
    /// The state does not allow it.
    #[error("the placement is {}; this needs one that is {needed}", .status.as_str())]
    State {
        /// Where it stands.
        status: Status,
        /// Where it would have to stand.
        needed: &'static str,
    },
    /// Holding, resuming and terminating need a reason.
    #[error("this needs a reason")]
    ReasonRequired,
    /// The id belongs to another placement.
    #[error("the placement id belongs to another placement")]
    IdTaken,
}

impl kernel::Refusal for Refusal {
    fn reason(&self) -> &'static str {
        match self {
            Self::Unknown | Self::State { .. } => "PLACEMENT_NOT_ACTIVE",
            Self::ReasonRequired => "REASON_REQUIRED",
            Self::IdTaken => "ID_TAKEN",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::Unknown => RefusalKind::NotFound,
            Self::State { .. } => RefusalKind::State,
            Self::ReasonRequired => RefusalKind::Argument,
            Self::IdTaken => RefusalKind::AlreadyExists,
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::Unknown => {
                "Check the placement id; a placement starts shortly after its acceptance."
            }
            Self::State { .. } => "Read the placement's state and choose what it allows.",
            Self::ReasonRequired => "Give a reason.",
            Self::IdTaken => "Choose a new random UUID.",
        }
    }
}
