//! Copying the write-ahead log into the main file, beside the writer.
//!
//! SQLite would do this inside a commit, which is what makes its tail long. Here a thread with a connection of
//! its own copies while the writer goes on. The write-ahead log can only begin anew when nothing is left to copy,
//! so once it is large the writer itself copies the little that the thread left, between two groups.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::schema::{self, Role};

/// Pages that may have been written between two turns of the thread: 16 MiB.
const TURN_PAGES: usize = 4096;

/// Pages that an append touches at most beside its payload: its row's, its index entry's, a new stream's name.
const APPEND_PAGES: usize = 3;

/// Bytes of a page.
const PAGE_BYTES: usize = 4096;

/// Pages in the write-ahead log from which it has to begin anew: 16,384 pages of 4 KiB are 64 MiB.
const RESET_PAGES: i64 = 16_384;

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
    /// Pages in the write-ahead log when the thread last looked.
    pages: Arc<AtomicI64>,
    /// Pages written since the last turn, guessed high.
    written: usize,
}

impl Checkpoints {
    /// Starts the thread.
    pub(super) fn start(
        path: &Path,
        writer: &Connection,
        by: CheckpointBy,
    ) -> Result<Self, super::OpenError> {
        if by == CheckpointBy::Commit {
            writer.pragma_update(None, "wal_autocheckpoint", COMMIT_PAGES)?;
            return Ok(Self {
                wake: None,
                thread: None,
                pages: Arc::default(),
                written: 0,
            });
        }
        let connection = schema::open_other(path, Role::Checkpointer)?;
        let (wake, woken) = sync_channel(1);
        let pages = Arc::new(AtomicI64::new(0));
        let seen = Arc::clone(&pages);
        let thread = std::thread::Builder::new()
            .name("log-checkpoint".into())
            .spawn(move || run(&connection, &woken, &seen))
            .map_err(|source| super::OpenError::Io {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
            pages,
            written: 0,
        })
    }

    /// Called by the writer between two groups, with the size of the last one.
    pub(super) fn after_commit(&mut self, writer: &Connection, appends: usize, bytes: usize) {
        self.written += (appends + 1) * APPEND_PAGES + bytes / PAGE_BYTES;
        if self.written < TURN_PAGES {
            return;
        }
        self.written = 0;
        if self.pages.load(Ordering::Relaxed) >= RESET_PAGES {
            // The thread copied nearly all a moment ago. If a reader is in the way, the next turn tries again.
            self.pages.store(0, Ordering::Relaxed);
            copy(writer);
            return;
        }
        if let Some(wake) = &self.wake {
            let _ = wake.try_send(());
        }
    }

    /// Ends the thread, which closes its connection.
    pub(super) fn stop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>, seen: &AtomicI64) {
    while woken.recv().is_ok() {
        if let Some(pages) = copy(connection) {
            seen.store(pages, Ordering::Relaxed);
        }
    }
}

/// Copies what can be copied without waiting for anybody; answers the pages in the write-ahead log. A failure
/// loses nothing: everything stays where it is, and the next turn tries again.
fn copy(connection: &Connection) -> Option<i64> {
    fail::fail_point!("log-checkpoint", |_| None);
    let pages = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1));
    match pages {
        Ok(pages) => Some(pages),
        Err(error) => {
            tracing::warn!(%error, "a checkpoint of the log failed, it will be tried again");
            None
        }
    }
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
