//! Where read models and the processes' positions are kept.
//!
//! They are of the logs that they were derived from, and say nothing of others: a data directory whose logs have moved to
//! another server begins anew beside the old ones, and comes back to them when the logs do.

use std::fmt::Write as _;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};

use super::{AssemblyError, SERVICES};
use crate::log::eventstoredb::shown;
use crate::ops::config::{Config, LogPlace};

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
