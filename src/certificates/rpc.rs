//! `annals.certificates.v1.CertificatesService`: requests as commands, and the public verification.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tonic::{Code, Request, Response, Status, async_trait};

use super::code::VerificationCode;
use super::decide::{Command, Issue};
use super::gate::Gate;
use super::register::{CertificateRegister, Found, unknown};
use super::state::{Certificate, Certification};
use crate::command_requests;
use crate::grpc::{Desk, from_command_error, from_read_error, overloaded, with_reason};
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
        let found = self.look_up(code.key()).await?;
        let status = self.status(&found).await?;
        Ok(Response::new(answer(found, status)))
    }
}

impl Certificates {
    /// The register may not have come to what was just issued: no code is unknown before it has seen all there is now.
    async fn look_up(&self, key: &str) -> Result<Found, Status> {
        if let Some(found) = self.register.by_code(key).await? {
            return Ok(found);
        }
        let head = self.desk.handler().log().head().await;
        let head = head.map_err(|error| from_read_error(&error))?;
        self.register.reach(head).await?;
        self.register.by_code(key).await?.ok_or_else(unknown)
    }

    /// Read from the stream: the register may not have come to what was just revoked.
    async fn status(&self, found: &Found) -> Result<CertificateStatus, Status> {
        let state = self.desk.handler().state(found.placement_id).await;
        let state = state.map_err(|error| from_command_error(&error))?;
        let certificate = state
            .as_ref()
            .and_then(|state| state.certificate(found.certificate_id));
        let Some(certificate) = certificate else {
            tracing::error!(certificate = %found.certificate_id, "certificate_register knows what the log does not");
            return Err(unknown());
        };
        Ok(match certificate {
            Certificate {
                replaced_by: Some(_),
                ..
            } => CertificateStatus::Replaced,
            Certificate { revoked: true, .. } => CertificateStatus::Revoked,
            Certificate { .. } => CertificateStatus::Valid,
        })
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

fn answer(found: Found, status: CertificateStatus) -> VerifyCertificateResponse {
    VerifyCertificateResponse {
        status: status.into(),
        holder_name: found.holder_name,
        internship_title: found.internship_title,
        employer_name: found.employer_name,
        start_date: found.start_date,
        end_date: found.end_date,
        issuer_name: found.issuer_name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(draw().unwrap(), draw().unwrap());
    }
}
