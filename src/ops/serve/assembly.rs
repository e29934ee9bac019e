//! The parts and how they hang together: logs, rooms, processes, and the services on them.

use std::sync::Arc;

use tonic::service::Routes;

use super::logs::{self, Logs};
use super::rooms::Rooms;
use crate::grpc::Follow;
use crate::log::sqlite::OpenError;
use crate::ops::clock;
use crate::ops::config::Config;
use crate::processes::{Process, ProcessStore, Processes, StoreError};

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
    /// The positions of the processes cannot be opened.
    #[error("processes: {0}")]
    Processes(#[from] StoreError),
}

/// Everything that a server is made of, but for the socket.
pub struct Assembly {
    logs: Logs,
    rooms: Rooms,
    processes: Arc<Processes>,
    follow: Follow,
    message_bytes: usize,
}

impl Assembly {
    /// Opens the logs, builds the rooms on them, starts what follows the logs.
    pub fn open(config: &Config) -> Result<Self, AssemblyError> {
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
        Ok(Self {
            rooms,
            processes: Arc::new(processes),
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
        routes.routes()
    }

    /// Lets go of everything, the logs last.
    pub(super) async fn close(&self) {
        self.processes.stop().await;
        logs::close(&self.logs).await;
    }
}

fn processes() -> Vec<Arc<dyn Process>> {
    Vec::new()
}
