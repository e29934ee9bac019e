//! `annals version`

use super::print;
use crate::ops::cli::Failure;

/// Prints the version.
pub fn run() -> Result<(), Failure> {
    Ok(print(&format!("annals {}\n", env!("CARGO_PKG_VERSION")))?)
}
