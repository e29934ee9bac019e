//! A student's candidacy: to which internships they applied, and the one placement that they hold.
//!
//! ```text
//! ApplicationRegistered ──────────────> the application's own stream gets its first event
//!        └─> ApplicationAbandoned          (it could not: the id was taken)
//! PlacementClaimed ───────────────────> the application's stream gets OfferAccepted
//!        └─> PlacementReleased             (it could not, or the placement did not start, or it has ended)
//! ```
//!
//! One stream per student: of two claims that arrive at once, one is decided after the other, and refused.
//! Does not: follow an application's life. What it calls open is what it has not been told to be over.

mod decide;
mod events;
mod state;
#[cfg(test)]
mod tests;
mod wire;

pub use decide::{Command, Refusal};
pub use events::{Cause, Event};
pub use state::{Candidacy, Ended, Held, Registered};
