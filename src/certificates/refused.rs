//! When a certification says no, and what that is called.

use uuid::Uuid;

use crate::kernel::{Refusal, RefusalKind};

/// Why a certification says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The placement was not completed.
    #[error("the placement is not eligible for a certificate: it was not completed")]
    NotEligible,
    /// One certificate per placement.
    #[error("certificate {0} was issued for this placement already")]
    AlreadyIssued(Uuid),
    /// No such certificate here.
    #[error("there is no certificate {0} of this placement")]
    Unknown(Uuid),
    /// A revocation is final.
    #[error("certificate {0} was revoked")]
    Revoked(Uuid),
    /// The caller is a partner that no admin delegated to.
    #[error("issuing was not delegated to the caller")]
    MayNotIssue,
    /// There is no delegation to withdraw.
    #[error("issuing is not delegated to {0}")]
    NotDelegated(Uuid),
    /// The id of a new certificate is used.
    #[error("the id {0} is taken by another certificate")]
    IdTaken(Uuid),
    /// The command needs a reason.
    #[error("a reason is required")]
    ReasonRequired,
}

impl Refusal for Refused {
    fn reason(&self) -> &'static str {
        match self {
            Self::NotEligible => "NOT_ELIGIBLE",
            Self::AlreadyIssued(_) => "CERTIFICATE_ALREADY_ISSUED",
            Self::Unknown(_) => "CERTIFICATE_UNKNOWN",
            Self::Revoked(_) => "CERTIFICATE_REVOKED",
            Self::MayNotIssue | Self::NotDelegated(_) => "NOT_DELEGATED",
            Self::IdTaken(_) => "ID_TAKEN",
            Self::ReasonRequired => "REASON_REQUIRED",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotEligible | Self::Revoked(_) | Self::NotDelegated(_) => RefusalKind::State,
            Self::AlreadyIssued(_) | Self::IdTaken(_) => RefusalKind::AlreadyExists,
            Self::Unknown(_) => RefusalKind::NotFound,
            Self::MayNotIssue => RefusalKind::Permission,
            Self::ReasonRequired => RefusalKind::Argument,
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::NotEligible => "wait until the placement is completed",
            Self::AlreadyIssued(_) => {
                "use the certificate that stands; to replace it, revoke it first"
            }
            Self::Unknown(_) => "check the ids of the placement and the certificate",
            Self::Revoked(_) => "replace it with ReplaceCertificate",
            Self::MayNotIssue => "ask an admin to delegate issuing with DelegateIssuing",
            Self::NotDelegated(_) => "check the partner's id",
            Self::IdTaken(_) => "choose a new id",
            Self::ReasonRequired => "say why",
        }
    }
}
