//! What surrounds the streams: the list of methods, gossip, statistics.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::messages::{TICKS_PER_MICRO, UuidForm, write_position};
use super::node::Node;
use super::streams::ReplyStream;
use super::{errors, persistent};
use crate::log::rules;
use crate::proto::event_store::client as shared;
use shared::gossip::gossip_server::{Gossip, GossipServer};
use shared::gossip::{ClusterInfo, EndPoint, MemberInfo, member_info::VNodeState};
use shared::monitoring::monitoring_server::{Monitoring, MonitoringServer};
use shared::monitoring::{StatsReq, StatsResp};
use shared::server_features::server_features_server::{ServerFeatures, ServerFeaturesServer};
use shared::server_features::{SupportedMethod, SupportedMethods};

/// The version that clients are told: that of the server whose answers ours are compared with.
pub(super) const VERSION: &str = "23.10.7";

/// The shortest period of statistics, and the one where none is given.
const MIN_PERIOD: Duration = Duration::from_millis(100);

/// What is served: service, method, features. Names in lower case, as clients look for them.
const SERVED: &[(&str, &str, &[&str])] = &[
    ("streams.streams", "read", &["position", "events"]),
    ("streams.streams", "append", &[]),
    ("streams.streams", "delete", &[]),
    ("streams.streams", "tombstone", &[]),
    ("streams.streams", "batchappend", &["deadline_duration"]),
    ("operations.operations", "startscavenge", &[]),
    ("operations.operations", "stopscavenge", &[]),
    ("operations.operations", "shutdown", &[]),
    ("operations.operations", "mergeindexes", &[]),
    ("operations.operations", "resignnode", &[]),
    ("operations.operations", "setnodepriority", &[]),
    (
        "operations.operations",
        "restartpersistentsubscriptions",
        &[],
    ),
    ("users.users", "create", &[]),
    ("users.users", "update", &[]),
    ("users.users", "delete", &[]),
    ("users.users", "disable", &[]),
    ("users.users", "enable", &[]),
    ("users.users", "details", &[]),
    ("users.users", "changepassword", &[]),
    ("users.users", "resetpassword", &[]),
    ("gossip.gossip", "read", &[]),
    ("monitoring.monitoring", "stats", &[]),
    ("server_features.serverfeatures", "getsupportedmethods", &[]),
];

/// Adds the services of this file.
pub(super) fn add(routes: Routes, node: &Arc<Node>) -> Routes {
    let service = Service {
        node: Arc::clone(node),
    };
    routes
        .add_service(ServerFeaturesServer::new(service.clone()))
        .add_service(GossipServer::new(service.clone()))
        .add_service(MonitoringServer::new(service))
}

#[derive(Clone)]
struct Service {
    node: Arc<Node>,
}

#[tonic::async_trait]
impl ServerFeatures for Service {
    async fn get_supported_methods(
        &self,
        _: Request<shared::Empty>,
    ) -> Result<Response<SupportedMethods>, Status> {
        let (groups, calls) = persistent::SERVED;
        let of_groups = calls
            .iter()
            .map(|call| (groups, *call, &["stream", "all"][..]));
        let methods = SERVED
            .iter()
            .copied()
            .chain(of_groups)
            .map(|(service, method, features)| SupportedMethod {
                method_name: method.to_owned(),
                service_name: format!("event_store.client.{service}"),
                features: features
                    .iter()
                    .map(|feature| (*feature).to_owned())
                    .collect(),
            })
            .collect();
        Ok(Response::new(SupportedMethods {
            methods,
            event_store_server_version: VERSION.to_owned(),
        }))
    }
}

#[tonic::async_trait]
impl Gossip for Service {
    async fn read(&self, _: Request<shared::Empty>) -> Result<Response<ClusterInfo>, Status> {
        let address = self.node.address;
        let now = rules::system_clock()().unix_micros();
        let member = MemberInfo {
            instance_id: Some(UuidForm::Structured.write(self.node.id)),
            time_stamp: now.saturating_mul(TICKS_PER_MICRO),
            state: VNodeState::Leader.into(),
            is_alive: true,
            http_end_point: Some(EndPoint {
                address: address.ip().to_string(),
                port: u32::from(address.port()),
            }),
        };
        Ok(Response::new(ClusterInfo {
            members: vec![member],
        }))
    }
}

#[tonic::async_trait]
impl Monitoring for Service {
    type StatsStream = ReplyStream<StatsResp>;

    async fn stats(
        &self,
        request: Request<StatsReq>,
    ) -> Result<Response<Self::StatsStream>, Status> {
        let period = request.into_inner().refresh_time_period_in_ms;
        let period = Duration::from_millis(period).max(MIN_PERIOD);
        let (replies, receiver) = mpsc::channel(1);
        let node = Arc::clone(&self.node);
        tokio::spawn(async move {
            loop {
                let frame = tokio::select! {
                    frame = frame(&node) => frame,
                    () = node.closed() => Err(errors::shutting_down()),
                };
                let failed = frame.is_err();
                if replies.send(frame).await.is_err() || failed {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(period) => {}
                    () = replies.closed() => return,
                    () = node.closed() => {}
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// One frame: what a log knows of itself.
async fn frame(node: &Arc<Node>) -> Result<StatsResp, Status> {
    let head = node.log.head().await.map_err(errors::of_read)?;
    let stats = HashMap::from([
        (
            "es-writer-lastFlushedPosition".to_owned(),
            write_position(head).to_string(),
        ),
        ("proc-id".to_owned(), std::process::id().to_string()),
    ]);
    Ok(StatsResp { stats })
}
