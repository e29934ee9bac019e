//! When an evaluation says no, and what that is called.

use super::state::Phase;
use crate::kernel::{Refusal, RefusalKind};

/// Why an evaluation says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be recorded now.
    #[error("the placement cannot be evaluated: it is {}", spoken(*.0))]
    NotActive(Phase),
    /// An evaluation is final.
    #[error("the evaluation was recorded already, and is final")]
    AlreadyRecorded,
    /// The minimum duration is not reached.
    #[error("the placement can be evaluated after {minimum} days, these are {passed}")]
    TooEarly {
        /// Days since its first day; negative before it.
        passed: i64,
        /// Days that it must have lasted.
        minimum: u32,
    },
}

fn spoken(phase: Phase) -> &'static str {
    match phase {
        Phase::None => "not started",
        Phase::Open => "active",
        Phase::Frozen => "on hold",
        Phase::Closed => "ended",
    }
}

impl Refusal for Refused {
    fn reason(&self) -> &'static str {
        match self {
            Self::NotActive(_) => "PLACEMENT_NOT_ACTIVE",
            Self::AlreadyRecorded => "EVALUATION_ALREADY_RECORDED",
            Self::TooEarly { .. } => "EVALUATION_TOO_EARLY",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotActive(_) | Self::TooEarly { .. } => RefusalKind::State,
            Self::AlreadyRecorded => RefusalKind::AlreadyExists,
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::NotActive(_) => "check the placement's id, and wait until it is active",
            Self::AlreadyRecorded => "read the evaluation that stands; it cannot be replaced",
            Self::TooEarly { .. } => "evaluate when the minimum duration is reached",
        }
    }
}
