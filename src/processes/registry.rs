//! Which processes there are.

use std::collections::HashSet;
use std::sync::Arc;

use super::{
    Acceptance, FinalKpis, OfferExpiry, PlacementLife, Process, ProcessStore, Rooms, Submission,
    acceptance, final_kpis, placement_life,
};

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
