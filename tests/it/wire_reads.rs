//! Reads and subscriptions over both engines: what comes, in which form and order.

use annals::proto::event_store::client::streams::{read_req::options, read_resp};
use annals::proto::event_store::client::{self as shared};
use tonic::Code;

use crate::wire_client::*;

over_both! {
    an_event_comes_back_whole_in_both_forms_of_ids => comes_back;
    a_subscription_confirms_catches_up_and_goes_live => subscription;
    a_subscription_to_everything_is_not_told_of_the_notes_of_groups => notes;
    a_subscription_from_beyond_the_end_waits_for_what_it_asked_for => beyond;
    a_subscription_to_no_stream_is_caught_up_when_there_is_one => none_yet;
    a_filter_may_look_ahead_and_checkpoints_tell_how_far_it_came => filtered;
    links_are_followed_where_asked => links;
    categories_and_types_have_derived_streams => derived;
    a_truncated_stream_tells_its_first_and_last_revision => truncated;
}

async fn comes_back(node: Node) {
    node.put("s", ANY, vec![typed(7, "placed", r#"{"a":1}"#)])
        .await;
    let mut read = stream("s");
    let text = node.read(read.clone()).await.unwrap();
    let Some(read_resp::Content::Event(found)) = text.first() else {
        panic!("{text:?}");
    };
    let event = found.event.as_ref().unwrap();
    assert_eq!(&*event.data, br#"{"a":1}"#);
    assert_eq!(event.metadata.get("type").unwrap(), "placed");
    assert_eq!(
        event.metadata.get("content-type").unwrap(),
        "application/json"
    );
    assert!(
        event
            .metadata
            .get("created")
            .unwrap()
            .parse::<i64>()
            .unwrap()
            > 0
    );
    assert_eq!(event.commit_position, event.prepare_position);
    read.uuid_option = Some(options::UuidOption {
        content: Some(options::uuid_option::Content::Structured(EMPTY)),
    });
    let halves = node.read(read).await.unwrap();
    let Some(read_resp::Content::Event(found)) = halves.first() else {
        panic!("{halves:?}");
    };
    let id = found
        .event
        .as_ref()
        .unwrap()
        .id
        .clone()
        .unwrap()
        .value
        .unwrap();
    let structured = shared::uuid::Structured {
        most_significant_bits: 0,
        least_significant_bits: 7,
    };
    assert_eq!(id, shared::uuid::Value::Structured(structured));
}

async fn subscription(node: Node) {
    node.put("s", ANY, vec![event(1), event(2)]).await;
    node.put("t", ANY, vec![event(3)]).await;
    let mut one = node.open(live(stream("s"))).await.unwrap();
    assert_eq!(
        take(&mut one, 4).await,
        ["confirmed", "s@0", "s@1", "caught up"]
    );
    let mut everything = node.open(live(all())).await.unwrap();
    let there = ["confirmed", "s@0", "s@1", "t@0", "caught up"];
    assert_eq!(take(&mut everything, 5).await, there);
    node.put("t", ANY, vec![event(4)]).await;
    node.put("s", ANY, vec![event(5)]).await;
    assert_eq!(take(&mut one, 1).await, ["s@2"]);
    assert_eq!(take(&mut everything, 2).await, ["t@1", "s@2"]);
}

async fn notes(node: Node) {
    let mut everything = node.open(live(all())).await.unwrap();
    assert_eq!(take(&mut everything, 2).await, ["confirmed", "caught up"]);
    let notes = "$persistentsubscription-$all::g-checkpoint";
    let limit = typed(1, "$metadata", r#"{"$maxCount":2}"#);
    node.put(&format!("$${notes}"), ANY, vec![limit]).await;
    node.put(notes, ANY, vec![event(2)]).await;
    node.put("s", ANY, vec![event(3)]).await;
    assert_eq!(take(&mut everything, 1).await, ["s@0"]);
}

async fn beyond(node: Node) {
    node.put("s", ANY, vec![event(1), event(2)]).await;
    let mut after = stream("s");
    after.stream_option = Some(options::StreamOption::Stream(options::StreamOptions {
        stream_identifier: Some(name("s")),
        revision_option: Some(options::stream_options::RevisionOption::Revision(4)),
    }));
    let mut open = node.open(live(after)).await.unwrap();
    assert_eq!(take(&mut open, 2).await, ["confirmed", "caught up"]);
    node.put("s", ANY, (3..=7).map(event).collect()).await;
    assert_eq!(take(&mut open, 2).await, ["s@5", "s@6"]);
}

async fn none_yet(node: Node) {
    let mut open = node.open(live(stream("s"))).await.unwrap();
    assert_eq!(take(&mut open, 1).await, ["confirmed"]);
    // What would be said too early would be said before all of these are answered.
    for id in 0..20 {
        node.put("t", ANY, vec![event(100 + id)]).await;
    }
    node.put("s", ANY, vec![event(1)]).await;
    assert_eq!(take(&mut open, 2).await, ["s@0", "caught up"]);
    node.put("s", ANY, vec![event(2)]).await;
    node.put("s", ANY, vec![event(3)]).await;
    assert_eq!(take(&mut open, 2).await, ["s@1", "s@2"]);
}

async fn filtered(node: Node) {
    let events = (0..8).map(|n| typed(n + 1, if n % 4 == 0 { "$system" } else { "user" }, "{}"));
    node.put("s", ANY, events.collect()).await;
    let user = node.read(by_type(all(), r"^(?!\$)", 32)).await.unwrap();
    assert_eq!(briefly(&user), ["s@1", "s@2", "s@3", "s@5", "s@6", "s@7"]);
    let mut live = node.open(live(by_type(all(), r"^\$", 4))).await.unwrap();
    let there = [
        "confirmed",
        "s@0",
        "checkpoint",
        "s@4",
        "checkpoint",
        "caught up",
    ];
    assert_eq!(take(&mut live, 6).await, there);
    let events = (0..5).map(|n| typed(n + 20, if n == 1 { "$system" } else { "user" }, "{}"));
    node.put("s", ANY, events.collect()).await;
    assert_eq!(take(&mut live, 2).await, ["s@9", "checkpoint"]);
}

async fn links(node: Node) {
    node.put("s", ANY, vec![event(1)]).await;
    let link = |id, data| typed(id, "$>", data);
    let to = vec![link(2, "0@s"), link(3, "5@s"), link(4, "nonsense")];
    node.put("l", ANY, to).await;
    assert_eq!(
        briefly(&node.read(stream("l")).await.unwrap()),
        ["l@0", "l@1", "l@2"]
    );
    let followed = node.read(resolved(stream("l"))).await.unwrap();
    assert_eq!(
        briefly(&followed),
        ["s@0 via l@0", "nothing via l@1", "l@2"]
    );
}

async fn derived(node: Node) {
    node.put("x-1", ANY, vec![typed(1, "a", "{}"), typed(2, "b", "{}")])
        .await;
    node.put("xy-1", ANY, vec![typed(3, "a", "{}")]).await;
    node.put("x-2", ANY, vec![typed(4, "b", "{}")]).await;
    let category = node.read(resolved(stream("$ce-x"))).await.unwrap();
    let there = [
        "x-1@0 via $ce-x@0",
        "x-1@1 via $ce-x@1",
        "x-2@0 via $ce-x@2",
    ];
    assert_eq!(briefly(&category), there);
    let back = node
        .read(resolved(backwards(stream("$et-a"))))
        .await
        .unwrap();
    assert_eq!(briefly(&back), ["xy-1@0 via $et-a@1", "x-1@0 via $et-a@0"]);
    assert_eq!(
        briefly(&node.read(stream("$ce-none")).await.unwrap()),
        ["not found"]
    );
    let mut live = node.open(live(resolved(stream("$ce-x")))).await.unwrap();
    take(&mut live, 5).await;
    node.put("x-3", ANY, vec![event(5)]).await;
    assert_eq!(take(&mut live, 1).await, ["x-3@0 via $ce-x@3"]);
}

async fn truncated(node: Node) {
    node.put("s", ANY, (1..=5).map(event).collect()).await;
    let metadata = r#"{"$tb":3,"$acl":{"$r":["a"]},"mine":1}"#;
    node.put("$$s", ANY, vec![typed(9, "$metadata", metadata)])
        .await;
    let mut read = stream("s");
    read.control_option = Some(options::ControlOption { compatibility: 1 });
    read.count_option = Some(options::CountOption::Count(2));
    let found = node.read(read).await.unwrap();
    assert_eq!(briefly(&found), ["first 3", "s@3", "s@4", "last 4"]);
    let kept = node.read(stream("$$s")).await.unwrap();
    let Some(read_resp::Content::Event(event)) = kept.first() else {
        panic!("{kept:?}");
    };
    assert_eq!(event.event.as_ref().unwrap().data, metadata.as_bytes());
}

#[tokio::test]
async fn subscriptions_end_with_an_error_when_the_server_stops_never_with_ok() {
    let mut node = Node::memory().await;
    let mut live = node.open(live(all())).await.unwrap();
    assert_eq!(take(&mut live, 2).await, ["confirmed", "caught up"]);
    node.stop();
    assert_eq!(live.message().await.unwrap_err().code(), Code::Unavailable);
}
