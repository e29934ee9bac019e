//! `annals.certificates.v1.CertificatesService`: requests as commands, and the public verification.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tonic::{Code, Request, Response, Status, async_trait};

use super::code::VerificationCode;
use super::decide::{Command, Issue};
use super::gate::Gate;
use super::state::Certification;
use crate::command_requests;
use crate::grpc::{Desk, overloaded, with_reason};
use crate::projection::Reads;
use crate::proto::annals::certificates::v1::certificates_service_server::CertificatesService;
use crate::proto::annals::certificates::v1::{
    CertificateStatus, DelegateIssuingRequest, IssueCertificateRequest, ReissueCertificateRequest,
    ReplaceCertificateRequest, RevokeCertificateRequest, VerifyCertificateRequest,
    VerifyCertificateResponse, WithdrawDelegationRequest,
};
use crate::proto::annals::common::v1::CommandReply;

command_requests!(
    DelegateIssuingRequest,
    WithdrawDelegationRequest,
    IssueCertificateRequest,
    ReissueCertificateRequest,
    RevokeCertificateRequest,
    ReplaceCertificateRequest
);

/// Longest issuer's name, in characters.
const MAX_NAME_CHARS: usize = 200;
/// Longest wording, in characters.
const MAX_WORDING_CHARS: usize = 1_000;

/// Where certificates are looked up: a read model, since the code does not tell the placement.
#[async_trait]
pub trait CertificateRegister: Send + Sync + 'static {
    /// The certificate of that code ([`VerificationCode::key`]).
    ///
    /// # Errors
    /// Where the read model cannot answer.
    async fn by_code(&self, key: &str) -> Result<Option<Found>, Status>;
}

#[async_trait]
impl CertificateRegister for Reads {
    async fn by_code(&self, key: &str) -> Result<Option<Found>, Status> {
        let rows = self
            .all("certificate_register", "by_code", &[("code", key.into())])
            .await?;
        Ok(rows.first().map(|row| Found {
            status: row.text("status"),
            holder_name: row.text("holder_name"),
            internship_title: row.text("internship_title"),
            employer_name: row.text("employer_name"),
            start_date: row.text("start_date"),
            end_date: row.text("end_date"),
            issuer_name: row.text("issuer_name"),
        }))
    }
}

/// What the register knows of a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// `VALID`, `REVOKED` or `REPLACED`.
    pub status: String,
    /// The holder's name.
    pub holder_name: String,
    /// The internship's title.
    pub internship_title: String,
    /// The employer's name.
    pub employer_name: String,
    /// First day, `YYYY-MM-DD`.
    pub start_date: String,
    /// Last day, `YYYY-MM-DD`.
    pub end_date: String,
    /// Who attests.
    pub issuer_name: String,
}

/// The certificates service.
pub struct Certificates {
    desk: Desk<Certification>,
    register: Arc<dyn CertificateRegister>,
    gate: Gate,
}

impl Certificates {
    /// Serves the certifications behind `desk`; verifications read `register` and pass `gate`.
    #[must_use]
    pub fn new(
        desk: Desk<Certification>,
        register: Arc<dyn CertificateRegister>,
        gate: Gate,
    ) -> Self {
        Self {
            desk,
            register,
            gate,
        }
    }
}

#[async_trait]
impl CertificatesService for Certificates {
    async fn delegate_issuing(
        &self,
        request: Request<DelegateIssuingRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        self.desk
            .run("certificates.DelegateIssuing", request, |m, fields| {
                let placement = fields.uuid("placement_id", &m.placement_id);
                let partner_id = fields.uuid("partner_id", &m.partner_id);
                (placement, Command::DelegateIssuing { partner_id })
            })
            .await
    }

    async fn withdraw_delegation(
        &self,
        request: Request<WithdrawDelegationRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        self.desk
            .run("certificates.WithdrawDelegation", request, |m, fields| {
                let placement = fields.uuid("placement_id", &m.placement_id);
                let partner_id = fields.uuid("partner_id", &m.partner_id);
                fields.reason("reason", &m.reason);
                (placement, Command::WithdrawDelegation { partner_id })
            })
            .await
    }

    async fn issue_certificate(
        &self,
        request: Request<IssueCertificateRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        let code = draw()?;
        self.desk
            .run("certificates.IssueCertificate", request, |m, fields| {
                let placement = fields.uuid("placement_id", &m.placement_id);
                let issue = Issue {
                    certificate_id: fields.uuid("certificate_id", &m.certificate_id),
                    issuer_name: fields.text("issuer_name", &m.issuer_name, 1..=MAX_NAME_CHARS),
                    code,
                };
                (placement, Command::IssueCertificate(issue))
            })
            .await
    }

