//! The identity map: one slot per hot aggregate, so that commands of one stream wait for each other in memory
//! instead of conflicting in the log.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::hydrated::Hydrated;
use crate::kernel::Stored;

/// Holds one aggregate, or nothing yet. Two slots for one aggregate (after an eviction) are right, only slower.
pub(super) type Slot<A> = Arc<Mutex<Option<Hydrated<A>>>>;

#[derive(Debug)]
struct Entry<A> {
    slot: Slot<A>,
    weight: u64,
}

impl<A> Clone for Entry<A> {
    fn clone(&self) -> Self {
        Self {
            slot: Arc::clone(&self.slot),
            weight: self.weight,
        }
    }
}

#[derive(Debug, Clone)]
struct ByWeight;

impl<A> Weighter<Uuid, Entry<A>> for ByWeight {
    fn weight(&self, _id: &Uuid, entry: &Entry<A>) -> u64 {
        entry.weight
    }
}

/// The hot aggregates of one kind, bounded by the requests that they remember.
pub(super) struct Hot<A: Stored> {
    cache: Cache<Uuid, Entry<A>, ByWeight>,
}

impl<A: Stored> Hot<A> {
    /// `capacity`: in remembered requests, of about 200 bytes each.
    pub(super) fn new(capacity: u64) -> Self {
        // An estimate of the entries sizes the tables; they grow as needed.
        Self {
            cache: Cache::with_weighter(1_024, capacity, ByWeight),
        }
    }

    pub(super) fn slot(&self, id: Uuid) -> Slot<A> {
        if let Some(entry) = self.cache.get(&id) {
            return entry.slot;
        }
        let slot: Slot<A> = Arc::default();
        // A race here makes two slots of one aggregate, which only costs a conflict.
        self.cache.insert(
            id,
            Entry {
                slot: Arc::clone(&slot),
                weight: Hydrated::<A>::BARE,
            },
        );
        slot
    }

    /// Tells the map how heavy an aggregate has become.
    pub(super) fn reweigh(&self, id: Uuid, slot: &Slot<A>, weight: u64) {
        self.cache.insert(
            id,
            Entry {
                slot: Arc::clone(slot),
                weight,
            },
        );
    }

    pub(super) fn forget(&self, id: Uuid) {
        self.cache.remove(&id);
    }
}
