//! Persistent subscriptions over both engines: who gets what, again, parked, and from where after a restart.

use std::sync::Arc;

use annals::log::memory::MemoryLog;
use annals::log::wire;
use annals::proto::event_store::client::persistent_subscriptions::{
    self as proto, create_req, read_req, replay_parked_req,
};
use read_req::nack::Action;
use tonic::Code;

use crate::wire_client::*;
use crate::wire_consumer::{client, create, create_from_end, create_of, join, until};

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
        replay(&node, "s").await;
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

async fn replay(node: &Node, stream: &str) {
    use replay_parked_req::options::StopAtOption;
    replay_before(node, stream, StopAtOption::NoLimit(EMPTY)).await;
}

async fn replay_before(
    node: &Node,
    stream: &str,
    stop_at: replay_parked_req::options::StopAtOption,
) {
    let options = replay_parked_req::Options {
        group_name: "g".to_owned(),
        stream_option: Some(replay_parked_req::options::StreamOption::StreamIdentifier(
            name(stream),
        )),
        stop_at_option: Some(stop_at),
    };
    let request = proto::ReplayParkedReq {
        options: Some(options),
    };
    client(node).replay_parked(request).await.unwrap();
}

#[tokio::test]
async fn a_parked_message_stays_until_it_was_sent_again_and_is_dealt_with() {
    let log = Arc::new(MemoryLog::new());
    let mut node = Node::over(log.clone(), wire::Options::default(), None).await;
    node.put("s", ANY, vec![event(1), event(2), event(3)]).await;
    create(&node, "s").await.unwrap();
    let mut consumer = join(&node, "s", 10).await.unwrap();
    for _ in 0..3 {
        let (id, ..) = consumer.next().await;
        consumer.nack(id, Action::Park).await;
    }
    until(&node, "s", |info| info.parked_message_count == 3).await;
    replay(&node, "s").await;
    let (id, revision, _) = consumer.next().await;
    assert_eq!(revision, 0);
    consumer.ack(id).await;
    // The others are with the consumer when the server goes.
    assert_eq!(consumer.next().await.1, 1);
    until(&node, "s", |info| {
        info.parked_message_count == 0 && info.total_in_flight_messages == 2
    })
    .await;
    drop(consumer);
    node.stop();
    let node = Node::over(log, wire::Options::default(), None).await;
    let mut consumer = join(&node, "s", 10).await.unwrap();
    until(&node, "s", |info| info.parked_message_count == 2).await;
    replay(&node, "s").await;
    for expected in [1, 2] {
        let (id, revision, _) = consumer.next().await;
        assert_eq!(revision, expected);
        consumer.ack(id).await;
    }
    let parked = "$persistentsubscription-s::g-parked";
    while !node.read(stream(parked)).await.unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_replay_that_is_to_stop_leaves_the_rest_parked() {
    use replay_parked_req::options::StopAtOption;
    let node = Node::memory().await;
    node.put("s", ANY, vec![event(1), event(2), event(3)]).await;
    create(&node, "s").await.unwrap();
    let mut consumer = join(&node, "s", 10).await.unwrap();
    for _ in 0..3 {
        let (id, ..) = consumer.next().await;
        consumer.nack(id, Action::Park).await;
    }
    until(&node, "s", |info| info.parked_message_count == 3).await;
    replay_before(&node, "s", StopAtOption::StopAt(2)).await;
    node.put("s", ANY, vec![event(4)]).await;
    for expected in [0, 1, 3] {
        assert_eq!(consumer.next().await.1, expected);
    }
    until(&node, "s", |info| info.parked_message_count == 1).await;
    replay(&node, "s").await;
    assert_eq!(consumer.next().await.1, 2);
}

#[tokio::test]
async fn what_is_sent_again_comes_in_the_order_of_its_events() {
    let node = Node::memory().await;
    node.put("s", ANY, (1..=8).map(event).collect()).await;
    create(&node, "s").await.unwrap();
    let mut consumer = join(&node, "s", 8).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(consumer.next().await.0);
    }
    ids.reverse();
    let nack = read_req::Nack {
        id: Vec::new().into(),
        ids,
        action: Action::Retry.into(),
        reason: "because".to_owned(),
    };
    consumer.say(read_req::Content::Nack(nack)).await;
    for expected in 0..8 {
        let (_, revision, retries) = consumer.next().await;
        assert_eq!((revision, retries), (expected, 1));
    }
}

