//! The verbs of the command line that are small: one file each, its arguments and what it does.

pub mod call;
pub mod config;
pub mod log;
pub mod projections;
pub mod serve;
pub mod token;
pub mod version;

use std::io::{self, Write as _};

/// Writes a result. A reader that went away (`annals ... | head`) is no error.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
