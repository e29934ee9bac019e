//! `EventStoreDB`'s protocol: single appends on many streams at once beside an empty tonic handler of the same call, and all
//! events streamed to one client, by a read and by a subscription. `cargo bench --bench wire [-- SECONDS]`;
//! `ANNALS_BENCH_ONLY=read` leaves the appends out. Ratios are what counts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a benchmark that cannot go on says so by panicking"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use annals::kernel::StreamName;
use annals::log::sqlite::{Options, SqliteLog};
use annals::log::{EventLog, Expected, NewEvent};
use annals::proto::event_store::client::streams::streams_client::StreamsClient;
use annals::proto::event_store::client::streams::streams_server::{Streams, StreamsServer};
use annals::proto::event_store::client::streams::{
    self as proto, append_req, append_resp, read_req,
};
use annals::proto::event_store::client::{self as shared, Empty, StreamIdentifier};
use futures::Stream;
use futures::future::join_all;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Streams that are appended to at once, by one caller each.
const STREAMS: usize = 256;

/// Connections that the callers share.
const CONNECTIONS: usize = 4;

/// Payload of an event: as large as a usual one of Annals.
const DATA_BYTES: usize = 250;
const METADATA_BYTES: usize = 100;

/// Events that are streamed.
const EVENTS: usize = 500_000;

/// Events of one append while the log is filled.
const FILL: usize = 1000;

/// A read's messages are small; many come at once.
const WINDOW_BYTES: u32 = 4 * 1024 * 1024;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if std::env::args().any(|argument| argument == "--empty-server") {
        return runtime.block_on(empty_server());
    }
    let seconds = std::env::args().find_map(|argument| argument.parse().ok());
    let each = Duration::from_secs(seconds.unwrap_or(5));
    let home = std::env::var_os("ANNALS_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let home = tempfile::Builder::new()
        .prefix("annals-wire")
        .tempdir_in(home)
        .unwrap();

    if std::env::var_os("ANNALS_BENCH_ONLY").is_none_or(|only| only != "read") {
        compare_appends(&runtime, home.path(), each);
    }
    let full = home.path().join("full");
    runtime.block_on(fill(&full));
    let log = Serving::log(&full);
    println!("all events to one client");
    let read = read_req::options::CountOption::Count(u64::MAX);
    let subscribe = read_req::options::CountOption::Subscription(
        read_req::options::SubscriptionOptions::default(),
    );
    for (what, how) in [("read", read), ("subscription", subscribe)].repeat(2) {
        let (count, took) = runtime.block_on(read_everything(&log.address, how));
        println!(
            "{what:>16} {:>10.0}/s ({count} events in {:.2} s)",
            count as f64 / took.as_secs_f64(),
            took.as_secs_f64()
        );
    }
}

fn compare_appends(runtime: &tokio::runtime::Runtime, home: &Path, each: Duration) {
    let empty =
        Serving::start(Command::new(std::env::current_exe().unwrap()).arg("--empty-server"));
    let bound = runtime.block_on(appends(&empty.address, each));
    drop(empty);
    let log = Serving::log(&home.join("appends"));
    let rate = runtime.block_on(appends(&log.address, each));
    drop(log);
    println!("single appends on {STREAMS} streams, {CONNECTIONS} connections");
    println!("{:>16} {bound:>10.0}/s", "empty handler");
    println!(
        "{:>16} {rate:>10.0}/s {:>4.0}%",
        "log",
        100.0 * rate / bound
    );
}

