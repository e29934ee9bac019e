//! A server of the protocol that is rude as it is told to be, and hands everything else on to a polite one.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

use crate::esdb::Served;

/// What a subscription is answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manners {
    /// What no subscription is answered: the client panics.
    NotFound,
    /// The end, without an error: the client asks for more, for ever.
    Over,
    /// An error.
    Refused,
}

/// What a call that stays open for appends is answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Line {
    /// An answer to nothing that was asked, without what every answer has: the client panics.
    Nonsense,
    /// Nothing, ever.
    Silence,
    /// An error.
    Refused,
}

/// Calls of appends: those that stay open, and single ones.
#[derive(Default)]
pub(super) struct Appends {
    pub(super) lines: AtomicUsize,
    pub(super) single: AtomicUsize,
}

/// What reads said of their user.
pub(super) type Users = Arc<Mutex<Vec<Option<String>>>>;

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
pub(super) const TOGETHER: &str = "together-";

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

pub(super) async fn front(polite: &Served, manners: Vec<Manners>) -> (SocketAddr, Users) {
    let (address, users, _) = front_with(polite, manners, Vec::new()).await;
    (address, users)
}

pub(super) async fn front_with(
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
