//! Copying the write-ahead log into the main file, beside the writer.
//!
//! SQLite would do this inside a commit, which is what makes its tail long. Here a thread with a connection of
//! its own copies while the writer goes on. The write-ahead log can only begin anew when nothing is left to copy,
//! so once it is large the writer itself copies the little that the thread left, between two groups. SQLite syncs the
//! main file only then; the thread has synced its part before, or the writer would wait for all of it.
//!
//! A sync that failed is for good here too: the page cache may show what the main file does not have, and the next sync say
//! that all is well. The write-ahead log, which has it, must not begin anew then.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::hooks::Wal;
use rusqlite::{Connection, ffi};

use super::schema::{self, Role};
use super::sync::failed_sync;

/// Pages written between two turns of the thread: 512 KiB. Commits are synced to the same disk and wait while it takes them.
const TURN_PAGES: i64 = 128;

/// Pages in the write-ahead log from which it has to begin anew: 16,384 pages of 4 KiB are 64 MiB.
const RESET_PAGES: i64 = 16_384;

/// Pages that the writer may be left to copy before the log begins anew: about a millisecond.
const LEFT_PAGES: i64 = 64;

/// Times that the thread copies what was written while it copied.
const AGAIN: usize = 4;

/// Pages in the write-ahead log from which SQLite checkpoints by itself, inside a commit: its own default.
const COMMIT_PAGES: i64 = 1_000;

/// Who copies the write-ahead log into the main file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointBy {
    /// A thread beside the writer.
    Thread,
    /// SQLite, inside a commit, as it does unless told otherwise. Only to measure what that costs.
    Commit,
}

/// The checkpointing thread, as the writer sees it.
pub(super) struct Checkpoints {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    progress: Arc<Progress>,
    /// Pages in the write-ahead log when the thread was last woken.
    woken_at: i64,
    /// The main file, for the thread. Nobody may close a file that SQLite has open: this process would lose SQLite's locks on
    /// it (fcntl(2)). So it is kept for as long as there is a writer.
    main: Arc<File>,
}

/// What both threads know. In pages of the write-ahead log.
#[derive(Debug, Default)]
struct Progress {
    /// After the last commit.
    now: AtomicI64,
    /// When the thread had copied all but little of them.
    copied: AtomicI64,
    /// Why the main file cannot be trusted to be durable.
    failed: OnceLock<String>,
}

impl Checkpoints {
    /// Starts the thread.
    pub(super) fn start(
        path: &Path,
        writer: &mut Connection,
        by: CheckpointBy,
    ) -> Result<Self, super::OpenError> {
        let failed = |source| super::OpenError::Io {
            path: path.to_owned(),
            source,
        };
        let progress = Arc::new(Progress::default());
        let mut started = Self {
            wake: None,
            thread: None,
            progress: Arc::clone(&progress),
            woken_at: 0,
            main: Arc::new(File::open(path).map_err(failed)?),
        };
        if by == CheckpointBy::Commit {
            writer.pragma_update(None, "wal_autocheckpoint", COMMIT_PAGES)?;
            return Ok(started);
        }
        let committed = Arc::clone(&progress);
        writer.wal_hook(Some(move |_: &mut Wal, pages| {
            committed.now.store(i64::from(pages), Ordering::Relaxed);
            Ok(())
        }))?;
        let connection = schema::open_other(path, Role::Checkpointer)?;
        let main = Arc::clone(&started.main);
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("log-checkpoint".into())
            .spawn(move || run(&connection, &main, &woken, &progress))
            .map_err(failed)?;
        started.wake = Some(wake);
        started.thread = Some(thread);
        Ok(started)
    }

    /// Called by the writer between two groups.
    ///
    /// # Errors
    /// A sync failed: what the main file holds is not known.
    pub(super) fn after_commit(&mut self, writer: &Connection) -> rusqlite::Result<()> {
        if let Some(cause) = self.progress.failed.get() {
            return Err(failed_sync(cause.clone()));
        }
        if self.progress.copied.load(Ordering::Relaxed) >= RESET_PAGES {
            // The thread left little. If a reader is in the way, the next turn tries again.
            self.progress.copied.store(0, Ordering::Relaxed);
            copy(writer)?;
        }
        let pages = self.progress.now.load(Ordering::Relaxed);
        if pages < self.woken_at {
            // It began anew.
            self.woken_at = 0;
        }
        if pages < self.woken_at + TURN_PAGES {
            return Ok(());
        }
        self.woken_at = pages;
        if let Some(wake) = &self.wake {
            let _ = wake.try_send(());
        }
        Ok(())
    }

    /// Ends the thread, which closes its connection.
    pub(super) fn stop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, main: &File, woken: &Receiver<()>, progress: &Progress) {
    while woken.recv().is_ok() {
        match turn(connection, main, progress) {
            Ok(Some(copied)) => progress.copied.store(copied, Ordering::Relaxed),
            Ok(None) => {}
            Err(error) => {
                let _ = progress.failed.set(error.to_string());
                return;
            }
        }
    }
}

/// Copies until little is left, and syncs that.
fn turn(
    connection: &Connection,
    main: &File,
    progress: &Progress,
) -> rusqlite::Result<Option<i64>> {
    let mut copied = copy(connection)?;
    for _ in 0..AGAIN {
        let left = copied.map_or(0, |copied| progress.now.load(Ordering::Relaxed) - copied);
        if left < LEFT_PAGES {
            break;
        }
        copied = copy(connection)?;
    }
    fail::fail_point!("log-checkpoint-sync", |_| Err(failed_sync(
        "injected".into()
    )));
    main.sync_data()
        .map_err(|error| failed_sync(error.to_string()))?;
    Ok(copied)
}

/// Copies what can be copied without waiting for anybody; answers the pages of the write-ahead log up to which all are
/// copied. A copy that failed loses nothing: everything stays where it is, and the next turn tries again.
///
/// # Errors
/// A sync failed.
fn copy(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    fail::fail_point!("log-checkpoint", |_| Ok(None));
    let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2));
    match copied {
        Ok(pages) => Ok(Some(pages)),
        Err(error) if is_failed_sync(&error) => Err(error),
        Err(error) => {
            tracing::warn!(%error, "a checkpoint of the log failed, it will be tried again");
            Ok(None)
        }
    }
}

fn is_failed_sync(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|failure| failure.extended_code);
    code == Some(ffi::SQLITE_IOERR_FSYNC)
}

/// After a crash: copies what is in the write-ahead log, and syncs it. Otherwise what a failed sync left in the page cache
/// would be taken for durable.
pub(super) fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// Copies everything and empties the write-ahead log; says whether that was possible.
pub(super) fn copy_all(connection: &Connection) -> bool {
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    matches!(busy, Ok(0))
}
