//! Disks that fill up, fail and lie, under real servers. Guards against: an error that names no cause, a service that never
//! comes back, one that goes on after a failed sync, and an acknowledged event that was not kept.
//!
//! `fault.c` is built with the machine's compiler and preloaded; the small disk is a tmpfs, which takes root.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use annals::log::sqlite::{Options, SqliteLog, verify};
use annals::log::{Direction, EventLog, Filter};
use annals::proto::annals::attendance::v1::ClockInRequest;
use annals::proto::annals::attendance::v1::attendance_service_client::AttendanceServiceClient;
use annals::proto::annals::operations::v1::operations_service_client::OperationsServiceClient;
use annals::proto::annals::operations::v1::{GetHealthDetailsRequest, ListProjectionsRequest};
use annals::proto::event_store::client::streams::streams_client::StreamsClient;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use crate::support::journey::{Journey, id};
use crate::support::server::{Authenticated, Server};
use crate::wire_client::{ANY, typed};
use crate::wire_process::append;

/// How long it may take until a server that is well again says so.
const HEALS_WITHIN: Duration = Duration::from_secs(20);

/// `grpc.health.v1`'s numbers.
const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;

/// The library that makes disks fail, and the file that tells it when.
struct Fault {
    library: PathBuf,
    control: PathBuf,
}

impl Fault {
    /// None where there is no compiler.
    fn build(home: &Path) -> Option<Self> {
        let library = home.join("fault.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fault.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .status();
        if !built.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: no C compiler, disks cannot be made to fail");
            return None;
        }
        let control = home.join("fault");
        Some(Self { library, control })
    }

    fn environment(&self) -> [(&str, &str); 2] {
        [
            ("LD_PRELOAD", self.library.to_str().unwrap()),
            ("FAULT_CONTROL", self.control.to_str().unwrap()),
        ]
    }

    /// Files with `part` in their path fail that way from now on.
    fn begin(&self, what: &str, part: &str) {
        std::fs::write(&self.control, format!("{what} {part}")).unwrap();
    }

