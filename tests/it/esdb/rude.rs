//! Guards against: a server whose answers make the client panic, or turn in circles, and take callers along.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use annals::kernel::{Position, StreamName, derived_id};
use annals::log::eventstoredb::Options;
use annals::log::memory::MemoryLog;
use annals::log::{Delivery, EventLog, Expected, Filter, Match, NewEvent};
use annals::proto::event_store::client::StreamIdentifier;
use annals::proto::event_store::client::streams::streams_client::StreamsClient;
use annals::proto::event_store::client::streams::streams_server::{Streams, StreamsServer};
use annals::proto::event_store::client::streams::{self as proto, read_req, read_resp};
use futures::{Stream, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
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

/// What reads said of their user.
type Users = Arc<Mutex<Vec<Option<String>>>>;

/// Answers subscriptions rudely, as often as there are `manners`, and hands everything else on.
struct Rude {
    polite: StreamsClient<Channel>,
    manners: Mutex<Vec<Manners>>,
    users: Users,
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
        let replies = self.polite.clone().batch_append(requests(request)).await?;
        Ok(Response::new(Box::pin(replies.into_inner())))
    }
}

async fn front(polite: &Served, manners: Vec<Manners>) -> (SocketAddr, Users) {
    let users = Users::default();
    let endpoint = Endpoint::from_shared(format!("http://{}", polite.address)).unwrap();
    let rude = Rude {
        polite: StreamsClient::new(endpoint.connect().await.unwrap()),
        manners: Mutex::new(manners),
        users: Arc::clone(&users),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(StreamsServer::new(rude))
            .serve_with_incoming(TcpIncoming::from(listener)),
    );
    (address, users)
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
