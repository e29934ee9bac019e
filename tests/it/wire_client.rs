//! A log served over EventStoreDB's protocol in this process, and short words for its calls.

use std::sync::Arc;

use annals::log::memory::MemoryLog;
use annals::log::sqlite::{Options as EngineOptions, SqliteLog};
use annals::log::{EventLog, wire};
use annals::proto::event_store::client::streams::streams_client::StreamsClient;
use annals::proto::event_store::client::streams::{self as proto, append_req, read_req, read_resp};
use annals::proto::event_store::client::{self as shared, Empty, StreamIdentifier};
use proto::append_req::options::ExpectedStreamRevision as Expect;
use proto::read_req::options;
use tokio::sync::oneshot;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};
use uuid::Uuid;

pub const EMPTY: Empty = Empty {};
pub const ANY: Expect = Expect::Any(EMPTY);
pub const NO_STREAM: Expect = Expect::NoStream(EMPTY);
pub const STREAM_EXISTS: Expect = Expect::StreamExists(EMPTY);

pub struct Node {
    pub streams: StreamsClient<Channel>,
    pub channel: Channel,
    pub address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    _dir: Option<tempfile::TempDir>,
}

impl Node {
    pub async fn memory() -> Self {
        Self::over(Arc::new(MemoryLog::new()), wire::Options::default(), None).await
    }

    pub async fn engine() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = SqliteLog::open(dir.path(), EngineOptions::default()).unwrap();
        Self::over(Arc::new(log), wire::Options::default(), Some(dir)).await
    }

    pub async fn over(
        log: Arc<dyn EventLog>,
        options: wire::Options,
        dir: Option<tempfile::TempDir>,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let stopped = async { stopped.await.unwrap_or(()) };
            wire::serve(log, listener, options, stopped).await.unwrap();
        });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        Self {
            streams: StreamsClient::new(channel.clone()),
            channel,
            address,
            stop: Some(stop),
            _dir: dir,
        }
    }

    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub async fn append(
        &self,
        stream: &str,
        expect: Expect,
        events: Vec<append_req::ProposedMessage>,
    ) -> Result<proto::append_resp::Result, Status> {
        let options = append_req::Content::Options(append_req::Options {
            stream_identifier: Some(name(stream)),
            expected_stream_revision: Some(expect),
        });
        let messages = std::iter::once(options)
            .chain(events.into_iter().map(append_req::Content::ProposedMessage))
            .map(|content| proto::AppendReq {
                content: Some(content),
            })
            .collect::<Vec<_>>();
        let reply = self
            .streams
            .clone()
            .append(futures::stream::iter(messages))
            .await?;
        Ok(reply.into_inner().result.unwrap())
    }

    /// Appends, and answers the revision of the last event.
    pub async fn put(
        &self,
        stream: &str,
        expect: Expect,
        events: Vec<append_req::ProposedMessage>,
    ) -> u64 {
        match self.append(stream, expect, events).await.unwrap() {
            proto::append_resp::Result::Success(success) => revision_of(&success),
            proto::append_resp::Result::WrongExpectedVersion(wrong) => panic!("{wrong:?}"),
        }
    }

    pub async fn tombstone(&self, stream: &str) -> Result<(), Status> {
        let options = proto::tombstone_req::Options {
            stream_identifier: Some(name(stream)),
            expected_stream_revision: Some(
                proto::tombstone_req::options::ExpectedStreamRevision::Any(EMPTY),
            ),
        };
        let request = proto::TombstoneReq {
            options: Some(options),
        };
        self.streams.clone().tombstone(request).await.map(|_| ())
    }

    pub async fn read(
        &self,
        options: read_req::Options,
    ) -> Result<Vec<read_resp::Content>, Status> {
        let mut replies = self.open(options).await?;
        let mut all = Vec::new();
        while let Some(reply) = replies.message().await? {
            all.push(reply.content.unwrap());
        }
        Ok(all)
    }

    pub async fn open(
        &self,
        options: read_req::Options,
    ) -> Result<Streaming<proto::ReadResp>, Status> {
        let request = proto::ReadReq {
            options: Some(options),
        };
        Ok(self.streams.clone().read(request).await?.into_inner())
    }
}

pub fn revision_of(success: &proto::append_resp::Success) -> u64 {
    match success.current_revision_option.unwrap() {
        proto::append_resp::success::CurrentRevisionOption::CurrentRevision(revision) => revision,
        proto::append_resp::success::CurrentRevisionOption::NoStream(_) => panic!("no stream"),
    }
}

pub fn name(stream: &str) -> StreamIdentifier {
    StreamIdentifier {
        stream_name: stream.as_bytes().to_vec().into(),
    }
}

/// An event whose id is `id`.
pub fn event(id: u128) -> append_req::ProposedMessage {
    typed(id, "happened", "{}")
}

