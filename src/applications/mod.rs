//! Applications: from submission to acceptance, and the one placement that a student may hold.
//!
//! ```text
//! submitted ─> shortlisted ─> interview scheduled ─> interview completed ─> offered ─> accepted
//!     └────────────┴─> withdrawn (student)              └────────────────┐     │           └─> rescinded (system)
//! any before accepted ─> rejected (employer), closed (system)            │     ├─> declined (student)
//!                                                                        │     └─> expired (system)
//! ```
//!
//! Two aggregates: an [`Application`] knows its own life; a [`Candidacy`], one per student, knows which internships the
//! student applied to and which placement they hold. Whatever must be unique per student is decided by the
//! candidacy, so no race between two applications can break it. What touches both goes through [`coordinate`].
//!
//! Does: decide on applications, keep what was listed and said when the student applied.
//! Does not: start a placement (a process does), or know what became of it (it is told by a release).

pub mod candidacy;
pub mod coordinate;
#[cfg(test)]
mod coordinate_tests;
mod decide;
mod events;
mod fields;
mod refusal;
mod rpc;
mod state;
#[cfg(test)]
mod tests;
mod wire;

pub use candidacy::Candidacy;
pub use coordinate::{Acceptance, Coordinator};
pub use decide::Command;
pub use events::{Event, Ids, Listing, Profile, Submission};
pub use refusal::Refusal;
pub use rpc::Applications;
pub use state::{Application, Known, Offer, Status};
