//! Processes (sagas): events of one service become commands of another.
//!
//! ```text
//!   log of a service ──subscribe──> batch ──by stream, in order──> handle ──> commands
//!                                                                     │
//!                       position committed after the commands <───────┘ or parked, with the stream's later events
//! ```
//!
//! One file a process: [`Submission`], [`Acceptance`], [`PlacementLife`], [`FinalKpis`], [`OfferExpiry`].
//!
//! At least once, with request ids that follow from the event: once in effect. A crash anywhere repeats the batch.
//! Does not: keep a state of its own beside the position, the timers and what is parked.

mod acceptance;
mod duty;
mod final_kpis;
mod lane;
mod lead;
mod lease;
mod offer_expiry;
mod parked;
mod placement_life;
mod process;
mod registry;
mod rooms;
mod runner;
mod settle;
mod store;
mod submission;
#[cfg(test)]
mod tests;

pub use acceptance::Acceptance;
pub use final_kpis::FinalKpis;
pub use lease::Lease;
pub use offer_expiry::OfferExpiry;
pub use placement_life::PlacementLife;
pub use process::{Process, ProcessError, Source};
pub use registry::{all, followed};
pub use rooms::Rooms;
pub use runner::{ProcessStatus, Processes};
pub use settle::LONGEST_CHAIN;
pub use store::{ParkedEvent, ProcessStore, StoreError, Timer};
pub use submission::Submission;
