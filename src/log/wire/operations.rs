//! Operations: the space of what nobody can see is given back, groups are restarted, the node is stopped.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use super::node::Node;
use super::subscribe::subscription_id;
use super::{errors, persistent};
use crate::log::sqlite::SqliteLog;
use crate::proto::event_store::client as shared;
use shared::operations::operations_server::{Operations, OperationsServer};
use shared::operations::scavenge_resp::ScavengeResult;
use shared::operations::{ScavengeResp, SetNodePriorityReq, StartScavengeReq, StopScavengeReq};

/// Gives back the space of what nobody can see any more.
#[tonic::async_trait]
pub trait Scavenger: Send + Sync + 'static {
    /// Returns when all is given back. Dropping it stops between two transactions, and nothing is lost by that.
    ///
    /// # Errors
    /// What went wrong, for the operator.
    async fn scavenge(&self) -> Result<(), String>;
}

#[tonic::async_trait]
impl Scavenger for SqliteLog {
    async fn scavenge(&self) -> Result<(), String> {
        let done = Self::scavenge(self, |_| {}).await;
        let done = done.map_err(|error| error.to_string())?;
        tracing::info!(streams = done.streams, events = done.events, "scavenged");
        Ok(())
    }
}

/// Adds the service.
pub(super) fn add(routes: Routes, node: &Arc<Node>) -> Routes {
    routes.add_service(OperationsServer::new(Service {
        node: Arc::clone(node),
        running: Mutex::new(None),
    }))
}

struct Service {
    node: Arc<Node>,
    /// The last scavenge that was started.
    running: Mutex<Option<Running>>,
}

struct Running {
    id: Uuid,
    task: JoinHandle<()>,
}

fn reply(id: Uuid, result: ScavengeResult) -> Response<ScavengeResp> {
    Response::new(ScavengeResp {
        scavenge_id: id.to_string(),
        scavenge_result: result.into(),
    })
}

#[tonic::async_trait]
impl Operations for Service {
    async fn start_scavenge(
        &self,
        _: Request<StartScavengeReq>,
    ) -> Result<Response<ScavengeResp>, Status> {
        self.node.check_writable()?;
        let Some(scavenger) = self.node.options.scavenger.clone() else {
            return Err(Status::unimplemented(
                "this log lies in memory: there is no space to give back",
            ));
        };
        let mut running = self.running.lock().await;
        if let Some(under_way) = running.as_ref().filter(|last| !last.task.is_finished()) {
            return Ok(reply(under_way.id, ScavengeResult::InProgress));
        }
        let id = subscription_id();
        let task = tokio::spawn(async move {
            if let Err(problem) = scavenger.scavenge().await {
                tracing::error!(%id, problem, "a scavenge failed");
            }
        });
        *running = Some(Running { id, task });
        Ok(reply(id, ScavengeResult::Started))
    }

    async fn stop_scavenge(
        &self,
        request: Request<StopScavengeReq>,
    ) -> Result<Response<ScavengeResp>, Status> {
        self.node.check_writable()?;
        let options = request.into_inner().options.unwrap_or_default();
        let running = self.running.lock().await;
        // One that has just come to its end has stopped as well.
        let wanted = running
            .as_ref()
            .filter(|last| last.id.to_string() == options.scavenge_id);
        let Some(stopped) = wanted else {
            let text = "Scavenge id was invalid.";
            return Err(errors::named(
                Code::NotFound,
                text,
                "scavenge-not-found",
                &[],
            ));
        };
        stopped.task.abort();
        Ok(reply(stopped.id, ScavengeResult::Stopped))
    }

    async fn shutdown(&self, _: Request<shared::Empty>) -> Result<Response<shared::Empty>, Status> {
        self.node.check_writable()?;
        let Some(stop) = &self.node.options.stop else {
            return Err(Status::unimplemented(
                "this node is stopped by its operator",
            ));
        };
        stop.notify_one();
        Ok(Response::new(shared::Empty {}))
    }

    /// There is one index, which is always merged.
    async fn merge_indexes(
        &self,
        _: Request<shared::Empty>,
    ) -> Result<Response<shared::Empty>, Status> {
        Ok(Response::new(shared::Empty {}))
    }

    /// A single node wins every election.
    async fn resign_node(
        &self,
        _: Request<shared::Empty>,
    ) -> Result<Response<shared::Empty>, Status> {
        Ok(Response::new(shared::Empty {}))
    }

    /// A single node wins every election.
    async fn set_node_priority(
        &self,
        _: Request<SetNodePriorityReq>,
    ) -> Result<Response<shared::Empty>, Status> {
        Ok(Response::new(shared::Empty {}))
    }

    async fn restart_persistent_subscriptions(
        &self,
        _: Request<shared::Empty>,
    ) -> Result<Response<shared::Empty>, Status> {
        persistent::restart(&self.node).await?;
        Ok(Response::new(shared::Empty {}))
    }
}
