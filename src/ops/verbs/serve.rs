//! `annals serve`: until SIGINT or SIGTERM.

use std::collections::BTreeSet;

use tokio::signal::unix::{SignalKind, signal};

use super::print;
use crate::ops::cli::Failure;
use crate::ops::config::Config;
use crate::ops::serve::{SERVICES, Server};

/// Serves until told to stop; then stops drained.
pub async fn run(config: &Config) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut server = Server::start(config).await?;
    let at: BTreeSet<_> = SERVICES.map(|service| config.log.of(service)).into();
    tracing::info!(data = %config.data.display(), logs = ?at, "everything is open");
    print(&format!("listening on {}\n", server.local_addr()))?;
    if let Some(address) = server.esdb_addr() {
        print(&format!("EventStoreDB protocol on {address}\n"))?;
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        ended = server.ended() => return Ok(ended?),
    }
    tracing::info!(timeout = ?config.server.drain, "stopping when the requests under way are answered");
    tokio::select! {
        stopped = server.stop() => Ok(stopped?),
        _ = interrupt.recv() => Err(Failure("stopped at once by a second interrupt".to_owned())),
    }
}
