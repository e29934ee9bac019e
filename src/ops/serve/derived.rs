//! Where read models and the processes' positions are kept.
//!
//! They are of the logs that they were derived from, and say nothing of others: a data directory whose logs have moved to
//! another server begins anew beside the old ones, and comes back to them when the logs do. And a log that ends before what was
//! derived from it is an older one, put back from a backup: other events will take the positions, so everything is derived anew.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use super::{AssemblyError, Logs, SERVICES};
use crate::kernel::Position;
use crate::log::eventstoredb::shown;
use crate::ops::config::{Config, LogPlace};
use crate::processes::ProcessStore;
use crate::projection;

/// Bytes of the digest that a directory's name takes.
const NAME_BYTES: usize = 8;

/// The directory, made where it is not there.
pub(super) fn directory(config: &Config) -> Result<PathBuf, AssemblyError> {
    let path = derived_from(config);
    match std::fs::create_dir_all(&path) {
        Ok(()) => Ok(path),
        Err(cause) => Err(AssemblyError::Directory { path, cause }),
    }
}

/// Where it is: the data directory itself for logs that are in it, else one below it.
#[must_use]
pub fn derived_from(config: &Config) -> PathBuf {
    let mut places = String::new();
    for service in SERVICES {
        if let LogPlace::Esdb(url) = config.log.of(service) {
            let url = shown(url);
            // Options say how to connect, not to what.
            let server = url.split('?').next().unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = writeln!(places, "{service} {server}");
        }
    }
    if places.is_empty() {
        return config.data.clone();
    }
    let digest = digest(&SHA256, places.as_bytes());
    let mut name = String::from("esdb-");
    for byte in digest.as_ref().iter().take(NAME_BYTES) {
        let _ = write!(name, "{byte:02x}");
    }
    config.data.join(name)
}

/// The folder of the read models in what [`directory`] answers.
pub(super) fn models(derived: &Path) -> PathBuf {
    derived.join("projections")
}

/// Opens the positions of the processes in `derived`, after removing what was derived from events that the logs have no more.
pub(super) async fn open(
    config: &Config,
    logs: &Logs,
    derived: &Path,
) -> Result<ProcessStore, AssemblyError> {
    let store = ProcessStore::open(derived)?;
    let read = projection::reached(&models(derived)).map_err(AssemblyError::Derived)?;
    for (service, log) in logs {
        // Positions on a server are addresses, and end where nobody knows.
        if *config.log.of(service) != LogPlace::Embedded {
            continue;
        }
        let head = log.head().await?;
        let reached = read.get(*service).copied().unwrap_or(Position::START);
        let reached = reached.max(store.reached(service)?);
        if reached > head {
            tracing::warn!(
                service,
                %head,
                %reached,
                "the log ends before what was derived from it, as after a restore: read models and the positions of processes are derived anew"
            );
            // The positions last: until they are gone, they tell that it has to be done.
            remove(models(derived))?;
            store.forget()?;
            return Ok(store);
        }
    }
    Ok(store)
}

fn remove(path: PathBuf) -> Result<(), AssemblyError> {
    match std::fs::remove_dir_all(&path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(AssemblyError::Directory { path, cause })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
