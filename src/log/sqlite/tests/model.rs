//! Random operations on the oracle and the engine, with restarts: the same answers, the same log, after every step.

use std::sync::Arc;

use proptest::prelude::*;

use super::{event, everything, options, stream};
use crate::kernel::{Position, StreamName};
use crate::log::contract::{self, TestClock};
use crate::log::memory::MemoryLog;
use crate::log::sqlite::SqliteLog;
use crate::log::{Direction, EventLog, Expected, Filter, Match, ReadFrom, StreamMetadata};

const STREAMS: [&str; 4] = ["a-1", "a-2", "b-1", "kept-1"];

#[derive(Debug, Clone)]
enum Step {
    Append(usize, Guess, Vec<u128>),
    /// An append to the metastream, of something that may or may not be metadata.
    Scribble(usize, Guess, Vec<u128>),
    Describe(usize, Guess, Option<i64>, Option<i64>, Option<i64>),
    Delete(usize, Guess),
    Tombstone(usize, Guess),
    /// Appends of several tasks at once, which share a commit or not.
    Together(Vec<(usize, Guess, Vec<u128>)>),
    Wait(i64),
    Reopen,
}

/// What the writer expects, relative to what is.
#[derive(Debug, Clone, Copy)]
enum Guess {
    Any,
    NoStream,
    Exists,
    Behind(u64),
    Ahead,
}

