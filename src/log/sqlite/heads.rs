//! What the writer remembers of streams, so that a hot append asks the database nothing.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use foldhash::fast::RandomState;
use uuid::Uuid;

use crate::kernel::{Revision, StreamName};
use crate::log::rules::TOMBSTONE_REVISION;

/// Streams of one generation; two are kept. About 200 bytes each: 1.6 MiB.
const HEADS: usize = 4096;

/// Event ids of one generation; two are kept. 24 bytes each: 1.5 MiB.
const IDS: usize = 32_768;

/// Ids remembered of a stream at least, while it is remembered; its largest append is remembered whole. A scan of so many
/// takes a third of a microsecond.
pub(super) const IDS_OF_STREAM: usize = 512;

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
#[derive(Debug, Default)]
pub(super) struct Recents {
    young: HashMap<i64, Recent, RandomState>,
    old: HashMap<i64, Recent, RandomState>,
    /// Ids in the young generation.
    ids: usize,
}

impl Recents {
    pub(super) fn get(&mut self, stream: i64) -> Option<&mut Recent> {
        if !self.young.contains_key(&stream) {
            let recent = self.old.remove(&stream)?;
            self.put(stream, recent);
        }
        self.young.get_mut(&stream)
    }

    pub(super) fn put(&mut self, stream: i64, recent: Recent) {
        self.turn();
        self.ids += recent.ids.len();
        self.young.insert(stream, recent);
    }

    fn turn(&mut self) {
        if self.ids >= IDS {
            self.old = std::mem::take(&mut self.young);
            self.ids = 0;
        }
    }

    /// Adds an event that is the `of`-th part of an append, if the stream is remembered.
    pub(super) fn note(&mut self, stream: i64, id: Uuid, revision: Revision, of: usize) {
        if let Some(recent) = self.get(stream) {
            let before = recent.ids.len();
            recent.push(id, revision, of);
            let grown = recent.ids.len().saturating_sub(before);
            self.ids += grown;
        }
        self.turn();
    }
}

/// The last events of a stream, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    ids: VecDeque<(Uuid, Revision)>,
    largest_append: usize,
}

impl Recent {
    /// Adds an event of an append of `of` events.
    pub(super) fn push(&mut self, id: Uuid, revision: Revision, of: usize) {
        self.largest_append = self.largest_append.max(of);
        if self.ids.len() >= self.largest_append.max(IDS_OF_STREAM) {
            self.ids.pop_front();
        }
        self.ids.push_back((id, revision));
    }

    /// The first revision with this id (`EventStoreDB`'s rule: what was known first stays).
    pub(super) fn revision_of(&self, id: Uuid) -> Option<Revision> {
        let mut oldest_first = self.ids.iter();
        oldest_first
            .find(|known| known.0 == id)
            .map(|known| known.1)
    }
}

/// A bounded map that forgets what was not used lately: full, the young generation becomes the old one, and the
/// old one is dropped.
#[derive(Debug)]
pub(super) struct Generations<K, V> {
    young: HashMap<K, V, RandomState>,
    old: HashMap<K, V, RandomState>,
    limit: usize,
}

impl<K: Eq + Hash + Clone, V> Generations<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
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
    fn the_first_of_equal_ids_is_answered_and_old_ones_are_forgotten() {
        let mut recent = Recent::default();
        let id = Uuid::from_u128;
        recent.push(id(1), 0, 1);
        recent.push(id(1), 1, 1);
        assert_eq!(recent.revision_of(id(1)), Some(0));
        for revision in 2..2 + IDS_OF_STREAM as u64 {
            recent.push(id(2), revision, 1);
        }
        assert_eq!(recent.revision_of(id(1)), None);
    }

    #[test]
    fn a_large_append_is_remembered_whole_and_all_ids_stay_within_bounds() {
        let mut recents = Recents::default();
        for stream in 0..100 {
            recents.put(stream, Recent::default());
            for revision in 0..1000 {
                recents.note(stream, Uuid::from_u128(revision.into()), revision, 1000);
            }
            let recent = recents.get(stream).unwrap();
            assert_eq!(recent.revision_of(Uuid::nil()), Some(0));
        }
        let kept = |map: &HashMap<i64, Recent, RandomState>| {
            map.values().map(|r| r.ids.len()).sum::<usize>()
        };
        assert!(kept(&recents.young) + kept(&recents.old) <= 2 * (IDS + 1000));
        assert!(recents.get(0).is_none());
    }
}
