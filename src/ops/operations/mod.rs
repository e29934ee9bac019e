//! `annals.operations.v1.OperationsService`: what operators need to see and do while Annals runs.
//!
//! Does: show how far projections and processes are, let parked events be tried again or passed over, wait for the
//! processes. Does not: change a record; what it passes over stays in the log.

mod health;
mod parked;
mod replies;
mod rpc;

use std::sync::Arc;

use crate::processes::Processes;
use crate::projection::Projections;

use super::serve::Logs;

/// The operations service.
pub struct Operations {
    logs: Logs,
    processes: Arc<Processes>,
    projections: Projections,
}

impl Operations {
    /// Over the parts of a server.
    #[must_use]
    pub fn new(logs: Logs, processes: Arc<Processes>, projections: Projections) -> Self {
        Self {
            logs,
            processes,
            projections,
        }
    }
}
