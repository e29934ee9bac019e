//! The embedded log when much is in it, beside an empty one: opening, memory, appends, reads.
//! `cargo bench --bench scale [-- EVENTS]`, ten events a stream; 20,000,000 take about ten minutes and 11 GB.
//!
//! Each log is measured in a process of its own, so that its memory is its own.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a benchmark that cannot go on says so by panicking"
)]

mod appends;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::kernel::{Position, StreamName};
use annals::log::sqlite::{Options, SqliteLog};
use annals::log::{Delivery, Direction, EventLog, Expected, Filter, ReadFrom};
use appends::{Measured, event, measure, print_rate, stream};
use futures::StreamExt;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Events unless told otherwise.
const EVENTS: usize = 1_000_000;

/// Events of a stream.
const REVISIONS: usize = 10;

/// Streams that are written to in the same period, as placements of one term are.
const COHORT: usize = 100_000;

/// Appends under way at once while the log is filled.
const AT_ONCE: usize = 1_024;

/// Callers of the measured appends.
const CALLERS: usize = 256;

/// How long each measurement takes.
const EACH: Duration = Duration::from_secs(5);

/// Events that a subscription is handed.
const SUBSCRIBED: usize = 2_000_000;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--log") {
        let streams = arguments[at + 2].parse().unwrap();
        return measured(Path::new(&arguments[at + 1]), streams).await;
    }
    let events = arguments.iter().find_map(|argument| argument.parse().ok());
    let events: usize = events.unwrap_or(EVENTS);
    let home = std::env::var_os("ANNALS_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let home = tempfile::Builder::new()
        .prefix("annals-scale")
        .tempdir_in(home)
        .unwrap();
    let (empty, full) = (home.path().join("empty"), home.path().join("full"));
    let streams = events / REVISIONS;
    fill(&full, streams).await;
    let before = in_a_process(&empty, 0);
    let after = in_a_process(&full, streams);
    for (what, after, before) in [
        ("streams of their own", after.0, before.0),
        ("any streams", after.1, before.1),
    ] {
        println!(
            "{CALLERS} callers, {what}: {:.0}% of the rate on an empty log",
            100.0 * after / before
        );
    }
}

/// Single appends in no order to the streams of one cohort after the other.
async fn fill(dir: &Path, streams: usize) {
    let log = SqliteLog::open(dir, Options::default()).unwrap();
    let start = Instant::now();
    for cohort in (0..streams).step_by(COHORT) {
        let size = COHORT.min(streams - cohort);
        let before = Instant::now();
        for revision in 0..REVISIONS {
            let expected = expected(revision as u64);
            let order = (0..size).map(|at| cohort + scattered(at, size));
            futures::stream::iter(order)
                .for_each_concurrent(AT_ONCE, |number| {
                    let log = &log;
                    async move {
                        let events = vec![event(revision as u64)];
                        log.append(&stream(number), expected, events).await.unwrap();
                    }
                })
                .await;
        }
        if cohort % (COHORT * 4) == 0 {
            print_rate("written, one an append", size * REVISIONS, before);
        }
    }
    print_rate("written in all", streams * REVISIONS, start);
    log.close().await;
}

/// Every number below `size` once, neighbours far apart: a multiple of a prime that does not divide it.
fn scattered(at: usize, size: usize) -> usize {
    (at * 7_368_787) % size
}

fn expected(revision: u64) -> Expected {
    revision
        .checked_sub(1)
        .map_or(Expected::NoStream, Expected::Exact)
}

/// The rates of both measured appends.
fn in_a_process(dir: &Path, streams: usize) -> (f64, f64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--log", dir.to_str().unwrap(), &streams.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let (shown, rates) = said.trim_end().rsplit_once('\n').unwrap();
    println!("{streams} streams:\n{shown}");
    let (own, any) = rates.split_once(' ').unwrap();
    (own.parse().unwrap(), any.parse().unwrap())
}

async fn measured(dir: &Path, streams: usize) {
    let before = Instant::now();
    let log = Arc::new(SqliteLog::open(dir, Options::default()).unwrap());
    println!("    opened in {:.3} s", before.elapsed().as_secs_f64());
    let own = appended(&log, CALLERS, |caller, turn| (usize::MAX - caller, turn)).await;
    own.print(CALLERS, "own streams");
    // Where there are none, each append makes one.
    let any = appended(&log, CALLERS, move |caller, turn| {
        let at = scattered(caller * 1_000_003 + turn as usize, 1 << 40);
        let existing = at.checked_rem(streams);
        existing.map_or((streams + at, 0), |at| (at, REVISIONS as u64))
    })
    .await;
    any.print(CALLERS, "any streams");
    if streams > 0 {
        read(&log, streams).await;
    }
    println!("    at most {} MiB resident", peak_mib());
    log.close().await;
    println!("{} {}", own.rate, any.rate);
}

/// Appends where `place` says: the number of a stream, and the revision that the event gets.
async fn appended(
    log: &Arc<SqliteLog>,
    callers: usize,
    place: impl Fn(usize, u64) -> (usize, u64) + Send + Sync + 'static,
) -> Measured {
    let log = Arc::clone(log);
    measure(callers, EACH, move |caller, turn| {
        let log = Arc::clone(&log);
        let (number, revision) = place(caller, turn);
        async move {
            let events = vec![event(revision)];
            // A stream that comes up again has moved on: refused after the same look-ups.
            let stream = stream(number);
            let _ = log.append(&stream, expected(revision), events).await;
        }
    })
    .await
}

async fn read(log: &SqliteLog, streams: usize) {
    let before = Instant::now();
    let mut count = 0;
    while before.elapsed() < EACH {
        let name: StreamName = stream(scattered(count, streams));
        let slice = log
            .read_stream(&name, ReadFrom::Start, Direction::Forward, 100)
            .await
            .unwrap();
        assert!(slice.events.len() >= REVISIONS);
        count += 1;
    }
    print_rate("streams read, one by one", count, before);
    let before = Instant::now();
    let mut deliveries = log.subscribe(Position::START, Filter::default());
    let mut seen = 0;
    while seen < SUBSCRIBED.min(streams * REVISIONS) {
        if let Delivery::Events(events) = deliveries.next().await.unwrap().unwrap() {
            seen += events.len();
        }
    }
    print_rate("subscription", seen, before);
}

/// The most memory this process ever had, by the kernel's count.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() / 1024
}
