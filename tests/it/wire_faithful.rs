//! What playing the calls that a real server had answered taught about streams: answers in the small that clients see.

use annals::proto::event_store::client::streams::{
    self as proto, append_resp, read_req::options, read_resp,
};
use annals::proto::event_store::client::{self as shared};
use proto::append_req::options::ExpectedStreamRevision as Expect;
use tonic::{Code, Status};

use crate::wire_client::*;

async fn both() -> [Node; 2] {
    [Node::memory().await, Node::engine().await]
}

/// Appends; the revision of the last event and the position, as far as the reply has them.
async fn appended(node: &Node, stream: &str, expect: Expect, ids: &[u128]) -> (Option<u64>, u64) {
    use append_resp::success::{CurrentRevisionOption as Revision, PositionOption as At};
    let events = ids.iter().map(|id| event(*id)).collect();
    let append_resp::Result::Success(done) = node.append(stream, expect, events).await.unwrap()
    else {
        panic!("refused");
    };
    let revision = match done.current_revision_option {
        Some(Revision::CurrentRevision(revision)) => Some(revision),
        Some(Revision::NoStream(_)) | None => None,
    };
    let Some(At::Position(at)) = done.position_option else {
        panic!("no position");
    };
    assert_eq!(at.commit_position, at.prepare_position);
    (revision, at.commit_position)
}

async fn delete(node: &Node, stream: &str) -> Result<u64, Status> {
    use proto::delete_req::options::ExpectedStreamRevision;
    let options = proto::delete_req::Options {
        stream_identifier: Some(name(stream)),
        expected_stream_revision: Some(ExpectedStreamRevision::Any(EMPTY)),
    };
    let request = proto::DeleteReq {
        options: Some(options),
    };
    let reply = node.streams.clone().delete(request).await?.into_inner();
    match reply.position_option {
        Some(proto::delete_resp::PositionOption::Position(at)) => Ok(at.commit_position),
        other => panic!("{other:?}"),
    }
}

/// Everything from this position on.
fn all_from(at: u64) -> proto::read_req::Options {
    let position = options::Position {
        commit_position: at,
        prepare_position: at,
    };
    let of = options::AllOptions {
        all_option: Some(options::all_options::AllOption::Position(position)),
    };
    let mut read = all();
    read.stream_option = Some(options::StreamOption::All(of));
    read
}

fn assert_deleted(refused: &Status, stream: &str) {
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    let trailers = refused.metadata();
    assert_eq!(trailers.get("exception").unwrap(), "stream-deleted");
    assert_eq!(trailers.get("stream-name").unwrap(), stream);
}

#[tokio::test]
async fn a_repeat_of_one_id_twice_is_answered_with_its_first_event() {
    for node in both().await {
        let (last, at_last) = appended(&node, "s", NO_STREAM, &[1, 1]).await;
        assert_eq!(last, Some(1));
        let (first, at_first) = appended(&node, "s", ANY, &[1, 1]).await;
        assert_eq!(first, Some(0));
        assert!(at_first < at_last);
        assert_eq!(
            appended(&node, "s", STREAM_EXISTS, &[1, 1]).await,
            (Some(0), at_first)
        );
        assert_eq!(
            appended(&node, "s", NO_STREAM, &[1, 1]).await,
            (Some(1), at_last)
        );
        assert_eq!(
            briefly(&node.read(stream("s")).await.unwrap()),
            ["s@0", "s@1"]
        );
    }
}

#[tokio::test]
async fn what_writes_nothing_has_a_position_between_the_events() {
    for node in both().await {
        let (_, before) = appended(&node, "s", ANY, &[1]).await;
        let (none, first) = appended(&node, "none", ANY, &[]).await;
        assert_eq!(none, None);
        let (_, second) = appended(&node, "s", Expect::Revision(0), &[]).await;
        let third = delete(&node, "$$s").await.unwrap();
        let (_, after) = appended(&node, "s", ANY, &[2]).await;
        let positions = [before, first, second, third, after];
        assert!(
            positions.windows(2).all(|pair| pair[0] < pair[1]),
            "{positions:?}"
        );
        for between in [first, second, third] {
            let onwards = node.read(all_from(between)).await.unwrap();
            assert_eq!(briefly(&onwards), ["s@1"]);
            let mut back = backwards(all_from(between));
            back.count_option = Some(options::CountOption::Count(9));
            assert_eq!(briefly(&node.read(back).await.unwrap()), ["s@0"]);
            let mut live = node.open(live(all_from(between))).await.unwrap();
            assert_eq!(take(&mut live, 3).await, ["confirmed", "s@1", "caught up"]);
        }
        // Where neither an event nor such a call is, there is no position.
        for beside in [before + 1, after - 1] {
            let refused = node.read(all_from(beside)).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unknown);
        }
        let refused = node.open(live(all_from(before + 1))).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let (_, last) = appended(&node, "s", ANY, &[]).await;
        assert_eq!(briefly(&node.read(all_from(last)).await.unwrap()), [""; 0]);
        let mut back = backwards(all_from(last));
        back.count_option = Some(options::CountOption::Count(1));
        assert_eq!(briefly(&node.read(back).await.unwrap()), ["s@1"]);
    }
}