pub fn typed(id: u128, event_type: &str, data: &str) -> append_req::ProposedMessage {
    append_req::ProposedMessage {
        id: Some(shared::Uuid {
            value: Some(shared::uuid::Value::String(Uuid::from_u128(id).to_string())),
        }),
        metadata: [
            ("type".to_owned(), event_type.to_owned()),
            ("content-type".to_owned(), "application/json".to_owned()),
        ]
        .into(),
        custom_metadata: Vec::new().into(),
        data: data.as_bytes().to_vec().into(),
    }
}

/// A forward read of all of a stream, links not followed.
pub fn stream(stream: &str) -> read_req::Options {
    let of = options::StreamOptions {
        stream_identifier: Some(name(stream)),
        revision_option: Some(options::stream_options::RevisionOption::Start(EMPTY)),
    };
    shaped(options::StreamOption::Stream(of))
}

/// A forward read of everything.
pub fn all() -> read_req::Options {
    let of = options::AllOptions {
        all_option: Some(options::all_options::AllOption::Start(EMPTY)),
    };
    shaped(options::StreamOption::All(of))
}

fn shaped(of: options::StreamOption) -> read_req::Options {
    read_req::Options {
        stream_option: Some(of),
        read_direction: options::ReadDirection::Forwards.into(),
        resolve_links: false,
        count_option: Some(options::CountOption::Count(u64::MAX)),
        filter_option: Some(options::FilterOption::NoFilter(EMPTY)),
        uuid_option: Some(options::UuidOption {
            content: Some(options::uuid_option::Content::String(EMPTY)),
        }),
        control_option: None,
    }
}

pub fn live(mut read: read_req::Options) -> read_req::Options {
    read.count_option = Some(options::CountOption::Subscription(
        options::SubscriptionOptions {},
    ));
    read
}

pub fn backwards(mut read: read_req::Options) -> read_req::Options {
    read.read_direction = options::ReadDirection::Backwards.into();
    if let Some(options::StreamOption::Stream(stream)) = &mut read.stream_option {
        stream.revision_option = Some(options::stream_options::RevisionOption::End(EMPTY));
    }
    read
}

pub fn resolved(mut read: read_req::Options) -> read_req::Options {
    read.resolve_links = true;
    read
}

pub fn by_type(mut read: read_req::Options, regex: &str, window: u32) -> read_req::Options {
    use options::filter_options::{Expression, Filter, Window};
    read.filter_option = Some(options::FilterOption::Filter(options::FilterOptions {
        filter: Some(Filter::EventType(Expression {
            regex: regex.to_owned(),
            prefix: Vec::new(),
        })),
        window: Some(Window::Max(window)),
        checkpoint_interval_multiplier: 1,
    }));
    read
}

/// `stream@revision`.
pub fn place(stream: Option<&StreamIdentifier>, revision: u64) -> String {
    let stream = String::from_utf8_lossy(&stream.unwrap().stream_name);
    format!("{stream}@{revision}")
}

/// Replies in few words: `stream@revision`, `stream@revision via link`, or what else they are.
pub fn brief(content: &read_resp::Content) -> String {
    let place = |event: &read_resp::read_event::RecordedEvent| {
        place(event.stream_identifier.as_ref(), event.stream_revision)
    };
    match content {
        read_resp::Content::Event(read) => match (&read.event, &read.link) {
            (Some(event), None) => place(event),
            (Some(event), Some(link)) => format!("{} via {}", place(event), place(link)),
            (None, Some(link)) => format!("nothing via {}", place(link)),
            (None, None) => panic!("an event of nothing"),
        },
        read_resp::Content::Confirmation(_) => "confirmed".into(),
        read_resp::Content::Checkpoint(_) => "checkpoint".into(),
        read_resp::Content::StreamNotFound(_) => "not found".into(),
        read_resp::Content::FirstStreamPosition(at) => format!("first {at}"),
        read_resp::Content::LastStreamPosition(at) => format!("last {at}"),
        read_resp::Content::CaughtUp(_) => "caught up".into(),
        other @ (read_resp::Content::LastAllStreamPosition(_)
        | read_resp::Content::FellBehind(_)) => {
            format!("{other:?}")
        }
    }
}

pub fn briefly(all: &[read_resp::Content]) -> Vec<String> {
    all.iter().map(brief).collect()
}

/// The next `count` replies of a subscription.
pub async fn take(replies: &mut Streaming<proto::ReadResp>, count: usize) -> Vec<String> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(brief(
            &replies.message().await.unwrap().unwrap().content.unwrap(),
        ));
    }
    taken
}

/// Runs tests over the oracle and over the engine.
macro_rules! over_both {
    ($($(#[$doc:meta])* $name:ident => $test:expr;)*) => {
        $($(#[$doc])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let test = $test;
            test(Node::memory().await).await;
            test(Node::engine().await).await;
        })*
    };
}
pub(crate) use over_both;
