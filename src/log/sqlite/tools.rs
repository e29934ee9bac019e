//! What the operator's verbs on a log's directory share: read-only connections beside a running server, and errors.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::lock::Left;
use super::open::{self, DATABASE, OpenError};
use super::schema;
use crate::log::{AppendError, ReadError};

/// Why a verb stopped.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read, or is damaged where this verb needs it whole.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// SQLite refused.
    #[error("{path}: {source}", path = .path.display())]
    Sqlite {
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The output or input failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A line of a dump is none.
    #[error("line {line} of the dump: {problem}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Two logs that should be equal are not.
    #[error("position {position} ({stream}, revision {revision}) differs: {what}")]
    Differs {
        /// Where in the source.
        position: u64,
        /// Which stream.
        stream: String,
        /// Which event of it.
        revision: u64,
        /// How.
        what: String,
    },
    /// What a copy should go to holds something else. Nothing was written to it.
    #[error(
        "the target is no copy of this log: its event at position {position} ({stream}, revision {revision}) is not in the \
         source; nothing was copied, choose an empty target"
    )]
    NoCopy {
        /// Where in the target.
        position: u64,
        /// Which stream.
        stream: String,
        /// Which event of it.
        revision: u64,
    },
    /// The source has a stream that is none of the part of the server that is meant.
    #[error(
        "stream {stream} does not belong to the service that was named: nothing from there on was copied"
    )]
    Elsewhere {
        /// Which stream.
        stream: String,
    },
}

/// What SQLite said of the file at `path`.
pub(super) fn refused(path: &Path) -> impl Fn(rusqlite::Error) -> ToolError {
    |source| ToolError::Sqlite {
        path: path.to_owned(),
        source,
    }
}

/// Opens the log in `dir` for reading, beside whoever serves it, and checks that it is one.
pub(super) fn open_beside(dir: &Path) -> Result<(Connection, PathBuf), ToolError> {
    let path = dir.join(DATABASE);
    open::check_files(dir, || Left::in_directory(dir))?;
    // SQLite does not say why it cannot open a file.
    std::fs::File::open(&path).map_err(|source| OpenError::Io {
        path: path.clone(),
        source,
    })?;
    let connection = schema::open_reader(&path).map_err(|error| schema::foreign(&path, error))?;
    schema::check_version(&connection, &path)?;
    Ok((connection, path))
}
