//! Why an import stopped.

use std::io;
use std::path::PathBuf;

use crate::ops::client::{CallError, ConnectError};

/// Why an import stopped before its end. What a single command was answered is in the report instead.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file that was named cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state file cannot be written; without it the import would not resume.
    #[error("{path} cannot be written: {source}")]
    State {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The target is no address, or its token or TLS settings do not fit.
    #[error(transparent)]
    Target(#[from] ConnectError),
    /// The descriptors built into this program do not load.
    #[error(transparent)]
    Descriptors(#[from] CallError),
    /// The file was read to its end, but not everything in it was a command that the server decided.
    #[error(
        "{failed} commands were not decided and {malformed} lines are no commands; the report names them"
    )]
    Unclean {
        /// Commands without a decision.
        failed: u64,
        /// Lines that are no commands.
        malformed: u64,
    },
    /// The server did not come back in time.
    #[error("line {line}: gave up after {seconds} s: {problem}")]
    GaveUp {
        /// The line that was tried.
        line: u64,
        /// How long.
        seconds: u64,
        /// The last answer.
        problem: String,
    },
    /// The server does not take the token.
    #[error("line {line}: the server refused the token: {problem}")]
    Unauthenticated {
        /// The line that was tried.
        line: u64,
        /// What the server said.
        problem: String,
    },
    /// A part of the import itself ended unexpectedly.
    #[error("a part of the import ended unexpectedly: {0}")]
    Broken(String),
}
