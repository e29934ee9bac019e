//! The rooms: one handler an aggregate on its service's log, one gRPC service a room.

use std::sync::Arc;

use tonic::service::RoutesBuilder;

use super::AssemblyError;
use super::logs::Logs;
use crate::applications::{Application, Applications, Candidacy, Coordinator};
use crate::attendance::{Attendance, Register};
use crate::command::Handler;
use crate::evaluations::{Evaluation, Evaluations};
use crate::grpc::{Desk, Follow};
use crate::kernel::Stored;
use crate::ops::clock;
use crate::proto::annals::applications::v1::applications_service_server::ApplicationsServiceServer;
use crate::proto::annals::attendance::v1::attendance_service_server::AttendanceServiceServer;
use crate::proto::annals::evaluations::v1::evaluations_service_server::EvaluationsServiceServer;
use crate::proto::annals::tasks::v1::tasks_service_server::TasksServiceServer;
use crate::tasks::{Tasks, Worklist};

/// What executes the commands of every aggregate.
#[derive(Clone)]
pub struct Rooms {
    /// `application-...`
    pub applications: Arc<Handler<Application>>,
    /// `candidacy-...`
    pub candidacies: Arc<Handler<Candidacy>>,
    /// `attendance-...`
    pub registers: Arc<Handler<Register>>,
    /// `worklist-...`
    pub worklists: Arc<Handler<Worklist>>,
    /// `evaluation-...`
    pub evaluations: Arc<Handler<Evaluation>>,
}

impl Rooms {
    /// On `logs`, each keeping `capacity` aggregates in memory.
    pub(super) fn open(logs: &Logs, capacity: usize) -> Result<Self, AssemblyError> {
        Ok(Self {
            applications: handler(logs, "applications", capacity)?,
            candidacies: handler(logs, "applications", capacity)?,
            registers: handler(logs, "attendance", capacity)?,
            worklists: handler(logs, "tasks", capacity)?,
            evaluations: handler(logs, "evaluations", capacity)?,
        })
    }

    /// Adds the services of all rooms. `follow` is what processes react to.
    pub(super) fn serve(&self, to: &mut RoutesBuilder, follow: &Follow, message_bytes: usize) {
        let applications = Applications::new(
            desk("applications", &self.applications, follow),
            Coordinator::new(
                Arc::clone(&self.applications),
                Arc::clone(&self.candidacies),
            ),
        );
        let attendance = Attendance::new(desk("attendance", &self.registers, follow));
        let tasks = Tasks::new(desk("tasks", &self.worklists, follow));
        let evaluations = Evaluations::new(desk("evaluations", &self.evaluations, follow));
        to.add_service(
            ApplicationsServiceServer::new(applications).max_decoding_message_size(message_bytes),
        )
        .add_service(
            AttendanceServiceServer::new(attendance).max_decoding_message_size(message_bytes),
        )
        .add_service(TasksServiceServer::new(tasks).max_decoding_message_size(message_bytes))
        .add_service(
            EvaluationsServiceServer::new(evaluations).max_decoding_message_size(message_bytes),
        );
    }
}

fn handler<A: Stored>(
    logs: &Logs,
    service: &'static str,
    capacity: usize,
) -> Result<Arc<Handler<A>>, AssemblyError> {
    let log = logs.get(service).ok_or(AssemblyError::NoLog(service))?;
    let capacity = u64::try_from(capacity).unwrap_or(u64::MAX);
    Ok(Arc::new(Handler::new(Arc::clone(log), capacity)))
}

fn desk<A: Stored>(service: &'static str, handler: &Arc<Handler<A>>, follow: &Follow) -> Desk<A> {
    Desk::new(service, Arc::clone(handler), clock::now, Arc::clone(follow))
}
