//! EventStoreDB's protocol over both engines: what clients lean on, as a recorded server answers.

use annals::log::memory::MemoryLog;
use annals::log::wire;
use annals::proto::event_store::client::server_features::server_features_client::ServerFeaturesClient;
use annals::proto::event_store::client::streams::{
    self as proto, append_req, append_resp, batch_append_req, batch_append_resp, read_req::options,
    read_resp,
};
use annals::proto::event_store::client::{self as shared, gossip::gossip_client::GossipClient};
use proto::append_req::options::ExpectedStreamRevision as Expect;
use tonic::Code;
use uuid::Uuid;

use crate::wire_client::*;

/// Runs a test over the oracle and over the engine.
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

over_both! {
    every_expected_revision_is_judged_and_a_conflict_names_both_sides => expectations;
    a_repeated_append_is_answered_as_the_first_was => repeats;
    an_append_that_is_given_up_writes_nothing => given_up;
    a_tombstoned_stream_is_refused_in_the_trailers => tombstoned;
    a_deleted_stream_is_not_found_and_goes_on_when_written_again => recreated;
    an_event_comes_back_whole_in_both_forms_of_ids => comes_back;
    a_subscription_confirms_catches_up_and_goes_live => subscription;
    a_filter_may_look_ahead_and_checkpoints_tell_how_far_it_came => filtered;
    links_are_followed_where_asked => links;
    categories_and_types_have_derived_streams => derived;
    a_batch_goes_on_after_a_conflict => batch;
    a_truncated_stream_tells_its_first_and_last_revision => truncated;
}

async fn expectations(node: Node) {
    use append_resp::wrong_expected_version as fields;
    assert_eq!(node.put("s", NO_STREAM, vec![event(1)]).await, 0);
    assert_eq!(node.put("s", Expect::Revision(0), vec![event(2)]).await, 1);
    assert_eq!(node.put("s", STREAM_EXISTS, vec![event(3)]).await, 2);
    assert_eq!(node.put("s", ANY, vec![event(4)]).await, 3);
    let refused = node
        .append("s", Expect::Revision(7), vec![event(5)])
        .await
        .unwrap();
    let append_resp::Result::WrongExpectedVersion(wrong) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        wrong.current_revision_option,
        Some(fields::CurrentRevisionOption::CurrentRevision(3))
    );
    assert_eq!(
        wrong.expected_revision_option,
        Some(fields::ExpectedRevisionOption::ExpectedRevision(7))
    );
    assert_eq!(
        wrong.expected_revision_option_20_6_0,
        Some(fields::ExpectedRevisionOption2060::ExpectedRevision2060(7))
    );
}

async fn repeats(node: Node) {
    let both = || vec![event(1), event(2)];
    assert_eq!(node.put("s", NO_STREAM, both()).await, 1);
    assert_eq!(node.put("s", NO_STREAM, both()).await, 1);
    assert_eq!(node.put("s", NO_STREAM, vec![event(1)]).await, 0);
    assert_eq!(node.put("s", ANY, both()).await, 1);
    assert_eq!(node.put("s", Expect::Revision(0), vec![event(2)]).await, 1);
    let longer = node
        .append("s", NO_STREAM, vec![event(1), event(2), event(3)])
        .await;
    assert!(matches!(
        longer,
        Ok(append_resp::Result::WrongExpectedVersion(_))
    ));
    assert_eq!(node.read(stream("s")).await.unwrap().len(), 2);
}

async fn given_up(node: Node) {
    let (messages, receiver) = tokio::sync::mpsc::channel(4);
    let options = append_req::Options {
        stream_identifier: Some(name("s")),
        expected_stream_revision: Some(ANY),
    };
    for content in [
        append_req::Content::Options(options),
        append_req::Content::ProposedMessage(event(1)),
    ] {
        let message = proto::AppendReq {
            content: Some(content),
        };
        messages.send(message).await.unwrap();
    }
    let mut client = node.streams.clone();
    let call = tokio::spawn(async move {
        let requests = tokio_stream::wrappers::ReceiverStream::new(receiver);
        client.append(requests).await
    });
    // The call is under way once another one on the same connection was answered.
    node.put("other", ANY, vec![event(2)]).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    node.put("other", ANY, vec![event(3)]).await;
    assert_eq!(
        briefly(&node.read(stream("s")).await.unwrap()),
        ["not found"]
    );
}

async fn tombstoned(node: Node) {
    node.put("s", ANY, vec![event(1)]).await;
    let options = proto::tombstone_req::Options {
        stream_identifier: Some(name("s")),
        expected_stream_revision: Some(proto::tombstone_req::options::ExpectedStreamRevision::Any(
            EMPTY,
        )),
    };
    let request = proto::TombstoneReq {
        options: Some(options),
    };
    node.streams.clone().tombstone(request).await.unwrap();
    for refused in [
        node.append("s", ANY, vec![event(2)]).await.unwrap_err(),
        node.read(stream("s")).await.unwrap_err(),
        node.open(live(stream("s"))).await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(refused.message(), "Event stream 's' is deleted.");
        assert_eq!(
            refused.metadata().get("exception").unwrap(),
            "stream-deleted"
        );
        assert_eq!(refused.metadata().get("stream-name").unwrap(), "s");
    }
}

