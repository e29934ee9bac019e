//! The calls of persistent subscriptions.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use super::consume::consume;
use super::group::Ask;
use super::registry::{Running, hold};
use super::requests::{key_of, no_options, source, to_create, to_update};
use super::settings::{Key, Source};
use crate::log::wire::errors::unset;
use crate::log::wire::node::Node;
use crate::log::wire::streams::ReplyStream;
use crate::proto::event_store::client::{self as shared, persistent_subscriptions as proto};
use proto::persistent_subscriptions_server::{
    PersistentSubscriptions, PersistentSubscriptionsServer,
};
use proto::{delete_req, get_info_req, list_req, replay_parked_req};

/// The service and its methods, as the list of features names them.
pub(in crate::log::wire) const SERVED: (&str, [&str; 8]) = (
    "persistent_subscriptions.persistentsubscriptions",
    [
        "create",
        "update",
        "delete",
        "read",
        "getinfo",
        "replayparked",
        "list",
        "restartsubsystem",
    ],
);

/// Adds the service.
pub(in crate::log::wire) fn add(routes: Routes, node: &Arc<Node>) -> Routes {
    let service = Service {
        node: Arc::clone(node),
    };
    routes.add_service(PersistentSubscriptionsServer::new(service))
}

struct Service {
    node: Arc<Node>,
}

#[tonic::async_trait]
impl PersistentSubscriptions for Service {
    type ReadStream = ReplyStream<proto::ReadResp>;

    async fn create(
        &self,
        request: Request<proto::CreateReq>,
    ) -> Result<Response<proto::CreateResp>, Status> {
        self.node.check_writable()?;
        let (key, settings) = to_create(&self.node, request.into_inner()).await?;
        let mut groups = hold(&self.node).await?;
        if groups.get(&key).is_ok() {
            return Err(key.exists());
        }
        groups.put(key, settings).await?;
        Ok(Response::new(proto::CreateResp {}))
    }

    async fn update(
        &self,
        request: Request<proto::UpdateReq>,
    ) -> Result<Response<proto::UpdateResp>, Status> {
        self.node.check_writable()?;
        let (key, mut settings) = to_update(&self.node, request.into_inner()).await?;
        let mut groups = hold(&self.node).await?;
        // The filter of a group is for good.
        settings.filter = groups.get(&key)?.settings.filter.clone();
        settings.check(&key)?;
        groups.put(key, settings).await?;
        Ok(Response::new(proto::UpdateResp {}))
    }

    async fn delete(
        &self,
        request: Request<proto::DeleteReq>,
    ) -> Result<Response<proto::DeleteResp>, Status> {
        self.node.check_writable()?;
        let options = request.into_inner().options.ok_or_else(no_options)?;
        let key = key_of!(delete_req, "DeleteReq", options);
        let mut groups = hold(&self.node).await?;
        groups.get(&key)?;
        groups.remove(&key).await?;
        Ok(Response::new(proto::DeleteResp {}))
    }

    async fn read(
        &self,
        request: Request<Streaming<proto::ReadReq>>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        Ok(Response::new(consume(&self.node, request).await?))
    }

    async fn get_info(
        &self,
        request: Request<proto::GetInfoReq>,
    ) -> Result<Response<proto::GetInfoResp>, Status> {
        let options = request.into_inner().options.ok_or_else(no_options)?;
        let key = key_of!(get_info_req, "GetInfoReq", options);
        let groups = hold(&self.node).await?;
        let info = info(&key, groups.get(&key)?).await?;
        Ok(Response::new(proto::GetInfoResp {
            subscription_info: Some(info),
        }))
    }

    async fn replay_parked(
        &self,
        request: Request<proto::ReplayParkedReq>,
    ) -> Result<Response<proto::ReplayParkedResp>, Status> {
        use replay_parked_req::options::StopAtOption;
        self.node.check_writable()?;
        let options = request.into_inner().options.ok_or_else(no_options)?;
        let key = key_of!(replay_parked_req, "ReplayParkedReq", options);
        let asks = hold(&self.node).await?.get(&key)?.asks.clone();
        let stop_at = match options.stop_at_option {
            Some(StopAtOption::StopAt(at)) => Some(u64::try_from(at).map_err(|_| {
                key.failed("Cannot stop replaying parked message at a negative version.")
            })?),
            Some(StopAtOption::NoLimit(_)) => None,
            None => {
                return Err(unset(
                    "PersistentSubscriptions.ReplayParkedReq+Types+Options+StopAtOption",
                ));
            }
        };
        let (answer, replayed) = oneshot::channel();
        ask(&key, &asks, Ask::Replay(stop_at, answer)).await?;
        replayed.await.map_err(|_| key.dropped())??;
        Ok(Response::new(proto::ReplayParkedResp {}))
    }

    async fn list(
        &self,
        request: Request<proto::ListReq>,
    ) -> Result<Response<proto::ListResp>, Status> {
        use list_req::options::ListOption as Of;
        let options = request.into_inner().options.ok_or_else(no_options)?;
        let wanted = match options.list_option {
            Some(Of::ListAllSubscriptions(_)) => None,
            Some(Of::ListForStream(list_req::StreamOption { stream_option })) => {
                match stream_option {
                    Some(list_req::stream_option::StreamOption::Stream(stream)) => {
                        Some(source(Some(&stream))?)
                    }
                    Some(list_req::stream_option::StreamOption::All(_)) => Some(Source::All),
                    None => {
                        return Err(unset(
                            "PersistentSubscriptions.ListReq+Types+StreamOption+StreamOption",
                        ));
                    }
                }
            }
            None => {
                return Err(unset(
                    "PersistentSubscriptions.ListReq+Types+Options+ListOption",
                ));
            }
        };
        let groups = hold(&self.node).await?;
        let mut subscriptions = Vec::new();
        for (key, running) in groups.all() {
            if wanted.as_ref().is_none_or(|source| *source == key.source) {
                subscriptions.push(info(key, running).await?);
            }
        }
        match wanted {
            Some(source @ Source::Stream(_)) if subscriptions.is_empty() => Err(Key {
                source,
                group: String::new(),
            }
            .missing()),
            _ => Ok(Response::new(proto::ListResp { subscriptions })),
        }
    }

    async fn restart_subsystem(
        &self,
        _: Request<shared::Empty>,
    ) -> Result<Response<shared::Empty>, Status> {
        hold(&self.node).await?.restart().await?;
        Ok(Response::new(shared::Empty {}))
    }
}

/// Asks a group; one that is gone has dropped its consumers.
pub(super) async fn ask(key: &Key, asks: &mpsc::Sender<Ask>, ask: Ask) -> Result<(), Status> {
    asks.send(ask).await.map_err(|_| key.dropped())
}

async fn info(key: &Key, running: &Running) -> Result<proto::SubscriptionInfo, Status> {
    let (answer, told) = oneshot::channel();
    ask(key, &running.asks, Ask::Info(answer)).await?;
    told.await.map_err(|_| key.dropped())
}
