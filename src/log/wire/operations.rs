//! Operations: the space of what nobody can see is given back, groups are restarted, the node is stopped.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use super::messages::Expectation;
use super::node::Node;
use super::scavenges::{self, Scavenge, Scavenger};
use super::{errors, persistent};
use crate::proto::event_store::client as shared;
use shared::operations::operations_server::{Operations, OperationsServer};
use shared::operations::scavenge_resp::ScavengeResult;
use shared::operations::{ScavengeResp, SetNodePriorityReq, StartScavengeReq, StopScavengeReq};

/// Adds the service.
pub(super) fn add(routes: Routes, node: &Arc<Node>) -> Routes {
    let last = Arc::new(Mutex::new(None));
    if node.options.scavenger.is_some() && !node.options.read_only {
        let node = Arc::clone(node);
        // Nobody else has it yet. None starts while it is held, which would look interrupted itself.
        if let Ok(held) = Arc::clone(&last).try_lock_owned() {
            tokio::spawn(async move {
                scavenges::complete_interrupted(&node).await;
                drop(held);
            });
        }
    }
    routes.add_service(OperationsServer::new(Service {
        node: Arc::clone(node),
        last,
    }))
}

struct Service {
    node: Arc<Node>,
    /// The last scavenge that was started.
    last: Arc<Mutex<Option<Running>>>,
}

struct Running {
    id: Uuid,
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

fn reply(id: Uuid, result: ScavengeResult) -> Response<ScavengeResp> {
    Response::new(ScavengeResp {
        scavenge_id: id.to_string(),
        scavenge_result: result.into(),
    })
}

async fn start(
    node: Arc<Node>,
    scavenger: Arc<dyn Scavenger>,
    mut last: OwnedMutexGuard<Option<Running>>,
) -> Result<Response<ScavengeResp>, Status> {
    if let Some(under_way) = last.as_ref().filter(|last| !last.task.is_finished()) {
        return Ok(reply(under_way.id, ScavengeResult::InProgress));
    }
    let scavenge = Scavenge::start(&node).await;
    let scavenge = scavenge.map_err(|error| errors::of_append(error, Expectation::Any))?;
    let id = scavenge.id;
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(scavenge.run(scavenger, stopped));
    *last = Some(Running { id, task, stop });
    Ok(reply(id, ScavengeResult::Started))
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
        let last = Arc::clone(&self.last).lock_owned().await;
        // A task, so that a caller who goes away does not leave one that is written down and does not run.
        let started = tokio::spawn(start(Arc::clone(&self.node), scavenger, last)).await;
        started.map_err(|error| Status::internal(error.to_string()))?
    }

    async fn stop_scavenge(
        &self,
        request: Request<StopScavengeReq>,
    ) -> Result<Response<ScavengeResp>, Status> {
        self.node.check_writable()?;
        let options = request.into_inner().options.unwrap_or_default();
        let mut last = self.last.lock().await;
        // One that has just come to its end has stopped as well.
        let wanted = last
            .as_mut()
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
        stopped.stop.send_replace(true);
        if !stopped.task.is_finished() {
            // So that what the record says of it is there when the caller looks. A task that panicked has stopped, too.
            let _ = (&mut stopped.task).await;
        }
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
