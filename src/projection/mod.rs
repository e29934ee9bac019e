//! What is derived from the log: read models that are folders of SQL.
//!
//! ```text
//!   logs of the sources ──subscribe──> worker ──batch + checkpoint, one transaction──> <model>.<generation>.db
//!                                         │ how far                                          │ read only
//!                              wait_for(token) <──── query(name, parameters, filter, page) ──┘
//! ```
//!
//! Does: read folders ([`folder`]), check them against the known events ([`check`]), apply events by named parameters,
//! park what cannot be applied, rebuild beside the live model, answer named queries. Does not: know a room. Only [`reads`] and
//! [`rpc`] speak gRPC; they are its edge.

mod bind;
mod check;
mod digest;
mod directory;
mod engine;
mod file;
mod filter;
mod folder;
mod gather;
mod generation;
mod model;
mod object;
mod opened;
mod parked;
mod passed;
mod plan;
mod query;
mod reached;
mod readers;
mod reads;
mod rebuild;
mod rpc;
mod sql;
mod sqlite;
mod statements;
mod store;
mod structs;
#[cfg(test)]
mod tests;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;

pub use check::{Catalogue, Finding, check};
pub use digest::{Scope, TableDigest, digest};
pub use engine::{ProjectionStatus, Projections, SourceStatus};
pub use filter::FilterError;
pub use folder::{FolderError, built_in, in_force, load};
pub use model::Model;
pub use parked::ParkedEvent;
pub use query::{Ask, PageError, QueryError, Rows};
pub use reached::reached;
pub use reads::{Reads, Row, projection_status, status, timestamp};
pub use rebuild::Operation;
pub use rpc::ReadModels;
pub use store::Retried;
pub use structs::{from_struct, to_struct};

use crate::kernel::Moment;
use crate::log::EventLog;

/// The server's clock, handed in.
pub type Clock = fn() -> Moment;

/// Where read models live and what time it is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of their files; made where it is missing.
    pub dir: PathBuf,
    /// For the times at which events are parked and rebuilds begin.
    pub clock: Clock,
    /// Where workers run.
    pub threads: Handle,
}

/// A service and its log.
#[derive(Clone)]
struct Source {
    service: String,
    log: Arc<dyn EventLog>,
}

/// Why a projection is not there or does not do what it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// No read model of that name.
    #[error("no read model {name}{}", hint(near.as_ref()))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The nearest there is.
        near: Option<String>,
    },
    /// A model names a service that has no log here.
    #[error("read model {model} is fed by {service}, which has no log here")]
    NoLog {
        /// Which model.
        model: String,
        /// Which service.
        service: String,
    },
    /// The store said no.
    #[error("{0}")]
    Store(String),
    /// The server is stopping.
    #[error("the projections are closed")]
    Closed,
}

fn hint(near: Option<&String>) -> String {
    near.map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default()
}
