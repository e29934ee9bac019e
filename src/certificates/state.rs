//! The state of a certification.

use std::collections::BTreeSet;

use serde::Serialize;
use uuid::Uuid;

use super::events::{Attested, Event, Issued};
use crate::kernel::PlacementIds;

/// A certificate of the placement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Its id.
    pub certificate_id: Uuid,
    /// How often it was worded, from 1.
    pub version: u32,
    /// It holds no more.
    pub revoked: bool,
    /// What stands in its place.
    pub replaced_by: Option<Uuid>,
}

/// The certification of one placement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Certification {
    /// Whose it is.
    #[serde(flatten)]
    pub(super) ids: PlacementIds,
    /// Whose internship it was.
    pub(super) employer_id: Uuid,
    /// What a certificate says; none before eligibility.
    pub(super) attested: Option<Attested>,
    /// Partners that may issue.
    pub(super) partners: BTreeSet<Uuid>,
    /// Oldest first: each but the last is revoked and replaced by the next.
    pub(super) certificates: Vec<Certificate>,
}

impl Certification {
    /// The certificate of that id.
    pub(super) fn certificate(&self, id: Uuid) -> Option<&Certificate> {
        self.certificates
            .iter()
            .find(|known| known.certificate_id == id)
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::EligibilityEstablished {
                ids,
                employer_id,
                attested,
                ..
            } => {
                self.ids = *ids;
                self.employer_id = *employer_id;
                self.attested = Some(attested.clone());
            }
            Event::IssuingDelegated { partner_id, .. } => {
                self.partners.insert(*partner_id);
            }
            Event::DelegationWithdrawn { partner_id, .. } => {
                self.partners.remove(partner_id);
            }
            Event::CertificateIssued { issued, .. } => self.add(issued),
            Event::CertificateReissued {
                certificate_id,
                version,
                ..
            } => self.change(*certificate_id, |known| known.version = *version),
            Event::CertificateRevoked { certificate_id, .. } => {
                self.change(*certificate_id, |known| known.revoked = true);
            }
            Event::CertificateReplaced {
                revoked_certificate_id,
                issued,
                ..
            } => {
                let new = issued.certificate_id;
                self.change(*revoked_certificate_id, |known| {
                    known.replaced_by = Some(new);
                });
                self.add(issued);
            }
        }
    }

    fn add(&mut self, issued: &Issued) {
        self.certificates.push(Certificate {
            certificate_id: issued.certificate_id,
            version: Issued::VERSION,
            revoked: false,
            replaced_by: None,
        });
    }

    fn change(&mut self, id: Uuid, change: impl FnOnce(&mut Certificate)) {
        let mut all = self.certificates.iter_mut();
        if let Some(certificate) = all.find(|known| known.certificate_id == id) {
            change(certificate);
        }
    }
}
