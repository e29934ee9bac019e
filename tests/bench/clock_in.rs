//! Durable `ClockIn` commands a second over gRPC, whole path (token, decision, append, sync), beside an empty unary
//! handler in the same run on the same machine, and beside `fdatasync` alone.
//!
//! And how long the first command to a long stream waits for it to be read.
//!
//! `cargo bench --bench clock_in [-- --seconds N --callers N | -- --cold]`. Ratios are what counts: absolute figures are the machine's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    unreachable_pub,
    reason = "a test that cannot go on says so by panicking"
)]

mod cold;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use annals::proto::annals::attendance::v1::ClockInRequest;
use annals::proto::annals::attendance::v1::attendance_service_client::AttendanceServiceClient;
use annals::proto::annals::attendance::v1::attendance_service_server::{
    AttendanceService, AttendanceServiceServer,
};
use annals::proto::annals::attendance::v1::{
    ClockOutRequest, CorrectAttendanceRequest, RecordAbsenceRequest,
};
use annals::proto::annals::common::v1::CommandReply;
use futures::future::try_join_all;
use time::{Date, Duration as Days, Month};
use tonic::transport::{Endpoint, Server as TonicServer};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use support::journey::{Journey, id};
use support::server::{Authenticated, Server, with_token};

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Concurrent callers to measure.
const CALLERS: [usize; 3] = [1, 32, 256];
/// Connections that the callers share; one caller uses one.
const CONNECTIONS: usize = 4;
/// Placements whose registers are filled: as many as the most callers, so that no two callers share a stream.
const PLACEMENTS: usize = 256;
/// First day of every placement: 40 years of days to clock in on.
const START: (i32, Month, u8) = (1986, Month::January, 1);

/// Linux's unit of processor time, in microseconds.
const TICK_MICROS: f64 = 10_000.0;

fn main() {
    if std::env::args().any(|argument| argument == "--empty-server") {
        return runtime().block_on(empty_server());
    }
    runtime().block_on(cold::load());
    if std::env::args().any(|argument| argument == "--cold") {
        return;
    }
    let seconds = option("--seconds").unwrap_or(5);
    let callers = option("--callers").map_or(CALLERS.to_vec(), |one| vec![one]);
    runtime().block_on(measure(Duration::from_secs(seconds), &callers));
}

fn option<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1)
        .and_then(|text| text.parse().ok())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

async fn measure(each: Duration, numbers: &[usize]) {
    let data = tempfile::tempdir().expect("a directory");
    println!(
        "fdatasync alone: {:.0}/s",
        fdatasync_rate(data.path(), each)
    );
    let server = Server::start(data.path());
    let token = server.token("import", Uuid::from_u128(1));
    let mut annals = Vec::new();
    for _ in 0..CONNECTIONS {
        annals.push(with_token(server.connect().await, &token));
    }
    let placements = open_registers(&annals).await;

    let empty = EmptyServer::start();
    let mut bare = Vec::new();
    for _ in 0..CONNECTIONS {
        let endpoint =
            Endpoint::from_shared(format!("http://{}", empty.address)).expect("an address");
        bare.push(with_token(
            endpoint
                .tcp_nodelay(true)
                .connect()
                .await
                .expect("it accepts"),
            &token,
        ));
    }

    println!(
        "{:>8} {:>12} {:>9} {:>9} {:>9} {:>10} {:>12} {:>7}",
        "callers", "ClockIn/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU us", "empty/s", "ratio"
    );
    let mut day = 0;
    for &callers in numbers {
        // Interleaved, so that both see the same machine. What has nothing behind it may see the same days.
        let nothing = run(&bare, &placements, callers, each, &mut day.clone()).await;
        let before = cpu_ticks(server.pid());
        let clock_in = run(&annals, &placements, callers, each, &mut day).await;
        let ticks = cpu_ticks(server.pid()) - before;
        println!(
            "{callers:>8} {:>12.0} {:>9.2} {:>9.2} {:>9.2} {:>10.1} {:>12.0} {:>6.1}%",
            clock_in.rate(),
            clock_in.percentile(0.5),
            clock_in.percentile(0.99),
            clock_in.percentile(0.999),
            ticks as f64 * TICK_MICROS / clock_in.micros.len() as f64,
            nothing.rate(),
            100.0 * clock_in.rate() / nothing.rate()
        );
    }
    server.stop();
}

/// What a process used of all cores so far, read models and processes included: `proc_pid_stat(5)`, fields 14 and 15.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let after_name = stat.rsplit(')').next().expect("it has a name");
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let number = |at: usize| fields[at].parse::<u64>().expect("a number");
    number(11) + number(12)
}

/// One figure of one side.
struct Figures {
    micros: Vec<u32>,
    took: Duration,
}