async fn recreated(node: Node) {
    use proto::delete_req::options::ExpectedStreamRevision as Said;
    node.put("s", ANY, vec![event(1), event(2)]).await;
    let delete = |revision| proto::DeleteReq {
        options: Some(proto::delete_req::Options {
            stream_identifier: Some(name("s")),
            expected_stream_revision: Some(revision),
        }),
    };
    let wrong = node
        .streams
        .clone()
        .delete(delete(Said::Revision(9)))
        .await
        .unwrap_err();
    assert_eq!(wrong.code(), Code::FailedPrecondition);
    assert_eq!(
        wrong.metadata().get("exception").unwrap(),
        "wrong-expected-version"
    );
    assert_eq!(wrong.metadata().get("expected-version").unwrap(), "9");
    assert_eq!(wrong.metadata().get("actual-version").unwrap(), "1");
    node.streams
        .clone()
        .delete(delete(Said::Revision(1)))
        .await
        .unwrap();
    assert_eq!(
        briefly(&node.read(stream("s")).await.unwrap()),
        ["not found"]
    );
    assert_eq!(node.put("s", NO_STREAM, vec![event(3)]).await, 2);
    assert_eq!(briefly(&node.read(stream("s")).await.unwrap()), ["s@2"]);
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

async fn batch(node: Node) {
    use batch_append_req::options::ExpectedStreamPosition as Said;
    let append = |correlation: u128, revision, id| proto::BatchAppendReq {
        correlation_id: Some(shared::Uuid {
            value: Some(shared::uuid::Value::String(
                Uuid::from_u128(correlation).to_string(),
            )),
        }),
        options: Some(batch_append_req::Options {
            stream_identifier: Some(name("s")),
            expected_stream_position: Some(revision),
            deadline_option: None,
        }),
        proposed_messages: vec![batch_append_req::ProposedMessage {
            id: event(id).id,
            metadata: event(id).metadata,
            custom_metadata: Vec::new().into(),
            data: Vec::new().into(),
        }],
        is_final: true,
    };
    let requests = vec![
        append(1, Said::NoStream(()), 1),
        append(2, Said::StreamPosition(9), 2),
        append(3, Said::StreamPosition(0), 3),
    ];
    let mut client = node.streams.clone();
    let call = client.batch_append(futures::stream::iter(requests));
    let mut replies = call.await.unwrap().into_inner();
    let mut outcomes = Vec::new();
    while let Some(reply) = replies.message().await.unwrap() {
        assert_eq!(reply.stream_identifier, Some(name("s")));
        outcomes.push(match reply.result.unwrap() {
            batch_append_resp::Result::Success(success) => {
                format!("{:?}", success.current_revision_option.unwrap())
            }
            batch_append_resp::Result::Error(error) => {
                let kind = error.details.unwrap().type_url;
                format!("{} {} {kind}", error.code, error.message)
            }
        });
    }
    outcomes.sort();
    let expected = [
        "6 WrongExpectedVersion type.googleapis.com/event_store.client.WrongExpectedVersion",
        "CurrentRevision(0)",
        "CurrentRevision(1)",
    ];
    assert_eq!(outcomes, expected);
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
async fn what_is_served_is_told_without_credentials_and_nothing_else_is() {
    let node = Node::memory().await;
    let mut features = ServerFeaturesClient::new(node.channel.clone());
    let told = features
        .get_supported_methods(EMPTY)
        .await
        .unwrap()
        .into_inner();
    assert!(
        told.methods
            .iter()
            .any(|method| method.method_name == "batchappend")
    );
    assert!(
        told.event_store_server_version
            .split('.')
            .all(|part| part.parse::<u32>().is_ok())
    );
    let mut gossip = GossipClient::new(node.channel.clone());
    let member = gossip
        .read(EMPTY)
        .await
        .unwrap()
        .into_inner()
        .members
        .remove(0);
    assert_eq!(
        member.http_end_point.unwrap().port,
        u32::from(node.address.port())
    );
    let mut grpc = tonic::client::Grpc::new(node.channel.clone());
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<shared::Empty, shared::Empty>::default();
    let path =
        http::uri::PathAndQuery::from_static("/event_store.client.projections.Projections/Enable");
    let unknown = grpc
        .unary(tonic::Request::new(EMPTY), path, codec)
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_log_served_for_reading_refuses_every_write() {
    let log = std::sync::Arc::new(MemoryLog::new());
    let options = wire::Options {
        read_only: true,
        ..wire::Options::default()
    };
    let node = Node::over(log, options, None).await;
    let refused = node.append("s", ANY, vec![event(1)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(
        refused.metadata().get("exception").unwrap(),
        "access-denied"
    );
}

#[tokio::test]
async fn subscriptions_end_with_an_error_when_the_server_stops_never_with_ok() {
    let mut node = Node::memory().await;
    let mut live = node.open(live(all())).await.unwrap();
    assert_eq!(take(&mut live, 2).await, ["confirmed", "caught up"]);
    node.stop();
    assert_eq!(live.message().await.unwrap_err().code(), Code::Unavailable);
}
