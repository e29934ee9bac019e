//! One log under a server of its own.

use std::path::Path;
use std::time::Duration;

use annals::log::sqlite::{Options, SqliteLog};
use annals::log::{Direction, EventLog, Filter};
use annals::proto::event_store::client::streams::streams_client::StreamsClient;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::HEALS_WITHIN;
use super::disks::{Failing, Small};
use crate::support::server::Server;
use crate::wire_client::{ANY, typed};
use crate::wire_process::append;

/// A client of a log that is served by itself, and what it was told is there.
struct Writer {
    streams: StreamsClient<Channel>,
    acknowledged: Vec<u128>,
}

impl Writer {
    async fn of(server: &Server, acknowledged: Vec<u128>) -> Self {
        Self {
            streams: StreamsClient::new(server.connect().await),
            acknowledged,
        }
    }

    async fn put(&mut self, id: u128) -> Result<(), Status> {
        let data = format!("{{\"fill\":\"{}\"}}", "x".repeat(3_000));
        let event = typed(id, "Written", &data);
        append(&mut self.streams, "disk-1", ANY, vec![event]).await?;
        self.acknowledged.push(id);
        Ok(())
    }

    /// Until it goes through.
    async fn insist(&mut self, id: u128) {
        let insisted = async {
            while self.put(id).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(HEALS_WITHIN, insisted)
            .await
            .expect("it heals");
    }
}

/// The ids on a log, in order.
async fn ids(dir: &Path) -> Vec<u128> {
    let log = SqliteLog::open(dir, Options::default()).unwrap();
    let all = log
        .read_all(None, Direction::Forward, usize::MAX, &Filter::default())
        .await
        .unwrap();
    log.close().await;
    all.events.iter().map(|event| event.id.as_u128()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_cannot_be_written_is_waited_out_and_loses_nothing() {
    let Some(disk) = Failing::disk() else {
        return;
    };
    let server = disk.serve_log();
    let mut writer = Writer::of(&server, Vec::new()).await;
    let mut next = 1;
    for what in ["full", "quota", "write"] {
        writer.put(next).await.unwrap();
        disk.fault.begin(what, "/data/log.");
        for turn in 1..4 {
            let refused = writer.put(next + turn).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unavailable, "{what}: {refused:?}");
        }
        disk.fault.end();
        writer.insist(next + 1).await;
        writer.insist(next + 2).await;
        next += 10;
    }
    let acknowledged = writer.acknowledged.clone();
    server.stop();
    assert_eq!(ids(&disk.data).await, acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_on_the_size_of_files_is_told_and_waited_out() {
    // Less and more than what a look at the disk writes.
    for limit in [256 * 1024, 12 * 1024 * 1024] {
        limited_to(limit).await;
    }
}

async fn limited_to(limit: u64) {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start_log(&data, &[]);
    let mut writer = Writer::of(&server, Vec::new()).await;
    limit_files(&server, Some(limit));
    let mut next = 1;
    while writer.put(next).await.is_ok() {
        next += 1;
        assert!(next < 10_000, "the files do not stop growing");
    }
    // It is the server that says so: the signal that comes with the limit has not ended it.
    for _ in 0..3 {
        let refused = writer.put(next).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        assert_eq!(refused.message(), "Server Is Not Ready");
    }
    limit_files(&server, None);
    writer.insist(next).await;
    writer.insist(next + 1).await;
    let acknowledged = writer.acknowledged.clone();
    server.stop();
    assert_eq!(ids(&data).await, acknowledged);
}

/// What `ulimit -f` sets, for a server that runs.
fn limit_files(server: &Server, bytes: Option<u64>) {
    let pid = Pid::from_raw(server.pid().cast_signed()).unwrap();
    let maximum = getrlimit(Resource::Fsize).maximum;
    let limit = Rlimit {
        current: bytes.or(maximum),
        maximum,
    };
    prlimit(Some(pid), Resource::Fsize, limit).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_sync_nothing_is_taken_until_the_restart() {
    let Some(disk) = Failing::disk() else {
        return;
    };
    let server = disk.serve_log();
    let mut writer = Writer::of(&server, Vec::new()).await;
    for id in 1..4 {
        writer.put(id).await.unwrap();
    }
    disk.fault.begin("sync", "/data/log.db-wal");
    writer.put(4).await.unwrap_err();
    disk.fault.end();
    // The next sync would say that all is well.
    for _ in 0..3 {
        writer.put(5).await.unwrap_err();
    }
    server.kill();
    // The page cache shows more than the disk may have: nothing is served before that is synced.
    disk.fault.begin("sync", "/data/log.db-wal");
    let refusal = disk.refusal_of_log();
    assert!(refusal.contains("data/log.db: disk I/O error"), "{refusal}");
    disk.fault.end();
    let server = disk.serve_log();
    let mut writer = Writer::of(&server, writer.acknowledged).await;
    for id in [4, 5] {
        writer.put(id).await.unwrap();
    }
    server.stop();
    assert_eq!(ids(&disk.data).await, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_main_file_that_cannot_be_synced_stops_the_log_long_before_its_write_ahead_log_is_full() {
    /// Each some pages of 4 KiB; the write-ahead log begins anew after 16,384.
    const EVENTS: u128 = 3_000;
    let Some(disk) = Failing::disk() else {
        return;
    };
    let server = disk.serve_log();
    let mut writer = Writer::of(&server, Vec::new()).await;
    disk.fault.begin("sync", "/data/log.db$");
    let mut next = 1;
    while writer.put(next).await.is_ok() {
        next += 1;
        assert!(next < EVENTS, "nobody minds");
    }
    disk.fault.end();
    writer.put(next).await.unwrap_err();
    server.kill();
    let found = ids(&disk.data).await;
    assert_eq!(found[..writer.acknowledged.len()], writer.acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_disk_fills_up_under_a_server_and_is_made_room_on() {
    let Some(disk) = Small::disk(32) else {
        return;
    };
    let server = Server::start_log(&disk.data, &[]);
    let mut writer = Writer::of(&server, Vec::new()).await;
    writer.put(1).await.unwrap();
    disk.fill();
    let mut next = 2;
    // What the files have room for already goes in.
    while writer.put(next).await.is_ok() {
        next += 1;
        assert!(next < 10_000, "the disk does not fill up");
    }
    writer.put(next + 1).await.unwrap_err();
    disk.make_room();
    writer.insist(next).await;
    writer.insist(next + 1).await;
    let acknowledged = writer.acknowledged.clone();
    server.stop();
    assert_eq!(ids(&disk.data).await, acknowledged);
    println!("{} events acknowledged on a disk that filled up", next + 1);

    disk.make_read_only();
    let refused = Server::command()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(&disk.data)
        .output()
        .unwrap();
    let line = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{line}");
    assert!(line.contains("Read-only file system"), "{line}");
    assert!(line.contains(disk.data.to_str().unwrap()), "{line}");
    // Looking is still possible.
    for verb in ["stat", "verify", "dump"] {
        let looked = Server::command()
            .args(["log", verb])
            .arg(&disk.data)
            .output()
            .unwrap();
        assert!(looked.status.success(), "{verb}: {looked:?}");
    }
}
