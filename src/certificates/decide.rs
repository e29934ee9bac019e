//! What a certification can be asked.

use uuid::Uuid;

use super::code::VerificationCode;
use super::events::{Attested, Event, Issued};
use super::refused::Refused;
use super::state::{Certificate, Certification};
use crate::kernel::{Aggregate, Context, Figures, Owners, PlacementIds, Ratings, Role};

/// A certificate to be issued.
#[derive(Debug, Clone)]
pub struct Issue {
    /// Its id.
    pub certificate_id: Uuid,
    /// Who attests.
    pub issuer_name: String,
    /// Drawn by the server, not by the client.
    pub code: VerificationCode,
}

/// What a certification can be asked.
#[derive(Debug, Clone)]
pub enum Command {
    /// The placement was completed.
    EstablishEligibility {
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
    /// An admin lets a partner issue.
    DelegateIssuing {
        /// Whom.
        partner_id: Uuid,
    },
    /// An admin takes that back; the context has the reason.
    WithdrawDelegation {
        /// From whom.
        partner_id: Uuid,
    },
    /// Issues the certificate, once.
    IssueCertificate(Issue),
    /// A new version; the context has the reason.
    ReissueCertificate {
        /// Of which.
        certificate_id: Uuid,
        /// What changes: wording or branding.
        wording: String,
    },
    /// Revokes finally; the context has the reason.
    RevokeCertificate {
        /// Which.
        certificate_id: Uuid,
    },
    /// Issues another in the place of a revoked one; the context has the reason.
    ReplaceCertificate {
        /// The revoked one.
        revoked_certificate_id: Uuid,
        /// The new one.
        issue: Issue,
    },
}

impl Aggregate for Certification {
    type Command = Command;
    type Event = Event;
    type Refusal = Refused;

    const CATEGORY: &'static str = "certification";

    fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Refused> {
        match command {
            Command::EstablishEligibility {
                ids,
                employer_id,
                attested,
                figures,
                ratings,
            } => Ok(self.establish(Event::EligibilityEstablished {
                ids: *ids,
                employer_id: *employer_id,
                attested: attested.clone(),
                figures: *figures,
                ratings: *ratings,
            })),
            Command::DelegateIssuing { partner_id } => self.delegate(*partner_id),
            Command::WithdrawDelegation { partner_id } => self.withdraw(*partner_id, context),
            Command::IssueCertificate(issue) => self.issue(issue, context),
            Command::ReissueCertificate {
                certificate_id,
                wording,
            } => self.reissue(*certificate_id, wording, context),
            Command::RevokeCertificate { certificate_id } => self.revoke(*certificate_id, context),
            Command::ReplaceCertificate {
                revoked_certificate_id,
                issue,
            } => self.replace(*revoked_certificate_id, issue, context),
        }
    }

    fn evolve(&mut self, event: &Event) {
        self.apply(event);
    }

    fn owners(&self) -> Owners {
        if self.attested.is_none() {
            return Owners::default();
        }
        Owners {
            student: Some(self.ids.student_id),
            employer: Some(self.employer_id),
            partners: self.partners.iter().copied().collect(),
        }
    }
}

impl Certification {
    fn establish(&self, established: Event) -> Vec<Event> {
        if self.attested.is_some() {
            return Vec::new();
        }
        vec![established]
    }

    fn delegate(&self, partner_id: Uuid) -> Result<Vec<Event>, Refused> {
        self.attested()?;
        if self.partners.contains(&partner_id) {
            return Ok(Vec::new());
        }
        Ok(vec![Event::IssuingDelegated {
            ids: self.ids,
            partner_id,
        }])
    }

    fn withdraw(&self, partner_id: Uuid, context: &Context) -> Result<Vec<Event>, Refused> {
        with_reason(context)?;
        self.attested()?;
        if !self.partners.contains(&partner_id) {
            return Err(Refused::NotDelegated(partner_id));
        }
        Ok(vec![Event::DelegationWithdrawn {
            ids: self.ids,
            partner_id,
        }])
    }

    /// Once per placement, revoked ones included: what comes after a revocation is a replacement.
    fn issue(&self, issue: &Issue, context: &Context) -> Result<Vec<Event>, Refused> {
        let attested = self.attested()?;
        self.may_issue(context)?;
        if let Some(first) = self.certificates.first() {
            return Err(Refused::AlreadyIssued(first.certificate_id));
        }
        Ok(vec![Event::CertificateIssued {
            ids: self.ids,
            issued: issue.of(attested),
        }])
    }

    fn reissue(
        &self,
        certificate_id: Uuid,
        wording: &str,
        context: &Context,
    ) -> Result<Vec<Event>, Refused> {
        with_reason(context)?;
        self.may_issue(context)?;
        let certificate = self.standing(certificate_id)?;
        Ok(vec![Event::CertificateReissued {
            ids: self.ids,
            certificate_id,
            version: certificate.version + 1,
            wording: wording.to_owned(),
        }])
    }

    fn revoke(&self, certificate_id: Uuid, context: &Context) -> Result<Vec<Event>, Refused> {
        with_reason(context)?;
        self.standing(certificate_id)?;
        Ok(vec![Event::CertificateRevoked {
            ids: self.ids,
            certificate_id,
        }])
    }

    fn replace(
        &self,
        revoked_certificate_id: Uuid,
        issue: &Issue,
        context: &Context,
    ) -> Result<Vec<Event>, Refused> {
        with_reason(context)?;
        let attested = self.attested()?;
        self.may_issue(context)?;
        let Some(revoked) = self.certificate(revoked_certificate_id) else {
            return Err(Refused::Unknown(revoked_certificate_id));
        };
        if !revoked.revoked {
            return Err(Refused::AlreadyIssued(revoked_certificate_id));
        }
        if let Some(standing) = revoked.replaced_by {
            return Err(Refused::AlreadyIssued(standing));
        }
        if self.certificate(issue.certificate_id).is_some() {
            return Err(Refused::IdTaken(issue.certificate_id));
        }
        Ok(vec![Event::CertificateReplaced {
            ids: self.ids,
            revoked_certificate_id,
            issued: issue.of(attested),
        }])
    }

    fn attested(&self) -> Result<&Attested, Refused> {
        self.attested.as_ref().ok_or(Refused::NotEligible)
    }

    /// A delegation that was withdrawn while the request was under way does not hold.
    fn may_issue(&self, context: &Context) -> Result<(), Refused> {
        let actor = context.actor;
        if actor.role == Role::Partner && !self.partners.contains(&actor.id) {
            return Err(Refused::MayNotIssue);
        }
        Ok(())
    }

    fn standing(&self, certificate_id: Uuid) -> Result<&Certificate, Refused> {
        match self.certificate(certificate_id) {
            None => Err(Refused::Unknown(certificate_id)),
            Some(certificate) if certificate.revoked => Err(Refused::Revoked(certificate_id)),
            Some(certificate) => Ok(certificate),
        }
    }
}

impl Issue {
    fn of(&self, attested: &Attested) -> Issued {
        Issued {
            certificate_id: self.certificate_id,
            code: self.code.clone(),
            issuer_name: self.issuer_name.clone(),
            attested: attested.clone(),
        }
    }
}

fn with_reason(context: &Context) -> Result<(), Refused> {
    match &context.reason {
        Some(reason) if !reason.trim().is_empty() => Ok(()),
        Some(_) | None => Err(Refused::ReasonRequired),
    }
}