#[tokio::test]
async fn metadata_comes_back_byte_for_byte_with_its_access_list() {
    let written = r#"{ "$acl": {"$r": ["ada", "$all"], "$w": "ada", "$mr": []}, "$cacheControl": 5, "x": {"b": 1.0, "a": null} }"#;
    for node in both().await {
        node.put("s", ANY, vec![event(1)]).await;
        let metadata = || vec![typed(2, "$metadata", written)];
        assert_eq!(node.put("$$s", NO_STREAM, metadata()).await, 0);
        for read in [stream("$$s"), backwards(stream("$$s"))] {
            let read = node.read(read).await.unwrap();
            let [read_resp::Content::Event(read)] = &read[..] else {
                panic!("{read:?}");
            };
            let event = read.event.as_ref().unwrap();
            assert_eq!(event.data, written.as_bytes());
            assert_eq!(event.metadata["type"], "$metadata");
            assert_eq!(event.metadata["content-type"], "application/json");
        }
        // The lists are kept, not judged: whoever may connect may read.
        assert_eq!(briefly(&node.read(stream("s")).await.unwrap()), ["s@0"]);
        // Only its last event is seen, with its revision; everything shows both.
        node.put(
            "$$s",
            Expect::Revision(0),
            vec![typed(3, "$metadata", "{}")],
        )
        .await;
        assert_eq!(briefly(&node.read(stream("$$s")).await.unwrap()), ["$$s@1"]);
        let everything = briefly(&node.read(all()).await.unwrap());
        assert_eq!(everything, ["s@0", "$$s@0", "$$s@1"]);
    }
}

