//! What a failed write means: whether the writer may go on when the cause is gone.
//!
//! ```text
//!   no room, a write that failed, a lock held too long ──> nothing was committed: rolled back, tried again with a probe
//!   a failed sync, anything unknown                    ──> what the disk holds is not known: stopped until reopened
//! ```
//!
//! After a failed sync the page cache may show what the disk does not have, and the next sync may say that all is well. So
//! nothing is tried again then; whoever opens the log next copies the write-ahead log into the main file and syncs that.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, ffi};

use super::open::{DATABASE, WRITE_AHEAD_LOG};
use crate::log::{AppendError, Health};

/// How often the writer looks whether it can write again.
pub(super) const PROBE_EVERY: Duration = Duration::from_millis(500);

/// How often those who append meanwhile are told.
pub(super) const REFUSE_EVERY: Duration = Duration::from_millis(10);

/// Bytes that must fit before appends are taken again: the largest group, twice for the pages that it touches.
const PROBE_BYTES: usize = 8 * 1024 * 1024;

/// Bytes that a probe writes at a time.
const PROBE_STEP: usize = 64 * 1024;

const PROBE: &str = "log.probe";

/// Why nothing can be written now. The cause may go away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No room on the disk.
    Full(String),
    /// Something else.
    Other(String),
}

impl Trouble {
    /// None where nobody can tell what the disk holds.
    pub(super) fn of(error: &rusqlite::Error) -> Option<Self> {
        let failure = error.sqlite_error()?;
        let text = error.to_string();
        match (failure.code, failure.extended_code) {
            (ErrorCode::DiskFull, _)
            // The index of the write-ahead log lies in a file that has to grow, too.
            | (_, ffi::SQLITE_IOERR_SHMSIZE) => Some(Self::Full(text)),
            (_, ffi::SQLITE_IOERR_WRITE)
            | (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Some(Self::Other(text)),
            _ => None,
        }
    }

    fn of_probe(error: &io::Error) -> Self {
        let text = format!("a probe of {PROBE_BYTES} bytes: {error}");
        let full = [
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
            ErrorKind::FileTooLarge,
        ];
        if full.contains(&error.kind()) {
            return Self::Full(text);
        }
        Self::Other(text)
    }

    /// What callers hear.
    pub(super) fn refusal(&self) -> AppendError {
        match self.clone() {
            Self::Full(cause) => AppendError::StorageFull {
                cause,
                retry_after: PROBE_EVERY,
            },
            Self::Other(cause) => AppendError::Unavailable { cause, retry: true },
        }
    }

    /// What health says.
    pub(super) fn health(&self) -> Health {
        let again = PROBE_EVERY.as_millis();
        Health::Degraded(match self {
            Self::Full(cause) => {
                format!("no room on the disk ({cause}), looked for every {again} ms")
            }
            Self::Other(cause) => format!("cannot write ({cause}), tried every {again} ms"),
        })
    }
}

/// Why a probe failed.
pub(super) enum Probe {
    /// Not yet.
    Still(Trouble),
    /// Never again.
    Final(rusqlite::Error),
}

/// Writes what a group may need beside the log in `dir`, and takes it away again; then a page through the log's own path.
pub(super) fn probe(dir: &Path, connection: &Connection) -> Result<(), Probe> {
    fail::fail_point!("log-probe", |_| Err(Probe::Still(Trouble::Full(
        "injected".into()
    ))));
    let path = dir.join(PROBE);
    let written = fill(&path, longest_file(dir));
    let _ = std::fs::remove_file(&path);
    written.map_err(|error| Probe::Still(Trouble::of_probe(&error)))?;
    rewrite_version(connection).map_err(|error| {
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        match Trouble::of(&error) {
            Some(trouble) => Probe::Still(trouble),
            None => Probe::Final(error),
        }
    })
}

/// Bytes of the larger of the log's files.
fn longest_file(dir: &Path) -> u64 {
    let bytes = |name| std::fs::metadata(dir.join(name)).map_or(0, |file| file.len());
    [DATABASE, WRITE_AHEAD_LOG]
        .map(bytes)
        .into_iter()
        .max()
        .unwrap_or_default()
}

/// Room on the disk, and for a file to grow beyond `longest`, which a process may be forbidden (setrlimit(2)): a hole takes none.
fn fill(path: &Path, longest: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.set_len(longest.saturating_add(PROBE_BYTES as u64))?;
    let step = vec![0; PROBE_STEP];
    for _ in 0..PROBE_BYTES / PROBE_STEP {
        file.write_all(&step)?;
    }
    file.sync_all()
}

/// Changes nothing, and is a commit like any other.
fn rewrite_version(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", super::SCHEMA_VERSION)
}

/// What a fail point makes of a step.
#[cfg(feature = "failpoints")]
pub(super) fn injected() -> rusqlite::Error {
    failure(ffi::SQLITE_IOERR)
}

/// The same, for want of room.
#[cfg(feature = "failpoints")]
pub(super) fn injected_full() -> rusqlite::Error {
    failure(ffi::SQLITE_FULL)
}

#[cfg(feature = "failpoints")]
fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("injected".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_takes_the_room_of_a_group_and_is_longer_than_any_file_of_the_log() {
        let home = tempfile::tempdir().unwrap();
        let probe = home.path().join(PROBE);
        for (name, bytes) in [(DATABASE, 10_000_000), (WRITE_AHEAD_LOG, 70_000_000)] {
            let file = File::create(home.path().join(name)).unwrap();
            file.set_len(bytes).unwrap();
            fill(&probe, longest_file(home.path())).unwrap();
            let filled = probe.metadata().unwrap();
            assert_eq!(filled.len(), bytes + PROBE_BYTES as u64);
            let taken = std::os::unix::fs::MetadataExt::blocks(&filled) * 512;
            assert!(taken >= PROBE_BYTES as u64, "{taken}");
        }
    }
}
