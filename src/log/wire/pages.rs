//! The HTTP pages that clients, load balancers and tools ask for: health, info, gossip.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tonic::Status;
use tonic::body::Body;

use super::features::VERSION;
use super::messages::write_position;
use super::node::Node;
use crate::log::{Health, rules};

/// The page at `path`.
pub(super) async fn page(node: &Node, path: &str) -> Response<Body> {
    match path {
        "/health/live" => empty(StatusCode::NO_CONTENT),
        "/health/ready" if *node.log.health().borrow() == Health::Serving => {
            empty(StatusCode::NO_CONTENT)
        }
        "/health/ready" => empty(StatusCode::SERVICE_UNAVAILABLE),
        "/ping" => json(
            &json!({"msgTypeId": 0, "text": "Ping request successfully handled", "label": "Ping"}),
        ),
        "/info" => json(&info()),
        "/gossip" => json(&gossip(node).await),
        _ => empty(StatusCode::NOT_FOUND),
    }
}

fn info() -> Value {
    json!({
        "esVersion": VERSION,
        "state": "leader",
        "features": {"projections": false, "userManagement": false, "atomPub": false},
        "authentication": {"type": "insecure", "properties": null},
    })
}

async fn gossip(node: &Node) -> Value {
    let (ip, port) = (node.address.ip().to_string(), node.address.port());
    // A log that cannot be read now has no position to tell.
    let head = write_position(node.log.head().await.unwrap_or_default());
    let member = json!({
        "instanceId": node.id,
        "timeStamp": rules::system_clock()().to_string(),
        "state": "Leader",
        "isAlive": true,
        "internalTcpIp": ip,
        "internalTcpPort": 0,
        "internalSecureTcpPort": 0,
        "externalTcpIp": ip,
        "externalTcpPort": 0,
        "externalSecureTcpPort": 0,
        "httpEndPointIp": ip,
        "httpEndPointPort": port,
        "lastCommitPosition": head,
        "writerCheckpoint": head,
        "chaserCheckpoint": head,
        "epochPosition": 0,
        "epochNumber": 0,
        "epochId": uuid::Uuid::nil(),
        "nodePriority": 0,
        "isReadOnlyReplica": false,
        "esVersion": VERSION,
    });
    json!({"members": [member], "serverIp": ip, "serverPort": port})
}

fn json(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(Bytes::from(value.to_string()))));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}

/// The answer to what is neither a page nor a call.
pub(super) fn not_grpc(kind: Option<&header::HeaderValue>) -> Response<Body> {
    let kind = kind.map_or_else(String::new, |kind| {
        String::from_utf8_lossy(kind.as_bytes()).into_owned()
    });
    let status = Status::internal(format!("Content-Type '{kind}' is not supported."));
    let mut response = empty(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // Text that is no header is left out; the status line says it all.
    let _ = status.add_header(response.headers_mut());
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
