//! A log as it is now, read beside whoever serves it: the source of a copy.

use std::path::Path;
use std::sync::Arc;

use super::SqliteLog;
use super::shared::Shared;
use super::tools::{self, ToolError};
use super::unwritten::Unwritten;
use super::writer;
use crate::log::rules;

impl SqliteLog {
    /// The log in `dir`, for reading, as far as it goes now. Takes no lock, writes nothing, and answers an append with
    /// unavailable.
    ///
    /// # Errors
    /// No log, or an unreadable one.
    pub fn beside(dir: &Path) -> Result<Self, ToolError> {
        let (connection, path) = tools::open_beside(dir)?;
        let refused = tools::refused(&path);
        let snapshot = connection.unchecked_transaction().map_err(&refused)?;
        let (head, _) = writer::end_of(&snapshot).map_err(&refused)?;
        let unwritten = Unwritten::load(&snapshot, head, usize::MAX).map_err(&refused)?;
        drop(refused);
        let shared = Shared::new(path, rules::system_clock(), head, unwritten);
        Ok(Self::without_writer(Arc::new(shared)))
    }
}
