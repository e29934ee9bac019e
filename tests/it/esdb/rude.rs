//! Guards against: a server whose answers make the client panic, or turn in circles, and take callers along.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use annals::kernel::{Position, StreamName, derived_id};
use annals::log::eventstoredb::Options;
use annals::log::memory::MemoryLog;
use annals::log::{
    AppendError, Delivery, Direction, EventLog, Expected, Filter, Match, NewEvent, ReadFrom,
};
use annals::proto::event_store::client::server_features::server_features_server::{
    ServerFeatures, ServerFeaturesServer,
};
use annals::proto::event_store::client::server_features::{SupportedMethod, SupportedMethods};
use annals::proto::event_store::client::streams::read_req::options::StreamOption;
use annals::proto::event_store::client::streams::streams_client::StreamsClient;
use annals::proto::event_store::client::streams::streams_server::{Streams, StreamsServer};
use annals::proto::event_store::client::streams::{self as proto, read_req, read_resp};
use annals::proto::event_store::client::{Empty, StreamIdentifier};
use futures::{Stream, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

use super::{Served, connect};

/// What a subscription is answered.
#[derive(Debug, Clone, Copy)]
enum Manners {
    /// What no subscription is answered: the client panics.
    NotFound,
    /// The end, without an error: the client asks for more, for ever.
    Over,
    /// An error.
    Refused,
}

/// What a call that stays open for appends is answered.
#[derive(Debug, Clone, Copy)]
enum Line {
    /// An answer to nothing that was asked, without what every answer has: the client panics.
    Nonsense,
    /// Nothing, ever.
    Silence,
    /// An error.
    Refused,
}

/// Calls of appends: those that stay open, and single ones.
#[derive(Default)]
struct Appends {
    lines: AtomicUsize,
    single: AtomicUsize,
}

/// What reads said of their user.
type Users = Arc<Mutex<Vec<Option<String>>>>;

/// Answers subscriptions rudely, as often as there are `manners`, and hands everything else on.
struct Rude {
    polite: StreamsClient<Channel>,
    manners: Mutex<Vec<Manners>>,
    lines: Mutex<Vec<Line>>,
    appends: Arc<Appends>,
    users: Users,
    /// One for each read of the metadata of a stream that is to be read together with it.
    metadata_reads: Semaphore,
}

/// Streams of which a read is answered only when their metadata is asked for, too.
const TOGETHER: &str = "together-";

fn stream_of(options: &read_req::Options) -> String {
    let Some(StreamOption::Stream(stream)) = &options.stream_option else {
        return String::new();
    };
    let name = &stream.stream_identifier.as_ref().unwrap().stream_name;
    String::from_utf8_lossy(name).into_owned()
}

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn requests<T: Send + 'static>(request: Request<Streaming<T>>) -> impl Stream<Item = T> + Send {
    request
        .into_inner()
        .filter_map(|message| std::future::ready(message.ok()))
}

#[tonic::async_trait]
impl Streams for Rude {
    type ReadStream = Replies<proto::ReadResp>;
    type BatchAppendStream = Replies<proto::BatchAppendResp>;

    async fn read(
        &self,
        request: Request<proto::ReadReq>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let user = request.metadata().get("authorization");
        let user = user.map(|user| user.to_str().unwrap().to_owned());
        self.users.lock().await.push(user);
        let request = request.into_inner();
        let options = request.options.as_ref().unwrap();
        let live = matches!(
            options.count_option,
            Some(read_req::options::CountOption::Subscription(_))
        );
        match stream_of(options).split_once(TOGETHER) {
            None => {}
            Some(("$$", _)) => self.metadata_reads.add_permits(1),
            Some(_) => self.metadata_reads.acquire().await.unwrap().forget(),
        }
        let manners = if live {
            self.manners.lock().await.pop()
        } else {
            None
        };
        let content = match manners {
            None => {
                let replies = self.polite.clone().read(request).await?.into_inner();
                return Ok(Response::new(Box::pin(replies)));
            }
            Some(Manners::Refused) => return Err(Status::internal("no")),
            Some(Manners::NotFound) => vec![read_resp::Content::StreamNotFound(
                read_resp::StreamNotFound {
                    stream_identifier: Some(StreamIdentifier::default()),
                },
            )],
            Some(Manners::Over) => Vec::new(),
        };
        let replies = content.into_iter().map(|content| {
            Ok(proto::ReadResp {
                content: Some(content),
            })
        });
        Ok(Response::new(Box::pin(futures::stream::iter(replies))))
    }

    async fn append(
        &self,
        request: Request<Streaming<proto::AppendReq>>,
    ) -> Result<Response<proto::AppendResp>, Status> {
        self.appends.single.fetch_add(1, Ordering::Relaxed);
        self.polite.clone().append(requests(request)).await
    }

    async fn delete(
        &self,
        request: Request<proto::DeleteReq>,
    ) -> Result<Response<proto::DeleteResp>, Status> {
        self.polite.clone().delete(request.into_inner()).await
    }