fn guess() -> impl Strategy<Value = Guess> {
    prop_oneof![
        3 => Just(Guess::Any),
        2 => Just(Guess::NoStream),
        1 => Just(Guess::Exists),
        4 => (0..3_u64).prop_map(Guess::Behind),
        1 => Just(Guess::Ahead),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..STREAMS.len();
    let ids = || prop::collection::vec(0..8_u128, 0..3);
    let key = || prop::option::of(-1..4_i64);
    prop_oneof![
        12 => (at.clone(), guess(), ids()).prop_map(|(s, g, i)| Step::Append(s, g, i)),
        1 => (at.clone(), guess(), ids()).prop_map(|(s, g, i)| Step::Scribble(s, g, i)),
        3 => (at.clone(), guess(), key(), key(), key())
            .prop_map(|(s, g, c, a, t)| Step::Describe(s, g, c, a, t)),
        2 => (at.clone(), guess()).prop_map(|(s, g)| Step::Delete(s, g)),
        1 => (at, guess()).prop_map(|(s, g)| Step::Tombstone(s, g)),
        4 => prop::collection::vec((0..STREAMS.len(), guess(), ids()), 2..6).prop_map(Step::Together),
        2 => (0..3_i64).prop_map(Step::Wait),
        2 => Just(Step::Reopen),
    ]
}

fn cases() -> u32 {
    if std::env::var_os("ANNALS_FULL").is_some() {
        2_000
    } else {
        48
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_engine_answers_as_the_oracle_does(steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(compare(steps))?;
    }
}

async fn compare(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let oracle = MemoryLog::with(clock.clock(), contract::protected());
    let open = || Arc::new(SqliteLog::open(home.path(), options(&clock)).unwrap());
    let mut engine = open();
    for step in steps {
        match &step {
            Step::Wait(seconds) => clock.advance(*seconds),
            Step::Reopen => {
                engine.close().await;
                engine = open();
            }
            Step::Together(appends) => together(&oracle, &engine, appends).await?,
            Step::Append(..)
            | Step::Scribble(..)
            | Step::Describe(..)
            | Step::Delete(..)
            | Step::Tombstone(..) => {
                let expected = write(&oracle, &step).await;
                let actual = write(&*engine, &step).await;
                prop_assert_eq!(actual, expected, "{:?}", step);
            }
        }
        same_log(&oracle, &*engine).await?;
    }
    engine.close().await;
    Ok(())
}

/// Each task finds the stream as it was before all of them. Their order is that of their first steps, on the one thread of the
/// test; the oracle takes them in turn.
async fn together(
    oracle: &MemoryLog,
    engine: &Arc<SqliteLog>,
    appends: &[(usize, Guess, Vec<u128>)],
) -> Result<(), TestCaseError> {
    let mut tasks = Vec::new();
    let mut in_turn = Vec::new();
    for (at, guess, ids) in appends {
        let stream = stream(STREAMS[*at]);
        let expected = expected(oracle, &stream, *guess).await;
        let events: Vec<_> = ids.iter().map(|id| event(*id)).collect();
        in_turn.push((stream.clone(), expected, events.clone()));
        let engine = Arc::clone(engine);
        tasks.push(tokio::spawn(async move {
            engine.append(&stream, expected, events).await
        }));
    }
    for (task, (stream, expected, events)) in tasks.into_iter().zip(in_turn) {
        let actual = task.await.unwrap();
        let wanted = oracle.append(&stream, expected, events).await;
        prop_assert_eq!(actual, wanted, "{} {:?}", stream, expected);
    }
    Ok(())
}

/// The step on `log`; a guess is of the place that `log` itself shows.
async fn write(log: &dyn EventLog, step: &Step) -> String {
    match step {
        Step::Append(at, guess, ids) => {
            let stream = stream(STREAMS[*at]);
            let expected = expected(log, &stream, *guess).await;
            let events = ids.iter().map(|id| event(*id)).collect();
            format!("{:?}", log.append(&stream, expected, events).await)
        }
        Step::Scribble(at, guess, ids) => {
            let stream = stream(STREAMS[*at]).metastream();
            let expected = expected(log, &stream, *guess).await;
            let events = ids.iter().map(|id| event(*id)).collect();
            format!("{:?}", log.append(&stream, expected, events).await)
        }
        Step::Describe(at, guess, max_count, max_age_seconds, truncate_before) => {
            let stream = stream(STREAMS[*at]);
            let expected = expected(log, &stream.metastream(), *guess).await;
            let metadata = StreamMetadata {
                max_count: *max_count,
                max_age_seconds: *max_age_seconds,
                truncate_before: *truncate_before,
                ..StreamMetadata::default()
            };
            format!("{:?}", log.set_metadata(&stream, expected, metadata).await)
        }
        Step::Delete(at, guess) => {
            let stream = stream(STREAMS[*at]);
            let expected = expected(log, &stream, *guess).await;
            format!("{:?}", log.delete(&stream, expected).await)
        }
        Step::Tombstone(at, guess) => {
            let stream = stream(STREAMS[*at]);
            let expected = expected(log, &stream, *guess).await;
            format!("{:?}", log.tombstone(&stream, expected).await)
        }
        Step::Together(_) | Step::Wait(_) | Step::Reopen => String::new(),
    }
}

async fn expected(log: &dyn EventLog, stream: &StreamName, guess: Guess) -> Expected {
    let slice = log
        .read_stream(stream, ReadFrom::End, Direction::Backward, 1)
        .await;
    let last = slice.ok().and_then(|slice| slice.last_revision);
    match (guess, last) {
        (Guess::Any, _) => Expected::Any,
        (Guess::NoStream, _) | (Guess::Behind(_), None) => Expected::NoStream,
        (Guess::Exists, _) => Expected::StreamExists,
        (Guess::Behind(by), Some(last)) => Expected::Exact(last.saturating_sub(by)),
        (Guess::Ahead, last) => Expected::Exact(last.map_or(0, |last| last + 1)),
    }
}

async fn same_log(oracle: &MemoryLog, engine: &dyn EventLog) -> Result<(), TestCaseError> {
    prop_assert_eq!(engine.head().await, oracle.head().await);
    let (left, right) = (everything(engine).await, everything(oracle).await);
    prop_assert_eq!(&left, &right);
    for (index, event) in right.unwrap().iter().enumerate() {
        prop_assert_eq!(event.position, Position(index as u64 + 1));
    }
    for name in STREAMS {
        let stream = stream(name);
        prop_assert_eq!(
            engine.metadata(&stream).await,
            oracle.metadata(&stream).await
        );
        for stream in [stream.metastream(), stream] {
            for (from, direction, limit) in [
                (ReadFrom::Start, Direction::Forward, 100),
                (ReadFrom::End, Direction::Backward, 2),
                (ReadFrom::Revision(1), Direction::Forward, 1),
            ] {
                let left = engine.read_stream(&stream, from, direction, limit).await;
                let right = oracle.read_stream(&stream, from, direction, limit).await;
                prop_assert_eq!(left, right, "{} {:?} {:?}", stream, from, direction);
            }
        }
    }
    let filter = Filter::by_stream(Match::prefixes(["a-", "$$b"]));
    for direction in [Direction::Forward, Direction::Backward] {
        let from = Some(Position(3));
        let left = engine.read_all(from, direction, 3, &filter).await;
        prop_assert_eq!(left, oracle.read_all(from, direction, 3, &filter).await);
    }
    Ok(())
}
