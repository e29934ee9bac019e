//! The services' logs, read by auditors with tools that speak EventStoreDB's protocol.

use annals::proto::event_store::client::gossip::gossip_client::GossipClient;
use annals::proto::event_store::client::server_features::server_features_client::ServerFeaturesClient;
use annals::proto::event_store::client::streams::streams_client::StreamsClient;
use annals::proto::event_store::client::streams::{
    AppendReq, ReadReq, ReadResp, append_req, read_resp,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use uuid::Uuid;

use crate::support::journey::Journey;
use crate::support::server::Server;
use crate::wire_client::*;

fn as_user<T>(message: T, user: &str, password: &str) -> Request<T> {
    let mut request = Request::new(message);
    let credentials = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    request
        .metadata_mut()
        .insert("authorization", credentials.parse().unwrap());
    request
}

async fn read_all(
    streams: &StreamsClient<Channel>,
    user: &str,
    password: &str,
) -> Result<Vec<ReadResp>, Status> {
    let request = ReadReq {
        options: Some(all()),
    };
    let call = streams
        .clone()
        .read(as_user(request, user, password))
        .await?;
    let mut replies = call.into_inner();
    let mut got = Vec::new();
    while let Some(reply) = replies.message().await? {
        got.push(reply);
    }
    Ok(got)
}

fn types(replies: &[ReadResp]) -> Vec<String> {
    let events = replies.iter().filter_map(|reply| match &reply.content {
        Some(read_resp::Content::Event(read)) => read.event.as_ref(),
        _ => None,
    });
    events.map(|event| event.metadata["type"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_reads_each_services_log_and_writes_none() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let listen = port.to_string();
    let server = Server::start_with(dir.path(), &["--esdb-listen", &listen]);
    let journey = Journey::new("esdb", "2026-03-02");
    let importer = server.caller("import", Uuid::from_u128(1)).await;
    journey.to_offer(&importer).await.unwrap();
    let token = server.token("auditor", Uuid::from_u128(2));
    let channel = Endpoint::from_shared(format!("http://{listen}")).unwrap();
    let channel = channel.connect().await.unwrap();
    let streams = StreamsClient::new(channel.clone());

    // What clients ask before they say who they are.
    let mut features = ServerFeaturesClient::new(channel.clone());
    features.get_supported_methods(EMPTY).await.unwrap();
    GossipClient::new(channel.clone())
        .read(EMPTY)
        .await
        .unwrap();

    let applications = types(&read_all(&streams, "applications", &token).await.unwrap());
    assert!(
        applications.contains(&"OfferMade".to_owned()),
        "{applications:?}"
    );
    assert!(!applications.contains(&"PlacementStarted".to_owned()));
    // Reading the history is itself recorded: this reading as well.
    let audit = types(&read_all(&streams, "audit", &token).await.unwrap());
    assert_eq!(audit, ["HistoryRead", "HistoryRead"]);

    let student = server.token("student", Uuid::from_u128(3));
    for (user, password, code) in [
        ("applications", "nonsense", Code::Unauthenticated),
        ("nowhere", &*token, Code::Unauthenticated),
        ("applications", &*student, Code::PermissionDenied),
    ] {
        let refused = read_all(&streams, user, password).await.unwrap_err();
        assert_eq!(refused.code(), code, "{user}: {refused}");
    }
    let anonymous = ReadReq {
        options: Some(all()),
    };
    let refused = streams.clone().read(anonymous).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);

    let options = append_req::Content::Options(append_req::Options {
        stream_identifier: Some(name("application-1")),
        expected_stream_revision: Some(ANY),
    });
    let messages = [options, append_req::Content::ProposedMessage(event(1))];
    let messages = messages.map(|content| AppendReq {
        content: Some(content),
    });
    let request = as_user(futures::stream::iter(messages), "applications", &token);
    let refused = streams.clone().append(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(
        refused.metadata().get("exception").unwrap(),
        "access-denied"
    );
    server.stop();
}