    fn end(&self) {
        std::fs::write(&self.control, "").unwrap();
    }
}

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
    let home = tempfile::tempdir().unwrap();
    let Some(fault) = Fault::build(home.path()) else {
        return;
    };
    let data = home.path().join("data");
    let server = Server::start_log(&data, &fault.environment());
    let mut writer = Writer::of(&server, Vec::new()).await;
    let mut next = 1;
    for what in ["full", "write"] {
        writer.put(next).await.unwrap();
        fault.begin(what, "/data/log.");
        for turn in 1..4 {
            let refused = writer.put(next + turn).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unavailable, "{what}: {refused:?}");
        }
        fault.end();
        writer.insist(next + 1).await;
        writer.insist(next + 2).await;
        next += 10;
    }
    let acknowledged = writer.acknowledged.clone();
    server.stop();
    assert_eq!(ids(&data).await, acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_sync_nothing_is_taken_until_the_restart() {
    let home = tempfile::tempdir().unwrap();
    let Some(fault) = Fault::build(home.path()) else {
        return;
    };
    let data = home.path().join("data");
    let server = Server::start_log(&data, &fault.environment());
    let mut writer = Writer::of(&server, Vec::new()).await;
    for id in 1..4 {
        writer.put(id).await.unwrap();
    }
    fault.begin("sync", "/data/log.db-wal");
    writer.put(4).await.unwrap_err();
    fault.end();
    // The next sync would say that all is well.
    for _ in 0..3 {
        writer.put(5).await.unwrap_err();
    }
    server.kill();
    let server = Server::start_log(&data, &fault.environment());
    let mut writer = Writer::of(&server, writer.acknowledged).await;
    for id in [4, 5] {
        writer.put(id).await.unwrap();
    }
    server.stop();
    assert_eq!(ids(&data).await, [1, 2, 3, 4, 5]);
}

async fn clock_in(caller: &Authenticated, journey: &Journey) -> Result<(), Status> {
    let request = ClockInRequest {
        request_id: journey.request("clock-in"),
        placement_id: journey.placement.to_string(),
        date: journey.start_date.clone(),
        ..Default::default()
    };
    AttendanceServiceClient::new(caller.clone())
        .clock_in(request)
        .await
        .map(drop)
}

async fn health(channel: &Channel, service: &str) -> i32 {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(channel.clone()).check(request).await;
    answer.unwrap().into_inner().status
}

/// State and detail of a log, as operators see it.
async fn details(admin: &Authenticated, log: &str) -> (String, String) {
    let answer = OperationsServiceClient::new(admin.clone())
        .get_health_details(GetHealthDetailsRequest {})
        .await
        .unwrap();
    let components = answer.into_inner().components;
    let component = components.into_iter().find(|part| part.name == log);
    let component = component.unwrap();
    (component.state, component.detail)
}

const ATTENDANCE: &str = "annals.attendance.v1.AttendanceService";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_named_to_callers_and_in_health_and_the_service_resumes_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let Some(fault) = Fault::build(home.path()) else {
        return;
    };
    let data = home.path().join("data");
    let server = Server::start_env(&data, &fault.environment());
    let importer = server.caller("import", id("importer")).await;
    let admin = server.caller("admin", id("admin")).await;
    let channel = server.connect().await;
    let journey = Journey::new("full", "2024-01-01");
    journey.to_placement(&importer).await.unwrap();

    fault.begin("full", "/attendance/log.");
    let refused = clock_in(&importer, &journey).await.unwrap_err();
    let errors = refused.get_error_details();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert_eq!(errors.error_info().unwrap().reason, "STORAGE_FULL");
    assert!(errors.retry_info().is_some(), "it can be tried again");
    let (state, detail) = details(&admin, "log/attendance").await;
    assert_eq!(state, "DEGRADED");
    assert!(detail.contains("no room on the disk"), "{detail}");
    for service in [ATTENDANCE, ""] {
        assert_eq!(health(&channel, service).await, NOT_SERVING, "{service}");
    }
    // The others have room.
    Journey::new("other", "2024-01-01")
        .to_offer(&importer)
        .await
        .unwrap();

    fault.end();
    let healed = async {
        while health(&channel, "").await != SERVING {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(HEALS_WITHIN, healed)
        .await
        .expect("it heals");
    assert_eq!(health(&channel, ATTENDANCE).await, SERVING);
    clock_in(&importer, &journey).await.unwrap();
    server.stop();
}

/// A disk of its own, of some MiB; none where mounting is not allowed.
struct Mount(PathBuf);

impl Mount {
    fn tmpfs(at: &Path, mebibytes: usize) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: no tmpfs may be mounted here");
            return None;
        }
        Some(Self(at.to_owned()))
    }

    fn make_read_only(&self) {
        let done = Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(&self.0)
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_resumes_when_a_whole_disk_has_room_again() {
    let home = tempfile::tempdir().unwrap();
    let Some(disk) = Mount::tmpfs(&home.path().join("disk"), 192) else {
        return;
    };
    let data = disk.0.join("data");
    let server = Server::start(&data);
    let importer = server.caller("import", id("importer")).await;
    let admin = server.caller("admin", id("admin")).await;
    let channel = server.connect().await;
    let mut done = Vec::new();
    for number in 0..3 {
        let journey = Journey::new(&format!("before-{number}"), "2024-01-01");
        journey.to_placement(&importer).await.unwrap();
        done.push(journey);
    }
    let ballast = disk.0.join("ballast");
    let _ = std::fs::write(&ballast, vec![0; 256 * 1024 * 1024]).unwrap_err();
    let journey = Journey::new("meanwhile", "2024-01-01");
    // What the files have room for already goes in; then something is refused, or waits in vain for the processes.
    let mut refused = Err(Status::cancelled("not tried"));
    for number in 0..50 {
        let more = Journey::new(&format!("filling-{number}"), "2024-01-01");
        refused = more.to_offer(&importer).await;
        match &refused {
            Ok(()) => done.push(more),
            Err(_) => break,
        }
    }
    let refused = refused.unwrap_err();
    let reason = refused
        .get_error_details()
        .error_info()
        .unwrap()
        .reason
        .clone();
    assert_eq!(reason, "STORAGE_FULL", "{refused:?}");
    assert_eq!(health(&channel, "").await, NOT_SERVING);

    std::fs::remove_file(&ballast).unwrap();
    let healed = async {
        while health(&channel, "").await != SERVING
            || journey.to_placement(&importer).await.is_err()
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        loop {
            let answer = OperationsServiceClient::new(admin.clone())
                .get_health_details(GetHealthDetailsRequest {})
                .await;
            if answer.unwrap().into_inner().serving {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let healed = tokio::time::timeout(2 * HEALS_WITHIN, healed).await;
    if healed.is_err() {
        let answer = OperationsServiceClient::new(admin.clone())
            .get_health_details(GetHealthDetailsRequest {})
            .await;
        panic!("it does not heal: {answer:?}");
    }
    // A repeat of everything that was done changes nothing.
    for journey in &done {
        journey.to_offer(&importer).await.unwrap();
    }
    let listed = OperationsServiceClient::new(admin)
        .list_projections(ListProjectionsRequest {})
        .await
        .unwrap();
    for projection in listed.into_inner().projections {
        assert_eq!(projection.state, "LIVE", "{}", projection.name);
        assert_eq!(projection.parked, 0, "{}", projection.name);
    }
    server.stop();
    for service in ["applications", "placements", "attendance"] {
        let found = verify(&data.join(service), |_, _| {}).unwrap();
        assert_eq!(found.damages, [], "{service}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_disk_fills_up_under_a_server_and_is_made_room_on() {
    let home = tempfile::tempdir().unwrap();
    let Some(disk) = Mount::tmpfs(&home.path().join("disk"), 32) else {
        return;
    };
    let data = disk.0.join("data");
    let server = Server::start_log(&data, &[]);
    let mut writer = Writer::of(&server, Vec::new()).await;
    writer.put(1).await.unwrap();
    let ballast = disk.0.join("ballast");
    let _ = std::fs::write(&ballast, vec![0; 64 * 1024 * 1024]).unwrap_err();
    let mut next = 2;
    // What the files have room for already goes in.
    while writer.put(next).await.is_ok() {
        next += 1;
        assert!(next < 10_000, "the disk does not fill up");
    }
    writer.put(next + 1).await.unwrap_err();
    std::fs::remove_file(&ballast).unwrap();
    writer.insist(next).await;
    writer.insist(next + 1).await;
    let acknowledged = writer.acknowledged.clone();
    server.stop();
    assert_eq!(ids(&data).await, acknowledged);
    println!("{} events acknowledged on a disk that filled up", next + 1);

    disk.make_read_only();
    let refused = Server::command()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .output()
        .unwrap();
    let line = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{line}");
    assert!(line.contains("Read-only file system"), "{line}");
    assert!(line.contains(data.to_str().unwrap()), "{line}");
    // Looking is still possible.
    for verb in ["stat", "verify", "dump"] {
        let looked = Server::command()
            .args(["log", verb])
            .arg(&data)
            .output()
            .unwrap();
        assert!(looked.status.success(), "{verb}: {looked:?}");
    }
}
