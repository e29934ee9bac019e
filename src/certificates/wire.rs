//! The stored form of the certification's events. Every struct here is version 1 and may never change.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::code::VerificationCode;
use super::events::{Attested, Event, Issued};
use super::state::Certification;
use crate::kernel::{
    Date, DomainEvent as _, EventShape, Figures, PlacementIds, Ratings, Stored, WireError, day,
    read_json, write_json,
};

/// The only version so far, of every type.
const V1: u32 = 1;

#[derive(Serialize, Deserialize)]
struct EligibilityEstablishedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    employer_id: Uuid,
    title: String,
    employer_name: String,
    #[serde(with = "day")]
    start_date: Date,
    #[serde(with = "day")]
    end_date: Date,
    #[serde(flatten)]
    figures: Figures,
    ratings: Ratings,
    personal: NameV1,
}

#[derive(Serialize, Deserialize)]
struct NameV1 {
    student_name: String,
}

/// Delegated, withdrawn.
#[derive(Serialize, Deserialize)]
struct PartnerV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    partner_id: Uuid,
}

#[derive(Serialize, Deserialize)]
struct CertificateIssuedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    certificate_id: Uuid,
    code: String,
    issuer_name: String,
    title: String,
    employer_name: String,
    #[serde(with = "day")]
    start_date: Date,
    #[serde(with = "day")]
    end_date: Date,
    version: u32,
    personal: NameV1,
}

#[derive(Serialize, Deserialize)]
struct CertificateReissuedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    certificate_id: Uuid,
    version: u32,
    wording: String,
}

#[derive(Serialize, Deserialize)]
struct CertificateRevokedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    certificate_id: Uuid,
}

#[derive(Serialize, Deserialize)]
struct CertificateReplacedV1 {
    revoked_certificate_id: Uuid,
    #[serde(flatten)]
    issued: CertificateIssuedV1,
}

impl Stored for Certification {
    #[rustfmt::skip]
    const SHAPES: &'static [EventShape] = &[
        EventShape::of("EligibilityEstablished",
            &["placement_id", "student_id", "internship_id", "employer_id", "title", "employer_name", "start_date",
              "end_date", "attendance_rate", "on_time_rate", "completion_rate", "mean_score", "mean_rating", "ratings"],
            &["student_name"]),
        EventShape::of("IssuingDelegated", &["placement_id", "student_id", "internship_id", "partner_id"], &[]),
        EventShape::of("DelegationWithdrawn", &["placement_id", "student_id", "internship_id", "partner_id"], &[]),
        EventShape::of("CertificateIssued",
            &["placement_id", "student_id", "internship_id", "certificate_id", "code", "issuer_name", "title",
              "employer_name", "start_date", "end_date", "version"],
            &["student_name"]),
        EventShape::of("CertificateReissued",
            &["placement_id", "student_id", "internship_id", "certificate_id", "version", "wording"], &[]),
        EventShape::of("CertificateRevoked", &["placement_id", "student_id", "internship_id", "certificate_id"], &[]),
        EventShape::of("CertificateReplaced",
            &["placement_id", "student_id", "internship_id", "certificate_id", "revoked_certificate_id", "code",
              "issuer_name", "title", "employer_name", "start_date", "end_date", "version"],
            &["student_name"]),
    ];

    fn encode(event: &Event) -> Result<(u32, Vec<u8>), WireError> {
        let name = event.event_type();
        match event.clone() {
            Event::EligibilityEstablished {
                ids,
                employer_id,
                attested,
                figures,
                ratings,
            } => write_json(
                name,
                V1,
                &EligibilityEstablishedV1 {
                    ids,
                    employer_id,
                    title: attested.title,
                    employer_name: attested.employer_name,
                    start_date: attested.start_date,
                    end_date: attested.end_date,
                    figures,
                    ratings,
                    personal: NameV1 {
                        student_name: attested.student_name,
                    },
                },
            ),
            Event::IssuingDelegated { ids, partner_id }
            | Event::DelegationWithdrawn { ids, partner_id } => {
                write_json(name, V1, &PartnerV1 { ids, partner_id })
            }
            Event::CertificateIssued { ids, issued } => {
                write_json(name, V1, &CertificateIssuedV1::new(ids, issued))
            }
            Event::CertificateReissued {
                ids,
                certificate_id,
                version,
                wording,
            } => write_json(
                name,
                V1,
                &CertificateReissuedV1 {
                    ids,
                    certificate_id,
                    version,
                    wording,
                },
            ),
            Event::CertificateRevoked {
                ids,
                certificate_id,
            } => write_json(
                name,
                V1,
                &CertificateRevokedV1 {
                    ids,
                    certificate_id,
                },
            ),
            Event::CertificateReplaced {
                ids,
                revoked_certificate_id,
                issued,
            } => write_json(
                name,
                V1,
                &CertificateReplacedV1 {
                    revoked_certificate_id,
                    issued: CertificateIssuedV1::new(ids, issued),
                },
            ),
        }
    }

    fn decode(event_type: &str, schema_version: u32, data: &[u8]) -> Result<Event, WireError> {
        WireError::refuse_newer(event_type, schema_version, V1)?;
        let partner = || read_json::<PartnerV1>(event_type, data).map(|s| (s.ids, s.partner_id));
        match event_type {
            "EligibilityEstablished" => {
                read_json::<EligibilityEstablishedV1>(event_type, data).map(Into::into)
            }
            "IssuingDelegated" => {
                partner().map(|(ids, partner_id)| Event::IssuingDelegated { ids, partner_id })
            }
            "DelegationWithdrawn" => {
                partner().map(|(ids, partner_id)| Event::DelegationWithdrawn { ids, partner_id })
            }
            "CertificateIssued" => {
                let stored: CertificateIssuedV1 = read_json(event_type, data)?;
                let ids = stored.ids;
                let issued = stored.issued(event_type)?;
                Ok(Event::CertificateIssued { ids, issued })
            }
            "CertificateReissued" => {
                read_json::<CertificateReissuedV1>(event_type, data).map(Into::into)
            }
            "CertificateRevoked" => {
                let stored: CertificateRevokedV1 = read_json(event_type, data)?;
                Ok(Event::CertificateRevoked {
                    ids: stored.ids,
                    certificate_id: stored.certificate_id,
                })
            }
            "CertificateReplaced" => {
                let stored: CertificateReplacedV1 = read_json(event_type, data)?;
                Ok(Event::CertificateReplaced {
                    ids: stored.issued.ids,
                    revoked_certificate_id: stored.revoked_certificate_id,
                    issued: stored.issued.issued(event_type)?,
                })
            }
            unknown => Err(WireError::UnknownType(unknown.to_owned())),
        }
    }
}

