//! Persistent subscriptions over both engines: who gets what, again, parked, and from where after a restart.

use std::sync::Arc;

use annals::log::memory::MemoryLog;
use annals::log::wire;
use annals::proto::event_store::client::persistent_subscriptions::persistent_subscriptions_client::PersistentSubscriptionsClient;
use annals::proto::event_store::client::persistent_subscriptions::{
    self as proto, create_req, get_info_req, read_req, read_resp, replay_parked_req,
};
use annals::proto::event_store::client::{self as shared};
use read_req::nack::Action;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::wire_client::*;

type Client = PersistentSubscriptionsClient<Channel>;

fn client(node: &Node) -> Client {
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

async fn create_of(node: &Node, of: create_req::options::StreamOption) -> Result<(), Status> {
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

    pub async fn ack(&self, id: shared::Uuid) {
        let ack = read_req::Ack {
            id: Vec::new().into(),
            ids: vec![id],
        };
        self.say(read_req::Content::Ack(ack)).await;
    }

    async fn nack(&self, id: shared::Uuid, action: Action) {
        let nack = read_req::Nack {
            id: Vec::new().into(),
            ids: vec![id],
            action: action.into(),
            reason: "because".to_owned(),
        };
        self.say(read_req::Content::Nack(nack)).await;
    }

    async fn say(&self, content: read_req::Content) {
        let content = Some(content);
        self.says.send(proto::ReadReq { content }).await.unwrap();
    }
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

#[tokio::test]
async fn messages_are_sent_again_parked_and_replayed() {
    for node in [Node::memory().await, Node::engine().await] {
        node.put("s", ANY, vec![event(1), event(2), event(3)]).await;
        create(&node, "s").await.unwrap();
        let mut consumer = join(&node, "s", 10).await.unwrap();
        let (one, revision, retries) = consumer.next().await;
        assert_eq!((revision, retries), (0, 0));
        let (two, ..) = consumer.next().await;
        let (three, ..) = consumer.next().await;
        consumer.ack(one).await;
        consumer.nack(two, Action::Retry).await;
        let (two, revision, retries) = consumer.next().await;
        assert_eq!((revision, retries), (1, 1));
        consumer.nack(two, Action::Retry).await;
        consumer.nack(three, Action::Park).await;
        until(&node, "s", |info| info.parked_message_count == 2).await;
        let parked = node
            .read(resolved(stream("$persistentsubscription-s::g-parked")))
            .await
            .unwrap();
        let there: Vec<_> = briefly(&parked)
            .into_iter()
            .map(|text| text.split(' ').next().unwrap().to_owned())
            .collect();
        assert_eq!(there, ["s@1", "s@2"]);
        let options = replay_parked_req::Options {
            group_name: "g".to_owned(),
            stream_option: Some(replay_parked_req::options::StreamOption::StreamIdentifier(
                name("s"),
            )),
            stop_at_option: Some(replay_parked_req::options::StopAtOption::NoLimit(EMPTY)),
        };
        let request = proto::ReplayParkedReq {
            options: Some(options),
        };
        client(&node).replay_parked(request).await.unwrap();
        for revision in [1, 2] {
            let (id, again, retries) = consumer.next().await;
            assert_eq!((again, retries), (revision, 0));
            consumer.ack(id).await;
        }
        until(&node, "s", |info| {
            info.parked_message_count == 0 && info.last_checkpointed_event_position == "2"
        })
        .await;
    }
}

#[tokio::test]
async fn what_a_consumer_held_goes_to_the_next_and_no_more_than_it_has_room_for() {
    let node = Node::memory().await;
    node.put("s", ANY, vec![event(1), event(2), event(3)]).await;
    create(&node, "s").await.unwrap();
    let mut first = join(&node, "s", 1).await.unwrap();
    assert_eq!(first.next().await.1, 0);
    drop(first);
    let mut second = join(&node, "s", 10).await.unwrap();
    let mut got = Vec::new();
    for _ in 0..3 {
        let (id, revision, retries) = second.next().await;
        got.push((revision, retries));
        second.ack(id).await;
    }
    got.sort_unstable();
    assert_eq!(got, [(0, 1), (1, 0), (2, 0)]);
}

#[tokio::test]
async fn a_group_goes_on_at_its_checkpoint_after_a_restart() {
    let log = Arc::new(MemoryLog::new());
    let mut node = Node::over(log.clone(), wire::Options::default(), None).await;
    node.put("s", ANY, vec![event(1), event(2)]).await;
    create(&node, "s").await.unwrap();
    let mut consumer = join(&node, "s", 1).await.unwrap();
    let (id, ..) = consumer.next().await;
    consumer.ack(id).await;
    until(&node, "s", |info| {
        info.last_checkpointed_event_position == "0"
    })
    .await;
    drop(consumer);
    node.stop();
    let node = Node::over(log, wire::Options::default(), None).await;
    let mut consumer = join(&node, "s", 1).await.unwrap();
    assert_eq!(consumer.next().await.1, 1);
}

#[tokio::test]
async fn unknown_and_repeated_groups_are_refused_by_name() {
    let node = Node::memory().await;
    let missing = join(&node, "s", 1).await.err().unwrap();
    assert_eq!(missing.code(), Code::NotFound);
    assert_eq!(
        missing.message(),
        "Subscription group g on stream s does not exist."
    );
    assert_eq!(
        missing.metadata().get("exception").unwrap(),
        "persistent-subscription-does-not-exist"
    );
    create(&node, "s").await.unwrap();
    let twice = create(&node, "s").await.unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists);
    assert_eq!(twice.metadata().get("group-name").unwrap(), "g");
}
