//! Runs: how the table of the stream index says where events lie. A row is a run: revisions of a stream that follow each other.
//!
//! ```text
//!   stream  revision  position  rest
//!        7         0        41                 revision 0 lies at 41
//!        7         1        60  2 · 3 · 8      revisions 1, 2 and 3 lie at 60, 63 and 71
//! ```
//!
//! `rest` is empty, or holds how many revisions follow and then how far the event of each lies behind that of the one before,
//! all as varints of Protocol Buffers. The number is there so that no flipped bit makes a run look shorter.
//!
//! A row is never changed, and removed when none of its events is left: until then it may lead to some that the scavenger took.

use prost::encoding::{decode_varint, encode_varint};
use rusqlite::{Connection, Result, Row};

use super::rows::{from_column, to_column};
use super::unwritten::Entry;
use crate::kernel::Revision;

/// Revisions of a run at most: with the longest varints a row still fits a page four times. Part of the schema, because after a
/// crash the same events have to make the same runs, or longer ones.
const RUN_REVISIONS: usize = 128;

/// The runs of stream ?1 that begin at revision ?2 or before, the last one first.
pub(super) const DOWNWARDS: &str = "SELECT revision, position, rest FROM stream_index
     WHERE stream = ?1 AND revision <= ?2 ORDER BY revision DESC";

/// The runs of stream ?1 that have revisions from ?2 to ?3, the first one first.
pub(super) const UPWARDS: &str = "SELECT revision, position, rest FROM stream_index
     WHERE stream = ?1 AND revision <= ?3 AND revision >= coalesce(
        (SELECT max(revision) FROM stream_index WHERE stream = ?1 AND revision <= ?2), ?2)
     ORDER BY revision";

/// Runs of entries that are in order.
pub(super) fn runs(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    entries
        .chunk_by(|((stream, revision), position), (next, next_position)| {
            *next == (*stream, revision.wrapping_add(1)) && next_position > position
        })
        .flat_map(|follow_each_other| follow_each_other.chunks(RUN_REVISIONS))
}

