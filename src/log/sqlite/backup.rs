//! `annals log backup`: the log's file as it is at one moment, by SQLite's own backup, while the log goes on being served.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::open::{DATABASE, OpenError};
use super::tools::{self, ToolError};
use super::writer;
use crate::kernel::Position;

/// Pages copied between two reports of progress: 16 MiB.
const STEP_PAGES: i32 = 4096;

/// How long a step waits where SQLite's own short locks are in the way.
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// Copies the log in `dir` into the directory `to`, which must hold none; answers its last position. What is appended
/// meanwhile is not in it. `progress` hears the pages copied and all pages.
///
/// # Errors
/// No log, one at the target, or a file that cannot be written. A target that is there is whole.
pub fn backup(
    dir: &Path,
    to: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Position, ToolError> {
    let (source, path) = tools::open_beside(dir)?;
    let target = to.join(DATABASE);
    std::fs::create_dir_all(to).map_err(failed(to))?;
    if target.exists() {
        let taken = "it exists: choose a directory that holds no log";
        let taken = io::Error::new(io::ErrorKind::AlreadyExists, taken);
        return Err(failed(&target)(taken));
    }
    // Let go when this ends. Two would remove each other's part.
    let alone = File::open(to).map_err(failed(to))?;
    alone.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => failed(to)(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another backup is being written there",
        )),
        TryLockError::Error(error) => failed(to)(error),
    })?;
    let part = to.join("log.db.part");
    let _ = std::fs::remove_file(&part);
    // One snapshot for all steps: an append would make them begin again.
    let snapshot = source
        .unchecked_transaction()
        .map_err(tools::refused(&path))?;
    let (head, _) = writer::end_of(&snapshot).map_err(tools::refused(&path))?;
    // SQLite does not say which of the two files; the one that is written to runs out of room.
    copy(&source, &part, &mut progress).map_err(|error| {
        // A full disk is not kept full by what is of no use.
        let _ = std::fs::remove_file(&part);
        tools::refused(&part)(error)
    })?;
    drop(snapshot);
    // It takes its name when it is durable.
    sync(&part)?;
    std::fs::rename(&part, &target).map_err(failed(&target))?;
    sync(to)?;
    Ok(head)
}

fn copy(
    source: &Connection,
    part: &Path,
    progress: &mut impl FnMut(u64, u64),
) -> rusqlite::Result<()> {
    let mut target = Connection::open(part)?;
    let backup = Backup::new(source, &mut target)?;
    loop {
        let step = backup.step(STEP_PAGES)?;
        let pages = backup.progress();
        let total = u64::try_from(pages.pagecount).unwrap_or_default();
        let left = u64::try_from(pages.remaining).unwrap_or_default();
        progress(total.saturating_sub(left), total);
        if step == StepResult::Done {
            return Ok(());
        }
        if step != StepResult::More {
            std::thread::sleep(BUSY_WAIT);
        }
    }
}

fn sync(path: &Path) -> Result<(), ToolError> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ToolError {
    let path: PathBuf = path.to_owned();
    |source| OpenError::Io { path, source }.into()
}
