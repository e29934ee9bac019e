//! Why an import stopped.

use std::io;
use std::path::PathBuf;

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
    /// The target is no address, or its TLS settings do not fit.
    #[error("target {target} cannot be used: {problem}")]
    Target {
        /// As given.
        target: String,
        /// What does not fit.
        problem: String,
    },
    /// The token cannot be sent.
    #[error("the token holds characters that no HTTP header may hold")]
    Token,
    /// The descriptors built into this program do not load.
    #[error("the built-in descriptors cannot be loaded: {0}")]
    Descriptors(String),
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