    async fn tombstone(
        &self,
        request: Request<proto::TombstoneReq>,
    ) -> Result<Response<proto::TombstoneResp>, Status> {
        self.polite.clone().tombstone(request.into_inner()).await
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<proto::BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        self.appends.lines.fetch_add(1, Ordering::Relaxed);
        let replies: Self::BatchAppendStream = match self.lines.lock().await.pop() {
            None => {
                let replies = self.polite.clone().batch_append(requests(request)).await?;
                Box::pin(replies.into_inner())
            }
            Some(Line::Refused) => return Err(Status::internal("no")),
            Some(Line::Silence) => Box::pin(futures::stream::pending()),
            Some(Line::Nonsense) => {
                let nonsense = futures::stream::iter([Ok(proto::BatchAppendResp::default())]);
                Box::pin(nonsense.chain(futures::stream::pending()))
            }
        };
        Ok(Response::new(replies))
    }
}

/// Says that calls for appends may stay open.
struct Features;

#[tonic::async_trait]
impl ServerFeatures for Features {
    async fn get_supported_methods(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<SupportedMethods>, Status> {
        let method = SupportedMethod {
            method_name: "batchappend".into(),
            service_name: "event_store.client.streams.streams".into(),
            features: vec!["deadline_duration".into()],
        };
        Ok(Response::new(SupportedMethods {
            methods: vec![method],
            event_store_server_version: "23.10.7".into(),
        }))
    }
}

async fn front(polite: &Served, manners: Vec<Manners>) -> (SocketAddr, Users) {
    let (address, users, _) = front_with(polite, manners, Vec::new()).await;
    (address, users)
}

async fn front_with(
    polite: &Served,
    manners: Vec<Manners>,
    lines: Vec<Line>,
) -> (SocketAddr, Users, Arc<Appends>) {
    let (users, appends) = (Users::default(), Arc::<Appends>::default());
    let endpoint = Endpoint::from_shared(format!("http://{}", polite.address)).unwrap();
    let rude = Rude {
        polite: StreamsClient::new(endpoint.connect().await.unwrap()),
        manners: Mutex::new(manners),
        lines: Mutex::new(lines),
        appends: Arc::clone(&appends),
        users: Arc::clone(&users),
        metadata_reads: Semaphore::new(0),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(StreamsServer::new(rude))
            .add_service(ServerFeaturesServer::new(Features))
            .serve_with_incoming(TcpIncoming::from(listener)),
    );
    (address, users, appends)
}

fn event(number: u64) -> NewEvent {
    NewEvent {
        id: derived_id(&[b"rude", &number.to_be_bytes()]),
        event_type: "Tested".into(),
        is_json: true,
        data: "{}".into(),
        metadata: "{}".into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_hear_everything_from_a_server_that_makes_the_client_panic_and_spin() {
    const EVENTS: u64 = 20;
    let polite = Served::start(Arc::new(MemoryLog::new())).await;
    for manners in [Manners::Refused, Manners::NotFound, Manners::Over] {
        let (address, _) = front(&polite, vec![manners; 2]).await;
        let log = connect(&format!("esdb://{address}?tls=false"), Options::default()).await;
        let from = log.head().await.unwrap();
        let stream = StreamName::new(format!("rude-{manners:?}")).unwrap();
        let mut deliveries = log.subscribe(from, Filter::default());
        // From the beginning, so that a feed of its own is needed, too.
        let filter = Filter::by_stream(Match::one_of([stream.as_str()]));
        for number in 0..EVENTS {
            log.append(&stream, Expected::Any, vec![event(number)])
                .await
                .unwrap();
        }
        let mut late = log.subscribe(Position::START, filter);
        for deliveries in [&mut deliveries, &mut late] {
            let mut heard = Vec::new();
            while heard.len() < EVENTS as usize {
                let next = tokio::time::timeout(Duration::from_mins(1), deliveries.next()).await;
                if let Delivery::Events(events) = next.unwrap().unwrap().unwrap() {
                    heard.extend(events.iter().map(|event| event.revision));
                }
            }
            assert_eq!(heard, (0..EVENTS).collect::<Vec<_>>(), "{manners:?}");
        }
    }
}

/// Threads of this process that read a subscription. Each test is a process of its own.
fn feeds() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names = threads.filter_map(|thread| {
        // One that has just ended has no name.
        std::fs::read_to_string(thread.unwrap().path().join("comm")).ok()
    });
    names.filter(|name| name.trim() == "esdb-feed").count()
}

/// Waits until so many are left.
async fn feeds_left(count: usize) {
    for _ in 0..300 {
        if feeds() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} threads read subscriptions, not {count}", feeds());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_the_server_ends_as_if_all_were_well_is_left_and_made_anew() {
    let polite = Served::start(Arc::new(MemoryLog::new())).await;
    let (address, _) = front(&polite, vec![Manners::Over; 3]).await;
    let log = connect(&format!("esdb://{address}?tls=false"), Options::default()).await;
    let stream = StreamName::new("rude-over").unwrap();
    let mut deliveries = log.subscribe(log.head().await.unwrap(), Filter::default());
    for number in 0..3 {
        log.append(&stream, Expected::Any, vec![event(number)])
            .await
            .unwrap();
    }
    let mut heard = 0;
    while heard < 3 {
        if let Delivery::Events(events) = deliveries.next().await.unwrap().unwrap() {
            heard += events.len();
        }
    }
    // Three were ended; one reads the tail.
    feeds_left(1).await;
    drop((deliveries, log));
    feeds_left(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_of_the_connection_string_is_sent_with_every_call() {
    let polite = Served::start(Arc::new(MemoryLog::new())).await;
    let (address, users) = front(&polite, Vec::new()).await;
    let url = format!("esdb://admin:p%40ss@{address}?tls=false");
    let log = connect(&url, Options::default()).await;
    let stream = StreamName::new("user-1").unwrap();
    log.append(&stream, Expected::Any, vec![event(1)])
        .await
        .unwrap();
    let mut deliveries = log.subscribe(Position::START, Filter::default());
    deliveries.next().await.unwrap().unwrap();
    log.metadata(&stream).await.unwrap();
    let users = users.lock().await;
    assert!(users.len() > 2, "{users:?}");
    // admin:p@ss
    let basic = Some("Basic YWRtaW46cEBzcw==".to_owned());
    assert!(users.iter().all(|user| *user == basic), "{users:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_a_stream_never_was_is_found_out_with_reads_side_by_side() {
    let polite = Served::start(Arc::new(MemoryLog::new())).await;
    let (address, _) = front(&polite, Vec::new()).await;
    let log = connect(&format!("esdb://{address}?tls=false"), Options::default()).await;
    let stream = StreamName::new(format!("{TOGETHER}1")).unwrap();
    for from in [ReadFrom::Start, ReadFrom::Revision(0)] {
        let read = log.read_stream(&stream, from, Direction::Forward, 10).await;
        assert!(!read.unwrap().exists);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_share_a_call_and_a_refused_one_harms_none_beside_it() {
    const STREAMS: u64 = 16;
    const EVENTS: u64 = 20;
    let memory = Arc::new(MemoryLog::new());
    let polite = Served::start(Arc::clone(&memory) as _).await;
    let (address, _, appends) = front_with(&polite, Vec::new(), Vec::new()).await;
    let log = connect(&format!("esdb://{address}?tls=false"), Options::default()).await;
    // The first one opens the call.
    let stream = |number: u64| StreamName::new(format!("line-{number}")).unwrap();
    let first = vec![event(u64::MAX)];
    log.append(&stream(STREAMS), Expected::NoStream, first)
        .await
        .unwrap();
    let append_all = |number: u64| {
        let (log, stream) = (&log, stream(number));
        async move {
            for turn in 0..EVENTS {
                let expected = turn
                    .checked_sub(1)
                    .map_or(Expected::NoStream, Expected::Exact);
                let event = event(number * EVENTS + turn);
                let done = log.append(&stream, expected, vec![event]).await.unwrap();
                assert_eq!(done.revision, Some(turn));
            }
        }
    };
    futures::future::join_all((0..STREAMS / 2).map(append_all)).await;
    assert_eq!(appends.lines.load(Ordering::Relaxed), 1);
    assert_eq!(appends.single.load(Ordering::Relaxed), 0);
    let refused = async {
        for turn in 0..EVENTS {
            let event = vec![event(1_000_000 + turn)];
            let outcome = log
                .append(&stream(STREAMS), Expected::NoStream, event)
                .await;
            let current = Some(0);
            assert!(
                matches!(outcome, Err(AppendError::WrongExpected { current: at, .. }) if at == current),
                "{outcome:?}"
            );
        }
    };
    let beside = futures::future::join_all((STREAMS / 2..STREAMS).map(append_all));
    futures::future::join(refused, beside).await;
    for number in 0..STREAMS {
        let slice = memory
            .read_stream(&stream(number), ReadFrom::Start, Direction::Forward, 100)
            .await
            .unwrap();
        let ids: Vec<_> = slice.events.iter().map(|event| event.id).collect();
        let sent: Vec<_> = (0..EVENTS)
            .map(|turn| event(number * EVENTS + turn).id)
            .collect();
        assert_eq!(ids, sent, "line-{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_the_shared_call_does_not_answer_is_made_alone() {
    let polite = Served::start(Arc::new(MemoryLog::new())).await;
    for line in [Line::Refused, Line::Silence, Line::Nonsense] {
        let (address, _, appends) = front_with(&polite, Vec::new(), vec![line]).await;
        let log = connect(&format!("esdb://{address}?tls=false"), Options::default()).await;
        let stream = StreamName::new(format!("line-{line:?}")).unwrap();
        for turn in 0..2 {
            let expected = [Expected::NoStream, Expected::Exact(0)][turn];
            let event = vec![event(turn as u64)];
            let done = log.append(&stream, expected, event).await.unwrap();
            assert_eq!(done.revision, Some(turn as u64), "{line:?}");
        }
        assert_eq!(appends.single.load(Ordering::Relaxed), 1, "{line:?}");
        assert_eq!(appends.lines.load(Ordering::Relaxed), 2, "{line:?}");
    }
}