impl Figures {
    fn rate(&self) -> f64 {
        self.micros.len() as f64 / self.took.as_secs_f64()
    }

    fn percentile(&self, share: f64) -> f64 {
        let at =
            ((self.micros.len() as f64 * share) as usize).min(self.micros.len().saturating_sub(1));
        self.micros
            .get(at)
            .copied()
            .map_or(f64::NAN, |micros| f64::from(micros) / 1_000.0)
    }
}

/// `callers` loops side by side, each on a placement of its own, each call a new day.
async fn run(
    connections: &[Authenticated],
    placements: &[Uuid],
    callers: usize,
    each: Duration,
    day: &mut i64,
) -> Figures {
    let last_day = Arc::new(AtomicU64::new(0));
    let first_day = *day;
    let begun = Instant::now();
    let tasks = (0..callers).map(|caller| {
        let client = AttendanceServiceClient::new(connections[caller % connections.len()].clone());
        let (placements, last_day) = (placements.to_vec(), Arc::clone(&last_day));
        tokio::spawn(async move {
            let mut micros = Vec::with_capacity(100_000);
            let mut client = client;
            let mut calls = 0_i64;
            // One caller alone walks over all placements, so that no register runs out of days.
            let stride = if callers == 1 { placements.len() } else { 1 };
            while begun.elapsed() < each {
                let placement = placements[(caller + calls as usize % stride) % placements.len()];
                let date = start() + Days::days(first_day + calls / stride as i64);
                let request = ClockInRequest {
                    request_id: id(&format!("{placement}/{date}")).to_string(),
                    placement_id: placement.to_string(),
                    date: date.to_string(),
                    ..Default::default()
                };
                let sent = Instant::now();
                client.clock_in(request).await.expect("a clock-in succeeds");
                micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
                calls += 1;
            }
            last_day.fetch_max((calls / stride as i64 + 1) as u64, Ordering::Relaxed);
            micros
        })
    });
    let all = try_join_all(tasks.collect::<Vec<_>>())
        .await
        .expect("no caller panics");
    let took = begun.elapsed();
    *day += last_day.load(Ordering::Relaxed) as i64;
    let mut micros: Vec<u32> = all.into_iter().flatten().collect();
    micros.sort_unstable();
    Figures { micros, took }
}

fn start() -> Date {
    Date::from_calendar_date(START.0, START.1, START.2).expect("a day")
}

async fn open_registers(callers: &[Authenticated]) -> Vec<Uuid> {
    let journeys: Vec<Journey> = (0..PLACEMENTS)
        .map(|n| Journey::new(&format!("bench-{n}"), &start().to_string()))
        .collect();
    for (chunk, caller) in journeys.chunks(PLACEMENTS / CONNECTIONS).zip(callers) {
        try_join_all(chunk.iter().map(|journey| journey.to_placement(caller)))
            .await
            .expect("a placement starts");
    }
    journeys.iter().map(|journey| journey.placement).collect()
}

/// Appends of 512 bytes, each synced: what the disk allows one writer without grouping.
fn fdatasync_rate(dir: &std::path::Path, each: Duration) -> f64 {
    let file = std::fs::File::create(dir.join("fdatasync")).expect("a file");
    let (begun, mut count) = (Instant::now(), 0_u64);
    while begun.elapsed() < each.min(Duration::from_secs(3)) {
        file.write_all_at(&[7; 512], count * 512)
            .expect("it writes");
        file.sync_data().expect("it syncs");
        count += 1;
    }
    count as f64 / begun.elapsed().as_secs_f64()
}

/// The same service with nothing behind it, in a process of its own.
struct EmptyServer {
    child: Child,
    address: String,
}

impl EmptyServer {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .arg("--empty-server")
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut address = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut address)
            .expect("it says where");
        Self {
            child,
            address: address.trim().to_owned(),
        }
    }
}

impl Drop for EmptyServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Empty;

#[tonic::async_trait]
impl AttendanceService for Empty {
    async fn clock_in(
        &self,
        _request: Request<ClockInRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        Ok(Response::new(CommandReply::default()))
    }

    async fn clock_out(
        &self,
        _request: Request<ClockOutRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        Ok(Response::new(CommandReply::default()))
    }

    async fn record_absence(
        &self,
        _request: Request<RecordAbsenceRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        Ok(Response::new(CommandReply::default()))
    }

    async fn correct_attendance(
        &self,
        _request: Request<CorrectAttendanceRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        Ok(Response::new(CommandReply::default()))
    }
}

async fn empty_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    std::io::stdout().flush().expect("stdout");
    TonicServer::builder()
        .tcp_nodelay(true)
        .add_service(AttendanceServiceServer::new(Empty))
        .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener))
        .await
        .expect("it serves");
}
