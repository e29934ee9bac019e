//! Opening: options, what is checked first, what can be wrong. Takes as long for twenty million events as for none,
//! but for the events that a crash left out of the stream index, and for the first open of a log of version 1.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::checkpoint::CheckpointBy;
use super::lock::{DirectoryLock, Left};
use super::schema;
use super::why::plainly;
use crate::log::rules::{self, Clock, Protected};

pub(super) const DATABASE: &str = "log.db";
pub(super) const WRITE_AHEAD_LOG: &str = "log.db-wal";

/// Appends that may wait for the writer: four groups, so that a burst of a thousand callers fits.
const QUEUE_APPENDS: usize = 4096;

/// Two generations of so many entries, 24 bytes each when sealed and about 64 before, are 6 MiB of a busy log. After a crash
/// 131,072 events are looked at, in about a tenth of a second.
const INDEX_AFTER: usize = 65_536;

/// How a log is opened.
#[derive(Clone)]
pub struct Options {
    /// Categories whose streams can never be deleted, truncated or expired.
    pub protected: Protected,
    /// Appends that may wait; more are refused as overload.
    pub queue_appends: usize,
    /// Where recorded times come from.
    pub clock: Clock,
    /// Entries of the stream index that gather in memory before they are written, in order: the more, the fewer pages they
    /// touch. Twice as many events are looked at when the log is opened after a crash.
    pub index_after: usize,
    /// Who copies the write-ahead log into the main file.
    pub checkpoints: CheckpointBy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            protected: Protected::new(["certification", "access"]),
            queue_appends: QUEUE_APPENDS,
            clock: rules::system_clock(),
            index_after: INDEX_AFTER,
            checkpoints: CheckpointBy::Thread,
        }
    }
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file could not be used.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("the log in {dir} is open in {}", named(holder))]
    Locked {
        /// Which directory.
        dir: PathBuf,
        /// The process id; empty as long as it is not written down.
        holder: String,
        /// Where that process takes orders for it, where it does.
        served_at: Option<SocketAddr>,
    },
    /// Not a log of ours.
    #[error("{path} is no log: {what}")]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// Whoever made it ended before it was a log.
    #[error(
        "{path} is empty: it was not finished being made; serving it or copying into it does that"
    )]
    Unfinished {
        /// Which file.
        path: PathBuf,
    },
    /// Written by a newer (or unknown) version.
    #[error(
        "{path} has schema version {found}, this program reads up to {supported}: use the one that wrote it, or a newer"
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// Ours.
        supported: i32,
    },
    /// The file is gone, or shorter than it says or was when it was closed.
    #[error(
        "{path} was cut off: it has {found} bytes and should have {expected}; put the whole file back, or the directory of a backup"
    )]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// What its header or the last close says.
        expected: u64,
    },
    /// The last holder did not close, and what it left beside the main file is gone.
    #[error(
        "{path} is missing although the log was not closed: acknowledged events may be lost with it; put it back, or the directory of a backup"
    )]
    WalMissing {
        /// Which file.
        path: PathBuf,
    },
    /// SQLite may not use it, or has no room.
    #[error("{path}: {what}")]
    Unusable {
        /// The main file.
        path: PathBuf,
        /// What SQLite and the system say.
        what: String,
    },
    /// SQLite refused.
    #[error("{path}: {source}")]
    Sqlite {
        /// The main file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

impl From<rusqlite::Error> for OpenError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sqlite {
            path: PathBuf::from(DATABASE),
            source,
        }
    }
}

impl OpenError {
    /// Names the directory where only the file was known, and the cause where SQLite does not.
    pub(super) fn within(self, dir: &Path) -> Self {
        let Self::Sqlite { path, source } = self else {
            return self;
        };
        let path = if path == Path::new(DATABASE) {
            dir.join(DATABASE)
        } else {
            path
        };
        let what = plainly(&path, &source);
        if what == source.to_string() {
            return Self::Sqlite { path, source };
        }
        Self::Unusable { path, what }
    }
}

/// Whoever has just opened it has not signed yet.
fn named(holder: &str) -> String {
    if holder.is_empty() {
        return "another process".to_owned();
    }
    format!("process {holder}")
}

/// The locked directory and its files, checked as far as can be done at once.
pub(super) struct Place {
    pub(super) lock: DirectoryLock,
    pub(super) database: PathBuf,
}

impl Place {
    /// Makes the directory if need be, locks it, and looks at what is there.
    pub(super) fn take(dir: &Path) -> Result<Self, OpenError> {
        std::fs::create_dir_all(dir).map_err(|source| OpenError::Io {
            path: dir.to_owned(),
            source,
        })?;
        let lock = DirectoryLock::take(dir)?;
        check_files(dir, || lock.left)?;
        Ok(Self {
            lock,
            database: dir.join(DATABASE),
        })
    }
}

/// Finds a write-ahead log that is gone, and a main file that is gone or was cut off. `left` is asked after the files were
/// looked at: a holder that closes says so before it removes anything.
pub(super) fn check_files(dir: &Path, left: impl FnOnce() -> Left) -> Result<(), OpenError> {
    let (path, wal) = (dir.join(DATABASE), dir.join(WRITE_AHEAD_LOG));
    let bytes_of = |path: &Path| std::fs::metadata(path).map(|file| file.len()).ok();
    let (found, wal_bytes) = (bytes_of(&path).unwrap_or_default(), bytes_of(&wal));
    let expected = match left() {
        Left::Nothing => 0,
        Left::Open if wal_bytes.is_none() => return Err(OpenError::WalMissing { path: wal }),
        // It is signed when the tables are there.
        Left::Open => u64::from(schema::PAGE_BYTES),
        Left::Closed(bytes) => bytes,
    };
    if found < expected {
        return Err(OpenError::Truncated {
            path,
            found,
            expected,
        });
    }
    if wal_bytes.unwrap_or_default() == 0 {
        check_length(&path)?;
    }
    Ok(())
}

/// Without a write-ahead log the main file must be as long as its header says.
fn check_length(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    let Ok(mut file) = File::open(path) else {
        return Ok(());
    };
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    }
    let found = metadata.len();
    let mut header = [0; 32];
    if file.read_exact(&mut header).is_err() {
        return match found {
            0 => Ok(()),
            _ => Err(OpenError::Foreign {
                path: path.to_owned(),
                what: format!("a file of {found} bytes"),
            }),
        };
    }
    let Some(expected) = schema::bytes_by_header(&header) else {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
            what: "no SQLite database".into(),
        });
    };
    if found < expected {
        return Err(OpenError::Truncated {
            path: path.to_owned(),
            found,
            expected,
        });
    }
    Ok(())
}
