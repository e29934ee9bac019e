//! The embedded log beside the disk: durable appends at several numbers of callers against a plain file with one
//! `fdatasync` a group, and sequential replay beside SQLite's own scan. `cargo bench --bench log [-- SECONDS]`.
//!
//! `ANNALS_BENCH_DIR` says on which disk, `ANNALS_BENCH_CALLERS=N` measures the appends of so many callers alone,
//! `ANNALS_BENCH_ONLY=replay` the replay alone.
//!
//! With `--tail` the log is measured twice: with SQLite's checkpoints inside commits, as they were, and with the
//! thread that does them now.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a benchmark that cannot go on says so by panicking"
)]

mod appends;

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::kernel::{Position, StreamName};
use annals::log::sqlite::{CheckpointBy, Options, SqliteLog};
use annals::log::{Delivery, Direction, EventLog, Expected, Filter};
use appends::{DATA_BYTES, METADATA_BYTES, Measured, event, measure, print_rate, stream};
use futures::StreamExt;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{mpsc, oneshot};

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a plain file writes for an event: payload, ids and lengths.
const RECORD_BYTES: usize = DATA_BYTES + METADATA_BYTES + 64;

const CALLERS: [usize; 4] = [1, 32, 256, 1024];

type Written = oneshot::Sender<()>;

fn main() {
    let seconds = std::env::args().find_map(|arg| arg.parse().ok());
    let each = Duration::from_secs(seconds.unwrap_or(3));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let home = std::env::var_os("ANNALS_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let home = tempfile::Builder::new()
        .prefix("annals-log")
        .tempdir_in(home)
        .unwrap();
    println!(
        "{:>8} {:>12} {:>10} {:>8} {:>8} {:>8} {:>8}",
        "callers", "", "appends/s", "p50 us", "p99 us", "p99.9 us", "max us"
    );
    let tail = std::env::args().any(|arg| arg == "--tail");
    let only = std::env::var("ANNALS_BENCH_ONLY").unwrap_or_default();
    let one: Option<usize> = std::env::var("ANNALS_BENCH_CALLERS")
        .ok()
        .and_then(|callers| callers.parse().ok());
    let wanted = |callers: &usize| only != "replay" && one.is_none_or(|one| one == *callers);
    for callers in CALLERS.into_iter().filter(wanted) {
        let raw = runtime.block_on(raw_appends(&home.path().join("raw"), callers, each));
        raw.print(callers, "fdatasync");
        let dir = home.path().join(format!("log-{callers}"));
        if tail {
            let before = log_appends(&dir, callers, each, CheckpointBy::Commit);
            runtime.block_on(before).print(callers, "log, before");
            std::fs::remove_dir_all(&dir).unwrap();
        }
        let log = log_appends(&dir, callers, each, CheckpointBy::Thread);
        let log = runtime.block_on(log);
        log.print(callers, "log");
        println!(
            "{:>8} {:>12} {:>9.0}%",
            "",
            "ratio",
            100.0 * log.rate / raw.rate
        );
        std::fs::remove_dir_all(dir).unwrap();
    }
    if one.is_none() {
        runtime.block_on(replay(&home.path().join("replay")));
    }
}

async fn raw_appends(path: &Path, callers: usize, each: Duration) -> Measured {
    let mut file = File::create(path).unwrap();
    let (queue, mut requests) = mpsc::channel::<(Vec<u8>, Written)>(4096);
    let thread = std::thread::spawn(move || {
        let (mut group, mut bytes) = (Vec::new(), Vec::new());
        while requests.blocking_recv_many(&mut group, 1024) > 0 {
            bytes.clear();
            for (record, _) in &group {
                bytes.extend_from_slice(record);
            }
            file.write_all(&bytes).unwrap();
            file.sync_data().unwrap();
            group
                .drain(..)
                .for_each(|(_, written)| written.send(()).unwrap());
        }
    });
    let measured = measure(callers, each, move |_, _| {
        let queue = queue.clone();
        async move {
            let (written, done) = oneshot::channel();
            queue.send((vec![7; RECORD_BYTES], written)).await.unwrap();
            done.await.unwrap();
        }
    })
    .await;
    thread.join().unwrap();
    measured
}

async fn log_appends(
    dir: &Path,
    callers: usize,
    each: Duration,
    checkpoints: CheckpointBy,
) -> Measured {
    let options = Options {
        checkpoints,
        ..Options::default()
    };
    let log = Arc::new(SqliteLog::open(dir, options).unwrap());
    let streams: Arc<Vec<StreamName>> = Arc::new((0..callers).map(stream).collect());
    let appending = Arc::clone(&log);
    let measured = measure(callers, each, move |caller, turn| {
        let (log, streams) = (Arc::clone(&appending), Arc::clone(&streams));
        async move {
            let expected = turn
                .checked_sub(1)
                .map_or(Expected::NoStream, Expected::Exact);
            log.append(&streams[caller], expected, vec![event(turn)])
                .await
                .unwrap();
        }
    })
    .await;
    log.close().await;
    measured
}

/// Events that are replayed.
const REPLAYED: usize = 500_000;

/// Streams that they are of.
const STREAMS: usize = 2_000;

/// Times that they are replayed.
const ROUNDS: usize = 3;

async fn replay(dir: &Path) {
    let log = SqliteLog::open(dir, Options::default()).unwrap();
    let streams: Vec<StreamName> = (0..STREAMS).map(stream).collect();
    let before = Instant::now();
    for turn in 0..REPLAYED / STREAMS / 5 {
        let appends = streams.iter().map(|stream| {
            let events = (0..5).map(|at| event(turn as u64 * 5 + at)).collect();
            log.append(stream, Expected::Any, events)
        });
        futures::future::join_all(appends)
            .await
            .into_iter()
            .for_each(|done| assert!(!done.unwrap().repeated));
    }
    print_rate("written, 5 an append", REPLAYED, before);
    for _ in 0..ROUNDS {
        let before = Instant::now();
        let scanned = scan(&dir.join("log.db"));
        let own = print_rate("SQLite's own scan", scanned, before);
        let before = Instant::now();
        let read = print_rate("read_all, pages of 1,000", read_all(&log).await, before);
        let before = Instant::now();
        let followed = print_rate("subscription", subscription(&log).await, before);
        println!(
            "{:>28} {:>15.0}% {:>9.0}%",
            "of SQLite's own",
            100.0 * read / own,
            100.0 * followed / own
        );
    }
    log.close().await;
}

async fn read_all(log: &SqliteLog) -> usize {
    let (mut seen, mut from) = (0, None);
    loop {
        let page = log
            .read_all(from, Direction::Forward, 1000, &Filter::default())
            .await
            .unwrap();
        seen += page.events.len();
        from = Some(page.examined);
        if page.end {
            return seen;
        }
    }
}

async fn subscription(log: &SqliteLog) -> usize {
    let mut deliveries = log.subscribe(Position::START, Filter::default());
    let mut seen = 0;
    while let Some(delivery) = deliveries.next().await {
        match delivery.unwrap() {
            Delivery::Events(events) => seen += events.len(),
            Delivery::Checkpoint(_) => {}
            Delivery::CaughtUp(_) => break,
        }
    }
    seen
}

/// Every column of every event, on one thread, nothing checked and nothing kept: what reading the rows alone takes.
fn scan(file: &Path) -> usize {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = connection
        .prepare("SELECT * FROM events ORDER BY position")
        .unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut seen = 0;
    while let Some(row) = rows.next().unwrap() {
        for column in 0..columns {
            black_box(row.get_ref(column).unwrap());
        }
        seen += 1;
    }
    seen
}
