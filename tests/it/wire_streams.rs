//! EventStoreDB's protocol over both engines: appends, ends of streams and what else clients lean on, as a recorded server answers.

use annals::log::memory::MemoryLog;
use annals::log::wire;
use annals::proto::event_store::client::server_features::server_features_client::ServerFeaturesClient;
use annals::proto::event_store::client::streams::{
    self as proto, append_req, append_resp, batch_append_req, batch_append_resp,
};
use annals::proto::event_store::client::{self as shared, gossip::gossip_client::GossipClient};
use proto::append_req::options::ExpectedStreamRevision as Expect;
use tonic::Code;
use uuid::Uuid;

use crate::wire_client::*;

over_both! {
    every_expected_revision_is_judged_and_a_conflict_names_both_sides => expectations;
    a_repeated_append_is_answered_as_the_first_was => repeats;
    an_append_that_is_given_up_writes_nothing => given_up;
    a_tombstoned_stream_is_refused_in_the_trailers => tombstoned;
    a_deleted_stream_is_not_found_and_goes_on_when_written_again => recreated;
    a_batch_goes_on_after_a_conflict => batch;
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

/// An append of one event to `s`, whole in one piece.
fn batched(
    correlation: u128,
    expected: batch_append_req::options::ExpectedStreamPosition,
    id: u128,
) -> proto::BatchAppendReq {
    proto::BatchAppendReq {
        correlation_id: Some(shared::Uuid {
            value: Some(shared::uuid::Value::String(
                Uuid::from_u128(correlation).to_string(),
            )),
        }),
        options: Some(batch_append_req::Options {
            stream_identifier: Some(name("s")),
            expected_stream_position: Some(expected),
            deadline_option: None,
        }),
        proposed_messages: vec![batch_append_req::ProposedMessage {
            id: event(id).id,
            metadata: event(id).metadata,
            custom_metadata: Vec::new().into(),
            data: Vec::new().into(),
        }],
        is_final: true,
    }
}

async fn batch(node: Node) {
    use batch_append_req::options::ExpectedStreamPosition as Said;
    let requests = vec![
        batched(1, Said::NoStream(()), 1),
        batched(2, Said::StreamPosition(9), 2),
        batched(3, Said::StreamPosition(0), 3),
        // In pieces, each of which says all.
        proto::BatchAppendReq {
            is_final: false,
            ..batched(4, Said::Any(()), 4)
        },
        batched(4, Said::Any(()), 5),
        // What began well goes nowhere when a piece of it is bad.
        proto::BatchAppendReq {
            is_final: false,
            ..batched(5, Said::Any(()), 6)
        },
        proto::BatchAppendReq {
            is_final: false,
            options: None,
            proposed_messages: vec![batch_append_req::ProposedMessage::default()],
            ..batched(5, Said::Any(()), 7)
        },
        proto::BatchAppendReq {
            options: None,
            ..batched(5, Said::Any(()), 8)
        },
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
    outcomes.retain(|outcome| !outcome.contains("BadRequest"));
    outcomes.sort();
    let expected = [
        "6 WrongExpectedVersion type.googleapis.com/event_store.client.WrongExpectedVersion",
        "CurrentRevision(0)",
        "CurrentRevision(1)",
        "CurrentRevision(3)",
    ];
    assert_eq!(outcomes, expected);
    let there = briefly(&node.read(stream("s")).await.unwrap());
    assert_eq!(there, ["s@0", "s@1", "s@2", "s@3"]);
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
    let said = batch_append_req::options::ExpectedStreamPosition::Any(());
    let requests = futures::stream::iter([batched(1, said, 1)]);
    let call = node.streams.clone().batch_append(requests).await.unwrap();
    let reply = call.into_inner().message().await.unwrap().unwrap();
    let Some(batch_append_resp::Result::Error(refused)) = reply.result else {
        panic!("{reply:?}");
    };
    assert_eq!((refused.code, &*refused.message), (7, "AccessDenied"));
    let there = node.read(all()).await.unwrap();
    assert_eq!(briefly(&there), Vec::<String>::new());
}
