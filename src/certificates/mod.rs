//! Eligibility, certificates issued, reissued, revoked, replaced, and their verification.
//!
//! ```text
//! (none) -EstablishEligibility-> eligible -IssueCertificate-> issued -RevokeCertificate-> revoked (final)
//!
//! issued  -ReissueCertificate->  issued, a version more: other wording or branding, the same code
//! revoked -ReplaceCertificate->  a new certificate, issued, with a new code, that refers to the revoked one
//! ```
//!
//! Does: keep the snapshot that a certificate attests for ever; issue once per placement; let at most one certificate
//! of a placement hold at a time; let anybody with a code see what it attests. Does not: compute anything of the
//! placement again, or let a client choose a code.

mod code;
mod decide;
mod events;
mod gate;
mod refused;
mod register;
mod rpc;
mod state;
#[cfg(test)]
mod tests;
mod wire;

pub use code::VerificationCode;
pub use decide::{Command, Issue};
pub use events::{Attested, Event, Issued};
pub use gate::Gate;
pub use refused::Refused;
pub use register::{CertificateRegister, Found};
pub use rpc::Certificates;
pub use state::{Certificate, Certification};