/// A server process; dropping it kills it.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn log(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
        Self::start(
            command
                .args(["log", "serve", "--listen", "127.0.0.1:0", "--data"])
                .arg(data),
        )
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command
            // The server takes every such name for a setting of its own.
            .env_remove("ANNALS_BENCH_DIR")
            .env_remove("ANNALS_BENCH_ONLY")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap();
        Self {
            child,
            address: format!("http://{address}"),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

async fn connect(address: &str) -> Channel {
    let endpoint = Endpoint::from_shared(address.to_owned()).unwrap();
    let endpoint = endpoint
        .tcp_nodelay(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES);
    endpoint.connect().await.unwrap()
}

/// Appends a second that were answered.
async fn appends(address: &str, each: Duration) -> f64 {
    let channels = join_all((0..CONNECTIONS).map(|_| connect(address))).await;
    let begin = Instant::now();
    let callers = (0..STREAMS)
        .zip(channels.iter().cycle())
        .map(|(stream, channel)| {
            let mut client = StreamsClient::new(channel.clone());
            tokio::spawn(async move {
                let mut done = 0_u64;
                while begin.elapsed() < each {
                    let messages = append_of(stream, done);
                    let reply = client
                        .append(futures::stream::iter(messages))
                        .await
                        .unwrap();
                    match reply.into_inner().result {
                        Some(append_resp::Result::Success(_)) => done += 1,
                        other => panic!("{other:?}"),
                    }
                }
                done
            })
        });
    let done: u64 = join_all(callers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .sum();
    done as f64 / begin.elapsed().as_secs_f64()
}

fn append_of(stream: usize, nth: u64) -> [proto::AppendReq; 2] {
    let options = append_req::Options {
        stream_identifier: Some(StreamIdentifier {
            stream_name: format!("bench-{stream}").into_bytes().into(),
        }),
        expected_stream_revision: Some(append_req::options::ExpectedStreamRevision::Any(Empty {})),
    };
    let message = append_req::ProposedMessage {
        id: Some(shared::Uuid {
            value: Some(shared::uuid::Value::String(id(stream, nth).to_string())),
        }),
        metadata: [
            ("type".to_owned(), "ClockedIn".to_owned()),
            ("content-type".to_owned(), "application/json".to_owned()),
        ]
        .into(),
        custom_metadata: vec![b'm'; METADATA_BYTES].into(),
        data: vec![b'd'; DATA_BYTES].into(),
    };
    [
        append_req::Content::Options(options),
        append_req::Content::ProposedMessage(message),
    ]
    .map(|content| proto::AppendReq {
        content: Some(content),
    })
}

fn id(stream: usize, nth: u64) -> Uuid {
    Uuid::from_u64_pair(stream as u64 + 1, nth)
}

async fn fill(data: &Path) {
    let log = SqliteLog::open(data, Options::default()).unwrap();
    for batch in 0..EVENTS / FILL {
        let events = (0..FILL).map(|nth| NewEvent {
            id: id(batch, nth as u64),
            event_type: "ClockedIn".into(),
            is_json: true,
            data: vec![b'd'; DATA_BYTES].into(),
            metadata: vec![b'm'; METADATA_BYTES].into(),
        });
        let stream = StreamName::new(format!("bench-{}", batch % STREAMS)).unwrap();
        log.append(&stream, Expected::Any, events.collect())
            .await
            .unwrap();
    }
    log.close().await;
}

/// Takes in all events, until the read ends or the subscription has caught up.
async fn read_everything(address: &str, how: read_req::options::CountOption) -> (usize, Duration) {
    use annals::proto::event_store::client::streams::read_resp::Content;
    use read_req::options::{self, FilterOption, StreamOption};
    let from = options::AllOptions {
        all_option: Some(options::all_options::AllOption::Start(Empty {})),
    };
    let options = read_req::Options {
        stream_option: Some(StreamOption::All(from)),
        count_option: Some(how),
        filter_option: Some(FilterOption::NoFilter(Empty {})),
        uuid_option: Some(options::UuidOption {
            content: Some(options::uuid_option::Content::Structured(Empty {})),
        }),
        ..read_req::Options::default()
    };
    let mut client = StreamsClient::new(connect(address).await);
    let begin = Instant::now();
    let request = proto::ReadReq {
        options: Some(options),
    };
    let mut replies = client.read(request).await.unwrap().into_inner();
    let mut count = 0;
    while let Some(reply) = replies.message().await.unwrap() {
        match reply.content {
            Some(Content::Event(_)) => count += 1,
            Some(Content::CaughtUp(_)) => break,
            _ => {}
        }
    }
    assert!(count >= EVENTS);
    (count, begin.elapsed())
}

/// Takes in an append as ours does, and answers at once.
struct EmptyHandler;

type Never<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Streams for EmptyHandler {
    type ReadStream = Never<proto::ReadResp>;
    type BatchAppendStream = Never<proto::BatchAppendResp>;

    async fn append(
        &self,
        request: Request<Streaming<proto::AppendReq>>,
    ) -> Result<Response<proto::AppendResp>, Status> {
        let mut requests = request.into_inner();
        while requests.message().await?.is_some() {}
        let success = append_resp::Success {
            current_revision_option: Some(
                append_resp::success::CurrentRevisionOption::CurrentRevision(0),
            ),
            position_option: Some(append_resp::success::PositionOption::NoPosition(Empty {})),
        };
        Ok(Response::new(proto::AppendResp {
            result: Some(append_resp::Result::Success(success)),
        }))
    }

    async fn read(&self, _: Request<proto::ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        Err(Status::unimplemented("only appends are measured"))
    }

    async fn delete(
        &self,
        _: Request<proto::DeleteReq>,
    ) -> Result<Response<proto::DeleteResp>, Status> {
        Err(Status::unimplemented("only appends are measured"))
    }

    async fn tombstone(
        &self,
        _: Request<proto::TombstoneReq>,
    ) -> Result<Response<proto::TombstoneResp>, Status> {
        Err(Status::unimplemented("only appends are measured"))
    }

    async fn batch_append(
        &self,
        _: Request<Streaming<proto::BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        Err(Status::unimplemented("only appends are measured"))
    }
}

async fn empty_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    tonic::transport::Server::builder()
        .add_service(StreamsServer::new(EmptyHandler))
        .serve_with_incoming(incoming)
        .await
        .unwrap();
}