#[tokio::test]
async fn a_metastream_that_is_ended_says_nothing_any_more() {
    for node in both().await {
        node.put("s", ANY, vec![event(1), event(2)]).await;
        let limit = typed(3, "$metadata", r#"{"$maxCount": 1}"#);
        node.put("$$s", ANY, vec![limit]).await;
        assert_eq!(briefly(&node.read(stream("s")).await.unwrap()), ["s@1"]);
        node.tombstone("$$s").await.unwrap();
        assert_eq!(
            briefly(&node.read(stream("s")).await.unwrap()),
            ["s@0", "s@1"]
        );
        for refused in [
            node.append("$$s", ANY, vec![event(4)]).await.unwrap_err(),
            node.read(stream("$$s")).await.unwrap_err(),
            node.tombstone("$$s").await.unwrap_err(),
            // It would have to say that the stream is deleted.
            delete(&node, "s").await.unwrap_err(),
        ] {
            assert_deleted(&refused, "$$s");
        }
        assert_eq!(node.put("s", ANY, vec![event(5)]).await, 2);
        // Of a stream that is ended the metadata ends as well, whatever it was.
        node.tombstone("s").await.unwrap();
        assert_deleted(&node.read(stream("$$s")).await.unwrap_err(), "$$s");
    }
}

#[tokio::test]
async fn links_are_followed_wherever_events_are_delivered() {
    for node in both().await {
        node.put("s", ANY, vec![event(1), event(2)]).await;
        let link = |id, data| typed(id, "$>", data);
        node.put("l", ANY, vec![link(3, "0@s"), link(4, "1@gone")])
            .await;
        let followed = ["s@0 via l@0", "nothing via l@1"];
        let of_stream = node.read(resolved(stream("l"))).await.unwrap();
        assert_eq!(briefly(&of_stream), followed);
        let of_all = node.read(resolved(all())).await.unwrap();
        assert_eq!(briefly(&of_all), ["s@0", "s@1", followed[0], followed[1]]);
        // A filter looks at the link, not at what it points to.
        let by_type = by_type(resolved(all()), "^happened$", 32);
        let unlinked = node.read(by_type).await.unwrap();
        assert_eq!(briefly(&unlinked), ["s@0", "s@1"]);
        for (of, there) in [(stream("l"), 2), (all(), 5)] {
            let mut live = node.open(live(resolved(of))).await.unwrap();
            let seen = take(&mut live, there + 2).await;
            let found = seen.iter().position(|text| text == followed[0]).unwrap();
            assert_eq!(seen[found + 1], followed[1]);
            assert_eq!(seen[there + 1], "caught up");
            let id = 100 + u128::try_from(there).unwrap();
            node.put("l", ANY, vec![link(id, "1@s")]).await;
            let next = take(&mut live, 1).await;
            assert!(next[0].starts_with("s@1 via l@"), "{next:?}");
        }
    }
}

#[tokio::test]
async fn long_names_are_names_and_too_long_ones_are_refused() {
    let longest = "n".repeat(4096);
    for node in both().await {
        node.put(&longest, NO_STREAM, vec![event(1)]).await;
        let read = node.read(stream(&longest)).await.unwrap();
        assert_eq!(briefly(&read), [format!("{longest}@0")]);
        // Its trailers arrive, too.
        node.tombstone(&longest).await.unwrap();
        let ended = node.read(stream(&longest)).await.unwrap_err();
        assert_deleted(&ended, &longest);
        let longer = format!("{longest}n");
        let refused = node.append(&longer, ANY, vec![event(2)]).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

/// Calls that nobody serves: a service that is not there, one that the official server has, a method that is not there.
const UNSERVED: [&str; 4] = [
    "/event_store.client.projections.Projections/Create",
    "/event_store.client.redaction.Redaction/SwitchChunks",
    "/event_store.client.streams.Streams/Nonsense",
    "/no.such.Service/Call",
];

#[tokio::test]
async fn what_is_not_served_is_unimplemented_and_the_connection_lives_on() {
    /// More than a connection forgives errors of the protocol.
    const CALLS: usize = 1_200;
    let node = Node::memory().await;
    node.put("s", ANY, vec![event(1)]).await;
    let mut subscription = node.open(live(stream("s"))).await.unwrap();
    take(&mut subscription, 3).await;
    for call in 0..CALLS {
        let mut grpc = tonic::client::Grpc::new(node.channel.clone());
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<shared::Empty, shared::Empty>::default();
        let path = http::uri::PathAndQuery::from_static(UNSERVED[call % UNSERVED.len()]);
        // The client has not ended its side when it is answered.
        let sent = futures::StreamExt::chain(
            futures::stream::iter([EMPTY]),
            futures::stream::pending::<shared::Empty>(),
        );
        let refused = grpc.streaming(tonic::Request::new(sent), path, codec).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{refused:?}");
        assert_eq!(refused.message(), "Method is unimplemented.");
    }
    // A subscription that was there before is there still.
    node.put("s", ANY, vec![event(2)]).await;
    assert_eq!(take(&mut subscription, 1).await, ["s@1"]);
}

#[tokio::test]
async fn what_is_no_call_is_told_so_in_http() {
    let node = Node::memory().await;
    let socket = tokio::net::TcpStream::connect(node.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(socket),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let mut ask = async |path: &str, kind: &str| {
        let request = http::Request::post(format!("http://{}{path}", node.address))
            .header("content-type", kind)
            .header("te", "trailers")
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap();
        let (head, _) = sender.send_request(request).await.unwrap().into_parts();
        let said = |name: &str| {
            let value = head.headers.get(name);
            value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
        };
        (
            head.status.as_u16(),
            said("grpc-status"),
            said("grpc-message").replace("%20", " "),
        )
    };
    let read = "/event_store.client.streams.Streams/Read";
    assert_eq!(
        ask(read, "application/json").await,
        (
            415,
            "13".into(),
            "Content-Type 'application/json' is not supported.".into()
        )
    );
    for unserved in UNSERVED {
        assert_eq!(
            ask(unserved, "application/grpc").await,
            (200, "12".into(), "Method is unimplemented.".into())
        );
    }
    // The same connection still serves; a call without its message is an error of the caller's.
    let (status, code, _) = ask(read, "application/grpc").await;
    assert_eq!((status, &*code), (200, "13"));
}

#[tokio::test]
async fn who_is_answered_early_may_say_the_rest() {
    type Frame = http_body::Frame<bytes::Bytes>;
    let node = Node::memory().await;
    let socket = tokio::net::TcpStream::connect(node.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(socket),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let mut calls = Vec::new();
    for path in UNSERVED {
        let (says, said) = tokio::sync::mpsc::channel::<Result<Frame, std::convert::Infallible>>(1);
        let body =
            http_body_util::StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(said));
        let request = http::Request::post(format!("http://{}{path}", node.address))
            .header("content-type", "application/grpc")
            .body(body)
            .unwrap();
        let answered = sender.send_request(request).await.unwrap();
        assert_eq!(answered.headers().get("grpc-status").unwrap(), "12");
        calls.push((says, answered));
    }
    for _ in 0..3 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        for (says, _) in &calls {
            let data = Frame::data(bytes::Bytes::from_static(&[0; 5]));
            assert!(says.send(Ok(data)).await.is_ok(), "the call was reset");
        }
    }
}

#[tokio::test]
async fn who_connects_and_does_not_say_what_it_wants_is_let_go_and_nobody_else_is() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let node = Node::memory().await;
    let whispers = ["", "PRI * HT", "GET /ping HTTP/1.1\r\nhost: somewhere\r\n"];
    let let_go = whispers.map(|whisper| async move {
        let mut socket = tokio::net::TcpStream::connect(node.address).await.unwrap();
        socket.write_all(whisper.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        let patience = std::time::Duration::from_mins(1);
        let ended = tokio::time::timeout(patience, socket.read_to_end(&mut said)).await;
        // Ended or reset, and not by our patience.
        assert!(ended.is_ok(), "{whisper:?}");
    });
    futures::future::join_all(let_go).await;
    node.put("s", ANY, vec![event(1)]).await;
}
