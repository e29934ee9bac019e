//! Concurrent histories, recorded and checked: is there one order of all operations on a stream that each saw, and that no clock
//! contradicts?
//!
//! An operation that shows the stream at a version (its last revision) after one that ended before it began had shown a later
//! version would contradict it, and so would two writes that made the same version. For versions that only grow by writes
//! this is all of linearizability: ordering by version, a version's write before its readers, then extends real time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{open, stream};
use crate::log::{AppendError, Direction, EventLog, Expected, NewEvent, ReadFrom, RecordedEvent};

const TASKS: u64 = 8;
const STEPS: u64 = 60;
const STREAMS: u64 = 3;

/// What an operation showed of a stream: how many events it had, and whether the last of them are its own.
#[derive(Debug, Clone)]
struct Seen {
    stream: u64,
    began: u64,
    ended: u64,
    /// Events before its own.
    before: u64,
    /// Events with its own.
    after: u64,
    what: String,
}

/// Numbers from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}

fn seed() -> u64 {
    let said = std::env::var("ANNALS_SEED").ok();
    let seed = said
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| uuid::Uuid::now_v7().as_u64_pair().1);
    println!("ANNALS_SEED={seed} replays this choice of operations");
    seed
}

fn name(number: u64) -> crate::kernel::StreamName {
    stream(&format!("c-{number}"))
}

fn event(id: u64) -> NewEvent {
    super::event(u128::from(id))
}

/// One task: appends at a guess, appends at any, repeats and reads, on few streams, so that all are in each other's way.
async fn work(log: Arc<dyn EventLog>, clock: Arc<AtomicU64>, task: u64, seed: u64) -> Vec<Seen> {
    let mut random = Random(seed ^ (task + 1));
    let mut history = Vec::new();
    let mut next = task << 32;
    let mut known = HashMap::<u64, u64>::new();
    for _ in 0..STEPS {
        let on = random.below(STREAMS);
        let kind = random.below(5);
        let count = 1 + random.below(3);
        let began = clock.fetch_add(1, Ordering::SeqCst);
        let what;
        let (before, after) = if kind == 0 {
            let slice = log
                .read_stream(&name(on), ReadFrom::End, Direction::Backward, 1)
                .await
                .unwrap();
            what = "read".to_owned();
            let events = slice.last_revision.map_or(0, |last| last + 1);
            (events, events)
        } else {
            let expected = match (kind, known.get(&on).copied().unwrap_or(0).checked_sub(1)) {
                (1, _) => Expected::Any,
                (_, None) => Expected::NoStream,
                (_, Some(last)) => Expected::Exact(last),
            };
            let events: Vec<NewEvent> = (next..next + count).map(event).collect();
            next += count;
            what = format!("append of {count} at {expected:?}");
            match log.append(&name(on), expected, events).await {
                Ok(done) => {
                    let after = done.revision.unwrap() + 1;
                    (after - count, after)
                }
                Err(AppendError::WrongExpected { current, .. }) => {
                    let events = current.map_or(0, |last| last + 1);
                    (events, events)
                }
                Err(other) => panic!("{what}: {other}"),
            }
        };
        let ended = clock.fetch_add(1, Ordering::SeqCst);
        known.insert(on, after);
        history.push(Seen {
            stream: on,
            began,
            ended,
            before,
            after,
            what: format!("task {task}: {what}"),
        });
    }
    history
}

/// The first contradiction, if there is one.
fn contradiction(history: &[Seen]) -> Option<String> {
    let mut writes: Vec<&Seen> = history
        .iter()
        .filter(|seen| seen.after > seen.before)
        .collect();
    writes.sort_by_key(|seen| seen.before);
    let mut version = 0;
    for write in writes {
        if write.before != version {
            return Some(format!(
                "version {version} was written twice or never: {write:?}"
            ));
        }
        version = write.after;
    }
    for first in history {
        for second in history {
            let later = first.ended < second.began;
            if later && second.before < first.after {
                let (one, other) = (&first.what, &second.what);
                return Some(format!("{one} before {other}: {first:?} {second:?}"));
            }
            let half = |seen: &Seen| {
                seen.before == seen.after && first.before < seen.after && seen.after < first.after
            };
            if half(second) {
                return Some(format!("{second:?} saw half of {first:?}"));
            }
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_histories_of_a_stream_have_one_order() {
    let seed = seed();
    for round in 0..6 {
        let home = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicU64::new(0));
        let mut all = Vec::new();
        // The second half is after a restart: what was seen before it still holds.
        for half in 0..2_u64 {
            let log: Arc<dyn EventLog> = Arc::new(open(home.path()));
            let tasks: Vec<_> = (0..TASKS)
                .map(|task| {
                    let number = round * 2 * TASKS + half * TASKS + task;
                    tokio::spawn(work(Arc::clone(&log), Arc::clone(&clock), number, seed))
                })
                .collect();
            for task in tasks {
                all.extend(task.await.unwrap());
            }
            log.close().await;
        }
        for on in 0..STREAMS {
            let of: Vec<Seen> = all
                .iter()
                .filter(|seen| seen.stream == on)
                .cloned()
                .collect();
            assert!(of.iter().any(|seen| seen.after > seen.before));
            assert_eq!(contradiction(&of), None, "round {round}, stream {on}");
            let log = open(home.path());
            let there = everything_of(&log, on).await;
            assert_eq!(
                there.len() as u64,
                of.iter().map(|seen| seen.after).max().unwrap()
            );
            log.close().await;
        }
    }
}

async fn everything_of(log: &dyn EventLog, on: u64) -> Vec<RecordedEvent> {
    log.read_stream(&name(on), ReadFrom::Start, Direction::Forward, usize::MAX)
        .await
        .unwrap()
        .events
}

#[test]
fn a_history_that_contradicts_itself_is_recognised() {
    let seen = |began, ended, before, after| Seen {
        stream: 0,
        began,
        ended,
        before,
        after,
        what: String::new(),
    };
    let fine = [
        seen(0, 5, 0, 1),
        seen(1, 2, 0, 0),
        seen(3, 9, 1, 1),
        seen(6, 7, 1, 3),
    ];
    assert_eq!(contradiction(&fine), None);
    for (bad, why) in [
        (
            vec![seen(0, 1, 0, 1), seen(2, 3, 0, 0)],
            "a read of what was before",
        ),
        (
            vec![seen(0, 1, 0, 1), seen(0, 1, 0, 1)],
            "a version written twice",
        ),
        (
            vec![seen(0, 9, 0, 1), seen(0, 1, 1, 1), seen(2, 3, 0, 0)],
            "a read that goes back",
        ),
        (vec![seen(0, 9, 0, 2), seen(0, 9, 1, 1)], "half an append"),
    ] {
        assert!(contradiction(&bad).is_some(), "{why}");
    }
}