    async fn reissue_certificate(
        &self,
        request: Request<ReissueCertificateRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        self.desk
            .run("certificates.ReissueCertificate", request, |m, fields| {
                let placement = fields.uuid("placement_id", &m.placement_id);
                let command = Command::ReissueCertificate {
                    certificate_id: fields.uuid("certificate_id", &m.certificate_id),
                    wording: fields.text("wording", &m.wording, 1..=MAX_WORDING_CHARS),
                };
                fields.reason("reason", &m.reason);
                (placement, command)
            })
            .await
    }

    async fn revoke_certificate(
        &self,
        request: Request<RevokeCertificateRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        self.desk
            .run("certificates.RevokeCertificate", request, |m, fields| {
                let placement = fields.uuid("placement_id", &m.placement_id);
                let certificate_id = fields.uuid("certificate_id", &m.certificate_id);
                fields.reason("reason", &m.reason);
                (placement, Command::RevokeCertificate { certificate_id })
            })
            .await
    }

    async fn replace_certificate(
        &self,
        request: Request<ReplaceCertificateRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        let code = draw()?;
        self.desk
            .run("certificates.ReplaceCertificate", request, |m, fields| {
                let placement = fields.uuid("placement_id", &m.placement_id);
                let revoked = &m.revoked_certificate_id;
                let command = Command::ReplaceCertificate {
                    revoked_certificate_id: fields.uuid("revoked_certificate_id", revoked),
                    issue: Issue {
                        certificate_id: fields.uuid("certificate_id", &m.certificate_id),
                        issuer_name: fields.text("issuer_name", &m.issuer_name, 1..=MAX_NAME_CHARS),
                        code,
                    },
                };
                fields.reason("reason", &m.reason);
                (placement, command)
            })
            .await
    }

    async fn verify_certificate(
        &self,
        request: Request<VerifyCertificateRequest>,
    ) -> Result<Response<VerifyCertificateResponse>, Status> {
        // Only a test without a socket has no address.
        let peer = request.remote_addr().map(|peer| peer.ip());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.gate
            .pass(peer)
            .map_err(|wait| overloaded("too many verifications from this address", wait))?;
        // What cannot be a code is no certificate's: the answer tells no more than for a wrong one.
        let code = VerificationCode::parse(&request.into_inner().code).ok_or_else(unknown)?;
        let found = self
            .register
            .by_code(code.key())
            .await?
            .ok_or_else(unknown)?;
        Ok(Response::new(answer(found)?))
    }
}

/// A new code from the system's generator. It is no part of the request, so a retry keeps the first one.
fn draw() -> Result<VerificationCode, Status> {
    let mut random = [0; VerificationCode::RANDOM_BYTES];
    if aws_lc_rs::rand::fill(&mut random).is_err() {
        tracing::error!("the system gives no random numbers");
        return Err(with_reason(
            Code::Unavailable,
            "INTERNAL",
            "no verification code can be drawn",
            "tell the operator, and try again",
        ));
    }
    Ok(VerificationCode::from_random(random))
}

fn unknown() -> Status {
    with_reason(
        Code::NotFound,
        "CERTIFICATE_UNKNOWN",
        "no certificate has this code",
        "check the code as it is printed on the certificate",
    )
}

fn answer(found: Found) -> Result<VerifyCertificateResponse, Status> {
    let status = match found.status.as_str() {
        "VALID" => CertificateStatus::Valid,
        "REVOKED" => CertificateStatus::Revoked,
        "REPLACED" => CertificateStatus::Replaced,
        other => {
            tracing::error!(status = other, "certificate_register has an unknown status");
            return Err(Status::internal("the certificate's status cannot be read"));
        }
    };
    Ok(VerifyCertificateResponse {
        status: status.into(),
        holder_name: found.holder_name,
        internship_title: found.internship_title,
        employer_name: found.employer_name,
        start_date: found.start_date,
        end_date: found.end_date,
        issuer_name: found.issuer_name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(draw().unwrap(), draw().unwrap());
    }

    #[test]
    fn every_status_of_the_register_has_its_answer_and_no_other_is_told() {
        for (status, told) in [
            ("VALID", CertificateStatus::Valid),
            ("REVOKED", CertificateStatus::Revoked),
            ("REPLACED", CertificateStatus::Replaced),
        ] {
            let found = Found {
                status: status.to_owned(),
                ..Found::default()
            };
            assert_eq!(answer(found).unwrap().status(), told);
        }
        assert!(answer(Found::default()).is_err());
    }
}
