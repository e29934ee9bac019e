//! Persistent subscriptions as a client makes, joins and watches them; all are named `g`.

use annals::proto::event_store::client::persistent_subscriptions::persistent_subscriptions_client::PersistentSubscriptionsClient;
use annals::proto::event_store::client::persistent_subscriptions::{
    self as proto, create_req, get_info_req, read_req, read_resp,
};
use annals::proto::event_store::client::{self as shared};
use read_req::nack::Action;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::wire_client::*;

type Client = PersistentSubscriptionsClient<Channel>;

pub fn client(node: &Node) -> Client {
    PersistentSubscriptionsClient::new(node.channel.clone())
}

pub async fn create(node: &Node, stream: &str) -> Result<(), Status> {
    let of = create_req::StreamOptions {
        stream_identifier: Some(name(stream)),
        revision_option: Some(create_req::stream_options::RevisionOption::Start(EMPTY)),
    };
    create_of(node, create_req::options::StreamOption::Stream(of)).await
}

pub async fn create_on_all(node: &Node) -> Result<(), Status> {
    let of = create_req::AllOptions {
        all_option: Some(create_req::all_options::AllOption::Start(EMPTY)),
        filter_option: Some(create_req::all_options::FilterOption::NoFilter(EMPTY)),
    };
    create_of(node, create_req::options::StreamOption::All(of)).await
}

pub async fn create_of(node: &Node, of: create_req::options::StreamOption) -> Result<(), Status> {
    let settings = create_req::Settings {
        max_retry_count: 1,
        min_checkpoint_count: 1,
        max_checkpoint_count: 1,
        live_buffer_size: 100,
        read_batch_size: 10,
        history_buffer_size: 100,
        message_timeout: Some(create_req::settings::MessageTimeout::MessageTimeoutMs(
            30_000,
        )),
        checkpoint_after: Some(create_req::settings::CheckpointAfter::CheckpointAfterMs(
            100,
        )),
        consumer_strategy: "RoundRobin".to_owned(),
        ..create_req::Settings::default()
    };
    let options = create_req::Options {
        stream_option: Some(of),
        stream_identifier: None,
        group_name: "g".to_owned(),
        settings: Some(settings),
    };
    let request = proto::CreateReq {
        options: Some(options),
    };
    client(node).create(request).await.map(|_| ())
}

pub struct Consumer {
    says: mpsc::Sender<proto::ReadReq>,
    pub gets: Streaming<proto::ReadResp>,
}

pub async fn join(node: &Node, stream: &str, room: i32) -> Result<Consumer, Status> {
    let (says, said) = mpsc::channel(16);
    let options = read_req::Options {
        stream_option: Some(match stream {
            "$all" => read_req::options::StreamOption::All(EMPTY),
            stream => read_req::options::StreamOption::StreamIdentifier(name(stream)),
        }),
        group_name: "g".to_owned(),
        buffer_size: room,
        uuid_option: Some(read_req::options::UuidOption {
            content: Some(read_req::options::uuid_option::Content::String(EMPTY)),
        }),
    };
    let content = Some(read_req::Content::Options(options));
    says.send(proto::ReadReq { content }).await.unwrap();
    let gets = client(node)
        .read(ReceiverStream::new(said))
        .await?
        .into_inner();
    let mut consumer = Consumer { says, gets };
    let first = consumer.gets.message().await?.unwrap().content.unwrap();
    assert!(
        matches!(first, read_resp::Content::SubscriptionConfirmation(id) if id.subscription_id == format!("{stream}::g"))
    );
    Ok(consumer)
}

impl Consumer {
    /// The next message: the id to acknowledge, its revision, how often it was sent before.
    pub async fn next(&mut self) -> (shared::Uuid, u64, i32) {
        let content = self.gets.message().await.unwrap().unwrap().content.unwrap();
        let read_resp::Content::Event(read) = content else {
            panic!("{content:?}");
        };
        let Some(read_resp::read_event::Count::RetryCount(retries)) = read.count else {
            panic!("{read:?}");
        };
        let event = read.event.unwrap();
        let id = read.link.map_or(event.id, |link| link.id);
        (id.unwrap(), event.stream_revision, retries)
    }

    /// The next message in few words; it is acknowledged.
    pub async fn next_place(&mut self) -> String {
        let content = self.gets.message().await.unwrap().unwrap().content;
        let read_resp::Content::Event(read) = content.unwrap() else {
            panic!("no event");
        };
        let event = read.event.unwrap();
        let id = read.link.as_ref().map_or(&event.id, |link| &link.id);
        self.ack(id.clone().unwrap()).await;
        let place = |event: &read_resp::read_event::RecordedEvent| {
            place(event.stream_identifier.as_ref(), event.stream_revision)
        };
        match &read.link {
            None => place(&event),
            Some(link) => format!("{} via {}", place(&event), place(link)),
        }
    }

    pub async fn ack(&self, id: shared::Uuid) {
        let ack = read_req::Ack {
            id: Vec::new().into(),
            ids: vec![id],
        };
        self.say(read_req::Content::Ack(ack)).await;
    }

    pub async fn nack(&self, id: shared::Uuid, action: Action) {
        let nack = read_req::Nack {
            id: Vec::new().into(),
            ids: vec![id],
            action: action.into(),
            reason: "because".to_owned(),
        };
        self.say(read_req::Content::Nack(nack)).await;
    }

    pub async fn say(&self, content: read_req::Content) {
        let content = Some(content);
        self.says.send(proto::ReadReq { content }).await.unwrap();
    }
}

pub async fn create_from_end(node: &Node, stream: &str) -> Result<(), Status> {
    use create_req::options::StreamOption as Of;
    let of = match stream {
        "$all" => Of::All(create_req::AllOptions {
            all_option: Some(create_req::all_options::AllOption::End(EMPTY)),
            filter_option: Some(create_req::all_options::FilterOption::NoFilter(EMPTY)),
        }),
        stream => Of::Stream(create_req::StreamOptions {
            stream_identifier: Some(name(stream)),
            revision_option: Some(create_req::stream_options::RevisionOption::End(EMPTY)),
        }),
    };
    create_of(node, of).await
}

/// Waits until the group stands so.
pub async fn until(node: &Node, stream: &str, holds: impl Fn(&proto::SubscriptionInfo) -> bool) {
    for _ in 0..500 {
        let options = get_info_req::Options {
            stream_option: Some(match stream {
                "$all" => get_info_req::options::StreamOption::All(EMPTY),
                stream => get_info_req::options::StreamOption::StreamIdentifier(name(stream)),
            }),
            group_name: "g".to_owned(),
        };
        let request = proto::GetInfoReq {
            options: Some(options),
        };
        let info = client(node)
            .get_info(request)
            .await
            .unwrap()
            .into_inner()
            .subscription_info
            .unwrap();
        if holds(&info) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the group never stood so");
}
