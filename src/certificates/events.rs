//! The facts of a certification.

use serde::Serialize;
use uuid::Uuid;

use super::code::VerificationCode;
use crate::kernel::{Date, DomainEvent, Figures, PlacementIds, Ratings, day};

/// What a certificate says of the placement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attested {
    /// The internship's title.
    pub title: String,
    /// The employer's name.
    pub employer_name: String,
    /// First day.
    #[serde(with = "day")]
    pub start_date: Date,
    /// Last day.
    #[serde(with = "day")]
    pub end_date: Date,
    /// The holder's name: personal.
    pub student_name: String,
}

/// A certificate as it was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its id.
    pub certificate_id: Uuid,
    /// What it is verified by.
    pub code: VerificationCode,
    /// Who attests.
    pub issuer_name: String,
    /// What.
    pub attested: Attested,
}

impl Issued {
    /// The version of every certificate when it is issued.
    pub const VERSION: u32 = 1;
}

/// What a certification states.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The placement was completed: the snapshot of what can be certified.
    EligibilityEstablished {
        /// Whose.
        ids: PlacementIds,
        /// Whose internship it was.
        employer_id: Uuid,
        /// What a certificate will say.
        attested: Attested,
        /// The final KPIs.
        figures: Figures,
        /// The evaluation.
        ratings: Ratings,
    },
    /// A partner may issue this certificate.
    IssuingDelegated {
        /// Whose.
        ids: PlacementIds,
        /// Who may.
        partner_id: Uuid,
    },
    /// The partner may no longer.
    DelegationWithdrawn {
        /// Whose.
        ids: PlacementIds,
        /// Who may not.
        partner_id: Uuid,
    },
    /// The certificate was issued.
    CertificateIssued {
        /// Whose.
        ids: PlacementIds,
        /// What.
        issued: Issued,
    },
    /// A new version of the same certificate.
    CertificateReissued {
        /// Whose.
        ids: PlacementIds,
        /// Which.
        certificate_id: Uuid,
        /// From 2.
        version: u32,
        /// What changed: wording or branding.
        wording: String,
    },
    /// The certificate holds no more.
    CertificateRevoked {
        /// Whose.
        ids: PlacementIds,
        /// Which.
        certificate_id: Uuid,
    },
    /// A new certificate in the place of a revoked one.
    CertificateReplaced {
        /// Whose.
        ids: PlacementIds,
        /// The revoked one.
        revoked_certificate_id: Uuid,
        /// The new one.
        issued: Issued,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::EligibilityEstablished { .. } => "EligibilityEstablished",
            Self::IssuingDelegated { .. } => "IssuingDelegated",
            Self::DelegationWithdrawn { .. } => "DelegationWithdrawn",
            Self::CertificateIssued { .. } => "CertificateIssued",
            Self::CertificateReissued { .. } => "CertificateReissued",
            Self::CertificateRevoked { .. } => "CertificateRevoked",
            Self::CertificateReplaced { .. } => "CertificateReplaced",
        }
    }
}
