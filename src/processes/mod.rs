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
mod final_kpis;
mod lane;
mod offer_expiry;
mod parked;
mod placement_life;
mod process;
mod rooms;
mod runner;
mod settle;
mod store;
mod submission;
#[cfg(test)]
mod tests;

pub use acceptance::Acceptance;
pub use final_kpis::FinalKpis;
pub use offer_expiry::OfferExpiry;
pub use placement_life::PlacementLife;
pub use process::{Process, ProcessError, Source};
pub use rooms::Rooms;
pub use runner::{ProcessStatus, Processes};
pub use settle::LONGEST_CHAIN;
pub use store::{ParkedEvent, ProcessStore, StoreError, Timer};
pub use submission::Submission;

use std::collections::HashSet;
use std::sync::Arc;

/// All processes.
#[must_use]
pub fn all(rooms: &Arc<Rooms>, store: &Arc<ProcessStore>) -> Vec<Arc<dyn Process>> {
    vec![
        Arc::new(Submission::new(rooms.coordinator.clone())),
        Arc::new(Acceptance::new(Arc::clone(rooms))),
        Arc::new(PlacementLife::new(Arc::clone(rooms))),
        Arc::new(FinalKpis::new(Arc::clone(rooms))),
        Arc::new(OfferExpiry::new(Arc::clone(rooms), Arc::clone(store))),
    ]
}

/// The event types that make another service do something: after those a client may want to wait for the processes.
#[must_use]
pub fn followed() -> HashSet<&'static str> {
    [
        acceptance::SOURCES,
        placement_life::SOURCES,
        final_kpis::SOURCES,
    ]
    .into_iter()
    .flatten()
    .flat_map(|source| source.event_types)
    .copied()
    .collect()
}
