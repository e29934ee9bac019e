//! The rooms: one handler an aggregate on its service's log, one gRPC service a room.

use std::num::NonZeroU32;
use std::sync::Arc;

use tonic::service::RoutesBuilder;

use super::AssemblyError;
use super::logs::Logs;
use crate::applications::{Applications, Coordinator};
use crate::attendance::Attendance;
use crate::certificates::{Certificates, Gate};
use crate::command::Handler;
use crate::evaluations::Evaluations;
use crate::grpc::{Desk, Follow};
use crate::kernel::Stored;
use crate::ops::clock;
use crate::ops::config::LimitSettings;
use crate::placements::Placements;
use crate::processes::Rooms;
use crate::projection::Reads;
use crate::proto::annals::applications::v1::applications_service_server::ApplicationsServiceServer;
use crate::proto::annals::attendance::v1::attendance_service_server::AttendanceServiceServer;
use crate::proto::annals::certificates::v1::certificates_service_server::CertificatesServiceServer;
use crate::proto::annals::evaluations::v1::evaluations_service_server::EvaluationsServiceServer;
use crate::proto::annals::placements::v1::placements_service_server::PlacementsServiceServer;
use crate::proto::annals::tasks::v1::tasks_service_server::TasksServiceServer;
use crate::tasks::Tasks;

/// A handler for every aggregate on `logs`, each keeping `capacity` of them in memory.
pub(super) fn open(logs: &Logs, capacity: usize) -> Result<Rooms, AssemblyError> {
    Ok(Rooms {
        coordinator: Coordinator::new(
            handler(logs, "applications", capacity)?,
            handler(logs, "applications", capacity)?,
        ),
        placements: handler(logs, "placements", capacity)?,
        registers: handler(logs, "attendance", capacity)?,
        worklists: handler(logs, "tasks", capacity)?,
        evaluations: handler(logs, "evaluations", capacity)?,
        certifications: handler(logs, "certificates", capacity)?,
    })
}

/// Adds the services of all rooms. `follow` is what processes react to.
pub(super) fn serve(
    rooms: &Rooms,
    reads: &Reads,
    follow: &Follow,
    limits: &LimitSettings,
    to: &mut RoutesBuilder,
) {
    let bytes = limits.message_bytes;
    let coordinator = rooms.coordinator.clone();
    let applications = Applications::new(
        desk("applications", coordinator.applications(), follow),
        coordinator.clone(),
    );
    let placements = Placements::new(
        desk("placements", &rooms.placements, follow),
        reads.clone(),
        clock::now,
    );
    let attendance = Attendance::new(desk("attendance", &rooms.registers, follow));
    let tasks = Tasks::new(desk("tasks", &rooms.worklists, follow));
    let evaluations = Evaluations::new(desk("evaluations", &rooms.evaluations, follow));
    let per_minute = NonZeroU32::new(limits.verifications).unwrap_or(NonZeroU32::MIN);
    let certificates = Certificates::new(
        desk("certificates", &rooms.certifications, follow),
        Arc::new(reads.clone()),
        Gate::new(per_minute),
    );
    to.add_service(ApplicationsServiceServer::new(applications).max_decoding_message_size(bytes))
        .add_service(PlacementsServiceServer::new(placements).max_decoding_message_size(bytes))
        .add_service(AttendanceServiceServer::new(attendance).max_decoding_message_size(bytes))
        .add_service(TasksServiceServer::new(tasks).max_decoding_message_size(bytes))
        .add_service(EvaluationsServiceServer::new(evaluations).max_decoding_message_size(bytes))
        .add_service(CertificatesServiceServer::new(certificates).max_decoding_message_size(bytes));
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