impl CertificateIssuedV1 {
    fn new(ids: PlacementIds, issued: Issued) -> Self {
        Self {
            ids,
            certificate_id: issued.certificate_id,
            code: issued.code.to_string(),
            issuer_name: issued.issuer_name,
            title: issued.attested.title,
            employer_name: issued.attested.employer_name,
            start_date: issued.attested.start_date,
            end_date: issued.attested.end_date,
            version: Issued::VERSION,
            personal: NameV1 {
                student_name: issued.attested.student_name,
            },
        }
    }

    fn issued(self, event_type: &str) -> Result<Issued, WireError> {
        let code = VerificationCode::parse(&self.code).ok_or_else(|| WireError::Malformed {
            event_type: event_type.to_owned(),
            problem: "code is no verification code".to_owned(),
        })?;
        Ok(Issued {
            certificate_id: self.certificate_id,
            code,
            issuer_name: self.issuer_name,
            attested: Attested {
                title: self.title,
                employer_name: self.employer_name,
                start_date: self.start_date,
                end_date: self.end_date,
                student_name: self.personal.student_name,
            },
        })
    }
}

impl From<EligibilityEstablishedV1> for Event {
    fn from(stored: EligibilityEstablishedV1) -> Self {
        Self::EligibilityEstablished {
            ids: stored.ids,
            employer_id: stored.employer_id,
            attested: Attested {
                title: stored.title,
                employer_name: stored.employer_name,
                start_date: stored.start_date,
                end_date: stored.end_date,
                student_name: stored.personal.student_name,
            },
            figures: stored.figures,
            ratings: stored.ratings,
        }
    }
}

impl From<CertificateReissuedV1> for Event {
    fn from(stored: CertificateReissuedV1) -> Self {
        Self::CertificateReissued {
            ids: stored.ids,
            certificate_id: stored.certificate_id,
            version: stored.version,
            wording: stored.wording,
        }
    }
}
