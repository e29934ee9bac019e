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

async fn create_from_end(node: &Node, stream: &str) -> Result<(), Status> {
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

/// The next message in few words.
async fn next_of(consumer: &mut Consumer) -> String {
    let content = consumer.gets.message().await.unwrap().unwrap().content;
    let read_resp::Content::Event(read) = content.unwrap() else {
        panic!("no event");
    };
    let event = read.event.unwrap();
    let id = read.link.as_ref().map_or(&event.id, |link| &link.id);
    consumer.ack(id.clone().unwrap()).await;
    let place = |event: &read_resp::read_event::RecordedEvent| {
        let stream = &event.stream_identifier.as_ref().unwrap().stream_name;
        let stream = String::from_utf8_lossy(stream).into_owned();
        format!("{stream}@{}", event.stream_revision)
    };
    match &read.link {
        None => place(&event),
        Some(link) => format!("{} via {}", place(&event), place(link)),
    }
}

#[tokio::test]
async fn a_group_from_the_end_gets_all_that_comes_after_it_was_made() {
    for node in [Node::memory().await, Node::engine().await] {
        node.put("s", ANY, vec![event(1)]).await;
        node.put("x-1", ANY, vec![event(2)]).await;
        for (stream, id) in [("s", 10), ("$all", 20), ("$ce-x", 30), ("later", 40)] {
            create_from_end(&node, stream).await.unwrap();
            // Nobody has joined yet.
            node.put("s", ANY, vec![event(id)]).await;
            node.put("x-2", ANY, vec![event(id + 1)]).await;
            node.put("later", ANY, vec![event(id + 2)]).await;
            let mut consumer = join(&node, stream, 10).await.unwrap();
            let first = next_of(&mut consumer).await;
            match stream {
                "s" => assert_eq!(first, "s@1"),
                // That the group was made is the first thing that comes.
                "$all" => {
                    assert!(first.starts_with("$persistentSubscriptionConfig@"));
                    assert_eq!(next_of(&mut consumer).await, "s@2");
                }
                "$ce-x" => assert_eq!(first, "$ce-x@3"),
                _ => assert_eq!(first, "later@3"),
            }
        }
    }
}

#[tokio::test]
async fn a_group_on_a_category_gets_what_is_there_and_what_comes() {
    for node in [Node::memory().await, Node::engine().await] {
        node.put("x-1", ANY, vec![event(1), event(2)]).await;
        node.put("y-1", ANY, vec![event(3)]).await;
        create(&node, "$ce-x").await.unwrap();
        let mut consumer = join(&node, "$ce-x", 10).await.unwrap();
        assert_eq!(next_of(&mut consumer).await, "$ce-x@0");
        assert_eq!(next_of(&mut consumer).await, "$ce-x@1");
        for count in 0..3 {
            node.put("y-1", ANY, vec![event(10 + count)]).await;
            node.put("x-2", ANY, vec![event(20 + count)]).await;
            let link = format!("$ce-x@{}", 2 + count);
            assert_eq!(next_of(&mut consumer).await, link);
        }
        until(&node, "$ce-x", |info| {
            info.last_checkpointed_event_position == "4"
        })
        .await;
    }
}

#[tokio::test]
async fn a_consumer_that_says_nothing_gets_nothing_and_one_that_says_nonsense_is_told() {
    let node = Node::memory().await;
    let silent = client(&node).read(futures::stream::empty()).await.unwrap();
    assert!(silent.into_inner().message().await.unwrap().is_none());
    node.put("s", ANY, vec![event(1)]).await;
    create(&node, "s").await.unwrap();
    let mut consumer = join(&node, "s", 10).await.unwrap();
    let (id, ..) = consumer.next().await;
    let nack = read_req::Nack {
        id: Vec::new().into(),
        ids: vec![id],
        action: 9,
        reason: "because".to_owned(),
    };
    consumer.say(read_req::Content::Nack(nack)).await;
    let told = consumer.gets.message().await.unwrap_err();
    assert_eq!(told.code(), Code::InvalidArgument);
    assert_eq!(told.message(), "there is no nack 9");
    // What it held goes to the next.
    let mut next = join(&node, "s", 10).await.unwrap();
    assert_eq!((next.next().await.1), 0);
}

#[tokio::test]
async fn a_group_may_begin_between_two_events_and_says_so() {
    let node = Node::memory().await;
    node.put("s", ANY, vec![event(1), event(2)]).await;
    let first = node.read(all()).await.unwrap().remove(0);
    let annals::proto::event_store::client::streams::read_resp::Content::Event(first) = first
    else {
        panic!("{first:?}");
    };
    let at = first.event.unwrap().commit_position + 1;
    let position = create_req::Position {
        commit_position: at,
        prepare_position: at,
    };
    let of = create_req::AllOptions {
        all_option: Some(create_req::all_options::AllOption::Position(position)),
        filter_option: Some(create_req::all_options::FilterOption::NoFilter(EMPTY)),
    };
    create_of(&node, create_req::options::StreamOption::All(of))
        .await
        .unwrap();
    until(&node, "$all", |info| {
        info.start_from == format!("C:{at}/P:{at}")
    })
    .await;
    let mut consumer = join(&node, "$all", 1).await.unwrap();
    assert_eq!(next_of(&mut consumer).await, "s@1");
}
