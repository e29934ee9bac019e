//! The parts and how they hang together: logs, rooms, processes, and the services on them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tonic::service::Routes;
use uuid::Uuid;

use super::background::Background;
use super::catalogue::{catalogue, viewers};
use super::derived;
use super::logs::{self, Logs};
use super::rooms;
use crate::audit::{Access, Audit};
use crate::log::ReadError;
use crate::log::eventstoredb::ConnectError;
use crate::log::sqlite::OpenError;
use crate::ops::clock;
use crate::ops::config::{Config, LimitSettings};
use crate::ops::operations::Operations;
use crate::processes::{self, Processes, Rooms, StoreError};
use crate::projection::{
    self, Finding, FolderError, Model, ProjectionError, Projections, ReadModels, Reads,
};
use crate::proto::annals::audit::v1::audit_service_server::AuditServiceServer;
use crate::proto::annals::operations::v1::operations_service_server::OperationsServiceServer;
use crate::proto::annals::readmodels::v1::read_models_service_server::ReadModelsServiceServer;

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
    /// The server of a log is not there.
    #[error("{settings}: {cause}")]
    Cluster {
        /// The settings that name it.
        settings: String,
        /// Why it is not.
        cause: ConnectError,
    },
    /// There is no place for what is derived from the logs.
    #[error("{path}: {cause}", path = .path.display())]
    Directory {
        /// Where it would be.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A folder of SQL cannot be read.
    #[error("read models: {0}")]
    Models(#[from] FolderError),
    /// Folders of SQL do not fit the events.
    #[error("read models: {} (`annals projections check` tells the same without starting)", listed(.0))]
    Findings(Vec<Finding>),
    /// The read models cannot be opened.
    #[error("read models: {0}")]
    Projections(#[from] ProjectionError),
    /// No threads for background work.
    #[error("threads for background work: {0}")]
    Threads(std::io::Error),
    /// Nobody can tell how far the read models are.
    #[error("read models: {0}")]
    Derived(String),
    /// Nobody can tell where a log ends.
    #[error(transparent)]
    Head(#[from] ReadError),
    /// The positions of the processes cannot be opened.
    #[error("processes: {0}")]
    Processes(#[from] StoreError),
}

/// Everything that a server is made of, but for the socket.
pub struct Assembly {
    logs: Logs,
    rooms: Arc<Rooms>,
    processes: Arc<Processes>,
    projections: Projections,
    limits: LimitSettings,
    /// Last: what runs there is closed before.
    _background: Background,
}

impl Assembly {
    /// Opens the logs, builds the rooms on them, starts what follows the logs.
    pub async fn open(config: &Config) -> Result<Self, AssemblyError> {
        let models = models(config)?;
        let clusters = logs::connect(config).await?;
        let logs = logs::open(config, &clusters)?;
        let rooms = Arc::new(rooms::open(&logs, config.commands.identity_map)?);
        let derived = derived::directory(config)?;
        let store = Arc::new(derived::open(config, &logs, &derived).await?);
        let all = processes::all(&rooms, &store);
        let background = Background::start().map_err(AssemblyError::Threads)?;
        let lease =
            logs::shared(config, &clusters).map(|log| processes::Lease::new(log, Uuid::now_v7()));
        let settings = projection::Settings {
            dir: derived::models(&derived),
            clock: clock::now,
            threads: background.handle(),
        };
        Ok(Self {
            rooms,
            processes: Arc::new(Processes::start_with(all, &logs, store, clock::now, lease)?),
            projections: Projections::start(models, &logs, settings).await?,
            limits: config.limits.clone(),
            _background: background,
            logs,
        })
    }

    /// The logs by service.
    pub(super) fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Where readings of the history are recorded.
    pub(super) fn access(&self) -> Result<Access, AssemblyError> {
        let log = self
            .logs
            .get("audit")
            .ok_or(AssemblyError::NoLog("audit"))?;
        Ok(Access::new(Arc::clone(log), clock::now))
    }

    /// Every service of the API, on the parts.
    pub(super) fn routes(&self) -> Result<Routes, AssemblyError> {
        let bytes = self.limits.message_bytes;
        let reads = Reads::new(self.projections.clone(), self.limits.max_deadline)
            .with_max_page(self.limits.page_size);
        let follow = Arc::new(processes::followed());
        let mut routes = Routes::builder();
        rooms::serve(&self.rooms, &reads, &follow, &self.limits, &mut routes);
        let operations = Operations::new(
            self.logs.clone(),
            Arc::clone(&self.processes),
            self.projections.clone(),
        );
        let audit = Audit::new(reads.clone(), self.access()?, viewers(&self.logs)?);
        routes
            .add_service(OperationsServiceServer::new(operations).max_decoding_message_size(bytes))
            .add_service(AuditServiceServer::new(audit).max_decoding_message_size(bytes))
            .add_service(
                ReadModelsServiceServer::new(ReadModels::new(reads))
                    .max_decoding_message_size(bytes),
            );
        Ok(routes.routes())
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