/// Puts what a row says of all entries of a run but the first into `rest`.
pub(super) fn put_rest(run: &[Entry], rest: &mut Vec<u8>) {
    rest.clear();
    if run.len() > 1 {
        encode_varint((run.len() - 1) as u64, rest);
    }
    for pair in run.windows(2) {
        if let [(_, before), (_, position)] = pair {
            encode_varint(position - before, rest);
        }
    }
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Run {
    first: Revision,
    positions: Vec<u64>,
}

/// The last run of a stream that begins at `revision` or before.
pub(super) fn below(
    connection: &Connection,
    stream: i64,
    revision: Revision,
) -> Result<Option<Run>> {
    let mut statement = connection.prepare_cached(DOWNWARDS)?;
    let mut rows = statement.query([stream, to_column(revision)])?;
    rows.next()?.map(Run::of).transpose()
}

/// What `rest` says makes no sense.
#[derive(Debug)]
pub(super) struct Malformed;

impl Run {
    /// What the first columns of `row` say: `revision`, `position`, `rest`.
    pub(super) fn of(row: &Row<'_>) -> Result<Self> {
        let (first, position) = (from_column(row.get(0)?), from_column(row.get(1)?));
        let rest = row.get_ref(2)?.as_blob().unwrap_or_default();
        Self::from(first, position, rest).map_err(|Malformed| {
            super::index::corrupt(format!(
                "the stream index says where revision {first} lies, at {position}, and of those after it nothing that makes sense"
            ))
        })
    }

    pub(super) fn from(
        first: Revision,
        position: u64,
        rest: &[u8],
    ) -> std::result::Result<Self, Malformed> {
        let mut positions = Vec::new();
        let mut left = rest;
        let next = |left: &mut &[u8]| decode_varint(left).map_err(|_| Malformed);
        let count = if left.is_empty() { 0 } else { next(&mut left)? };
        // No longer than what may follow, whatever it says.
        positions.reserve_exact(left.len().min(RUN_REVISIONS) + 1);
        positions.push(position);
        let mut at = position;
        for _ in 0..count {
            at = at.checked_add(next(&mut left)?).ok_or(Malformed)?;
            positions.push(at);
        }
        // Beyond are those that were read from negative numbers.
        let in_bounds = |number: u64| i64::try_from(number).is_ok();
        let last = first.checked_add(count);
        let whole = left.is_empty() && in_bounds(at) && last.is_some_and(in_bounds);
        whole.then_some(Self { first, positions }).ok_or(Malformed)
    }

    /// Its first revision.
    pub(super) fn first(&self) -> Revision {
        self.first
    }

    /// Its last revision, and where that lies.
    pub(super) fn last(&self) -> (Revision, u64) {
        let before = self.positions.len().saturating_sub(1);
        let position = self.positions.last().copied().unwrap_or_default();
        (self.first + before as u64, position)
    }

    /// Where the event of a revision lies.
    pub(super) fn at(&self, revision: Revision) -> Option<u64> {
        let place = usize::try_from(revision.checked_sub(self.first)?).ok()?;
        self.positions.get(place).copied()
    }

    /// Its revisions and their positions, in order.
    pub(super) fn entries(
        &self,
    ) -> impl DoubleEndedIterator<Item = (Revision, u64)> + ExactSizeIterator + '_ {
        let first = self.first;
        let entries = self.positions.iter().enumerate();
        // No overflow: seen to when the row was read.
        entries.map(move |(at, position)| (first + at as u64, *position))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(run: &[Entry]) -> (Revision, u64, Vec<u8>) {
        let mut rest = vec![7];
        put_rest(run, &mut rest);
        let ((_, first), position) = run[0];
        (first, position, rest)
    }

    #[test]
    fn one_event_needs_no_rest() {
        assert_eq!(row(&[((7, 3), 41)]), (3, 41, vec![]));
        assert_eq!(row(&[((7, 1), 60), ((7, 2), 63)]), (1, 60, vec![1, 3]));
    }

    proptest! {
        #[test]
        fn entries_come_back_whatever_their_runs(
            steps in prop::collection::vec((0..3i64, 1..3u64, 1..40_000u64), 1..700)
        ) {
            let mut last: Entry = ((1, 0), 1);
            let mut entries = vec![last];
            for (stream, revision, position) in steps {
                let ((before, at), lies) = last;
                last = if stream > 0 {
                    ((before, at + revision), lies + position)
                } else {
                    ((before + 1, 0), position)
                };
                entries.push(last);
            }
            let mut back = Vec::new();
            for run in runs(&entries) {
                prop_assert!(run.len() <= RUN_REVISIONS);
                let (first, position, rest) = row(run);
                let read = Run::from(first, position, &rest).unwrap();
                prop_assert_eq!(read.last(), (run.last().unwrap().0.1, run.last().unwrap().1));
                prop_assert_eq!(read.at(first + run.len() as u64), None);
                prop_assert_eq!(first.checked_sub(1).and_then(|before| read.at(before)), None);
                for (revision, position) in read.entries() {
                    prop_assert_eq!(read.at(revision), Some(position));
                    back.push(((run[0].0.0, revision), position));
                }
            }
            prop_assert_eq!(back, entries);
        }

        /// Also: nothing that a disk may say makes the program panic or take much memory.
        #[test]
        fn a_flipped_bit_never_shortens_a_run(
            steps in prop::collection::vec(1..3_000u64, 1..RUN_REVISIONS),
            (byte, bit) in (any::<prop::sample::Index>(), 0..8u32)
        ) {
            let mut entries = vec![((1, 5), 9)];
            for step in steps {
                let ((_, revision), position) = entries[entries.len() - 1];
                entries.push(((1, revision + 1), position + step));
            }
            let (first, position, mut rest) = row(&entries);
            let byte = byte.index(rest.len());
            rest[byte] ^= 1 << bit;
            if let Ok(run) = Run::from(first, position, &rest) {
                prop_assert_eq!(run.entries().len(), entries.len());
                let written = entries.iter().map(|(key, position)| (key.1, *position));
                prop_assert!(!run.entries().eq(written));
            }
        }

        #[test]
        fn whatever_the_disk_says_is_a_run_or_an_error(
            first: u64, position: u64, rest: Vec<u8>
        ) {
            if let Ok(run) = Run::from(first, position, &rest) {
                prop_assert!(run.entries().all(|(revision, at)| run.at(revision) == Some(at)));
            }
        }
    }
}