#[tokio::test]
async fn a_group_from_beyond_the_end_waits_for_what_it_asked_for() {
    for node in [Node::memory().await, Node::engine().await] {
        node.put("s", ANY, vec![event(1), event(2)]).await;
        let of = create_req::StreamOptions {
            stream_identifier: Some(name("s")),
            revision_option: Some(create_req::stream_options::RevisionOption::Revision(5)),
        };
        create_of(&node, create_req::options::StreamOption::Stream(of))
            .await
            .unwrap();
        let mut consumer = join(&node, "s", 10).await.unwrap();
        node.put("s", ANY, (3..=7).map(event).collect()).await;
        for expected in [5, 6] {
            assert_eq!(consumer.next().await.1, expected);
        }
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_parked_is_sent_again() {
    let node = Node::memory().await;
    node.put("s", ANY, vec![event(1), event(2)]).await;
    create(&node, "s").await.unwrap();
    let mut consumer = join(&node, "s", 1).await.unwrap();
    node.tombstone("$persistentsubscription-s::g-parked")
        .await
        .unwrap();
    let (id, revision, _) = consumer.next().await;
    assert_eq!(revision, 0);
    consumer.nack(id, Action::Park).await;
    assert_eq!(consumer.next().await.1, 0);
}

#[tokio::test]
async fn a_consumer_that_takes_nothing_is_sent_no_more_than_waits_for_it_and_loses_nothing() {
    const EVENTS: u64 = 2_000;
    let node = Node::memory().await;
    let data = "x".repeat(10_000);
    for batch in 0..EVENTS / 50 {
        let events = (1..=50).map(|n| typed(u128::from(batch * 50 + n), "happened", &data));
        node.put("s", ANY, events.collect()).await;
    }
    create(&node, "s").await.unwrap();
    let mut consumer = join(&node, "s", 1_000_000).await.unwrap();
    until(&node, "s", |info| info.total_in_flight_messages >= 512).await;
    // Some ticks later.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    // What lies in buffers of the connection counts as taken.
    until(&node, "s", |info| info.total_in_flight_messages < 800).await;
    for expected in 0..EVENTS {
        let (id, revision, retries) = consumer.next().await;
        assert_eq!((revision, retries), (expected, 0));
        consumer.ack(id).await;
    }
}

#[tokio::test]
async fn what_becomes_of_a_group_and_cannot_be_written_down_does_not_become_of_it() {
    use proto::delete_req::options::StreamOption;
    let node = Node::memory().await;
    node.put("s", ANY, vec![event(1)]).await;
    create(&node, "s").await.unwrap();
    // The settings of all groups cannot be written any more.
    node.tombstone("$persistentSubscriptionConfig")
        .await
        .unwrap();
    for _ in 0..2 {
        let refused = create(&node, "t").await.unwrap_err();
        assert_ne!(refused.code(), Code::AlreadyExists, "{refused:?}");
        let options = proto::delete_req::Options {
            group_name: "g".to_owned(),
            stream_option: Some(StreamOption::StreamIdentifier(name("s"))),
        };
        let request = proto::DeleteReq {
            options: Some(options),
        };
        let refused = client(&node).delete(request).await.unwrap_err();
        assert_ne!(refused.code(), Code::NotFound, "{refused:?}");
    }
    let missing = join(&node, "t", 1).await.err().unwrap();
    assert_eq!(missing.code(), Code::NotFound);
    let mut consumer = join(&node, "s", 1).await.unwrap();
    assert_eq!(consumer.next().await.1, 0);
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
            let first = consumer.next_place().await;
            match stream {
                "s" => assert_eq!(first, "s@1"),
                // That the group was made is the first thing that comes.
                "$all" => {
                    assert!(first.starts_with("$persistentSubscriptionConfig@"));
                    assert_eq!(consumer.next_place().await, "s@2");
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
        assert_eq!(consumer.next_place().await, "$ce-x@0");
        assert_eq!(consumer.next_place().await, "$ce-x@1");
        for count in 0..3 {
            node.put("y-1", ANY, vec![event(10 + count)]).await;
            node.put("x-2", ANY, vec![event(20 + count)]).await;
            let link = format!("$ce-x@{}", 2 + count);
            assert_eq!(consumer.next_place().await, link);
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
    assert_eq!(consumer.next_place().await, "s@1");
}
