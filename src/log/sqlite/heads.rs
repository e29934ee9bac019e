//! What the writer remembers of streams, so that a hot append asks the database nothing.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use uuid::Uuid;

use crate::kernel::{Revision, StreamName};
use crate::log::rules::TOMBSTONE_REVISION;

/// Streams of one generation; two are kept. About 200 bytes each: 1.6 MiB.
const HEADS: usize = 4096;

/// Streams of one generation whose recent ids are known; two are kept. About 2 KiB each: 2 MiB.
const RECENTS: usize = 512;

/// Ids known of a stream for appends at no particular revision.
pub(super) const RECENT_IDS: usize = 64;

/// Where a stream stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Its number; none until its first event.
    pub(super) id: Option<i64>,
    /// Its last revision.
    pub(super) last: Option<Revision>,
    /// The last revision of its metastream.
    pub(super) described: Option<Revision>,
    /// Deleted and not written since.
    pub(super) soft_deleted: bool,
}

impl Head {
    pub(super) fn tombstoned(&self) -> bool {
        self.last == Some(TOMBSTONE_REVISION)
    }
}

/// The streams used last.
pub(super) type Heads = Generations<StreamName, Head>;

/// A new cache of heads.
pub(super) fn heads() -> Heads {
    Generations::new(HEADS)
}

/// The last ids of streams that are appended to at no particular revision, by stream number.
pub(super) type Recents = Generations<i64, Recent>;

/// A new cache of ids.
pub(super) fn recents() -> Recents {
    Generations::new(RECENTS)
}

/// The last [`RECENT_IDS`] events of a stream, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<(Uuid, Revision)>);

impl Recent {
    pub(super) fn push(&mut self, id: Uuid, revision: Revision) {
        if self.0.len() == RECENT_IDS {
            self.0.pop_front();
        }
        self.0.push_back((id, revision));
    }

    /// The latest revision with this id.
    pub(super) fn revision_of(&self, id: Uuid) -> Option<Revision> {
        let mut newest_first = self.0.iter().rev();
        newest_first
            .find(|known| known.0 == id)
            .map(|known| known.1)
    }
}

/// A bounded map that forgets what was not used lately: full, the young generation becomes the old one, and the
/// old one is dropped.
#[derive(Debug)]
pub(super) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    limit: usize,
}

impl<K: Eq + Hash + Clone, V> Generations<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            limit,
        }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.put(key, value);
        }
        self.young.get_mut(key)
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.limit {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_is_forgotten() {
        let mut map = Generations::new(2);
        for key in 0..100 {
            map.put(key, key);
            assert_eq!(map.get(&0).copied(), Some(0), "after {key}");
        }
        assert_eq!(map.get(&50), None);
        assert!(map.young.len() + map.old.len() <= 4);
    }

    #[test]
    fn a_removed_key_is_gone_from_both_generations() {
        let mut map = Generations::new(1);
        map.put(1, 1);
        map.put(2, 2);
        map.remove(&1);
        map.remove(&2);
        assert_eq!(map.get(&1), None);
        assert_eq!(map.get(&2), None);
    }

    #[test]
    fn the_newest_of_equal_ids_is_answered_and_old_ones_are_forgotten() {
        let mut recent = Recent::default();
        let id = Uuid::from_u128;
        recent.push(id(1), 0);
        recent.push(id(1), 1);
        assert_eq!(recent.revision_of(id(1)), Some(1));
        for revision in 2..66 {
            recent.push(id(2), revision);
        }
        assert_eq!(recent.revision_of(id(1)), None);
    }
}
