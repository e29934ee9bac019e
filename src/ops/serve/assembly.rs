//! The parts and how they hang together: logs, rooms, processes, and the services on them.

use std::sync::Arc;

use tonic::service::Routes;

use super::catalogue::catalogue;
use super::logs::{self, Logs};
use super::rooms::Rooms;
use crate::grpc::Follow;
use crate::log::sqlite::OpenError;
use crate::ops::clock;
use crate::ops::config::Config;
use crate::ops::operations::Operations;
use crate::processes::{Process, ProcessStore, Processes, StoreError};
use crate::projection::{self, Finding, FolderError, Model, ProjectionError, Projections};
use crate::proto::annals::operations::v1::operations_service_server::OperationsServiceServer;

/// Every service that has a log of its own.
pub const SERVICES: [&str; 7] = [
    "applications",
    "placements",
    "attendance",
    "tasks",
    "evaluations",
    "certificates",
    "audit",
];

/// Why the parts do not come together.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// A room without a log, which a wrong [`SERVICES`] would make.
    #[error("service {0} has no log")]
    NoLog(&'static str),
    /// A log cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// A folder of SQL cannot be read.
    #[error("read models: {0}")]
    Models(#[from] FolderError),
    /// Folders of SQL do not fit the events.
    #[error("read models: {} (`annals projections check` tells the same without starting)", listed(.0))]
    Findings(Vec<Finding>),
    /// The read models cannot be opened.
    #[error("read models: {0}")]
    Projections(#[from] ProjectionError),
    /// The positions of the processes cannot be opened.
    #[error("processes: {0}")]
    Processes(#[from] StoreError),
}

/// Everything that a server is made of, but for the socket.
pub struct Assembly {
    logs: Logs,
    rooms: Rooms,
    processes: Arc<Processes>,
    projections: Projections,
    follow: Follow,
    message_bytes: usize,
}

impl Assembly {
    /// Opens the logs, builds the rooms on them, starts what follows the logs.
    pub async fn open(config: &Config) -> Result<Self, AssemblyError> {
        let models = models(config)?;
        let logs = logs::open(config)?;
        let rooms = Rooms::open(&logs, config.commands.identity_map)?;
        let store = Arc::new(ProcessStore::open(&config.data)?);
        let definitions = processes();
        let follow = definitions
            .iter()
            .flat_map(|process| process.sources())
            .flat_map(|source| source.event_types.iter().copied())
            .collect();
        let processes = Processes::start(definitions, &logs, store, clock::now)?;
        let settings = projection::Settings {
            dir: config.data.join("projections"),
            clock: clock::now,
        };
        let projections = Projections::start(models, &logs, settings).await?;
        Ok(Self {
            rooms,
            processes: Arc::new(processes),
            projections,
            follow: Arc::new(follow),
            message_bytes: config.limits.message_bytes,
            logs,
        })
    }

    /// The logs by service.
    pub(super) fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Every service of the API, on the parts.
    pub(super) fn routes(&self) -> Routes {
        let mut routes = Routes::builder();
        self.rooms
            .serve(&mut routes, &self.follow, self.message_bytes);
        let operations = Operations::new(
            self.logs.clone(),
            Arc::clone(&self.processes),
            self.projections.clone(),
        );
        routes.add_service(
            OperationsServiceServer::new(operations).max_decoding_message_size(self.message_bytes),
        );
        routes.routes()
    }

    /// Lets go of everything, the logs last.
    pub(super) async fn close(&self) {
        self.processes.stop().await;
        self.projections.close().await;
        logs::close(&self.logs).await;
    }
}

/// The read models in force, every one of them free of findings.
fn models(config: &Config) -> Result<Vec<Model>, AssemblyError> {
    let models = projection::in_force(config.projections.as_deref())?;
    let known = catalogue();
    let findings: Vec<Finding> = models
        .values()
        .flat_map(|model| projection::check(model, &known))
        .collect();
    if findings.is_empty() {
        Ok(models.into_values().collect())
    } else {
        Err(AssemblyError::Findings(findings))
    }
}

fn listed(findings: &[Finding]) -> String {
    let all: Vec<String> = findings.iter().map(Finding::to_string).collect();
    all.join("; ")
}

fn processes() -> Vec<Arc<dyn Process>> {
    Vec::new()
}
