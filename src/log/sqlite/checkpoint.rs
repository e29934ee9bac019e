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
use rusqlite::hooks::Wal;

use super::schema::{self, Role};

/// Pages written between two turns of the thread: 16 MiB.
const TURN_PAGES: i64 = 4_096;

/// Pages in the write-ahead log from which it has to begin anew: 16,384 pages of 4 KiB are 64 MiB.
const RESET_PAGES: i64 = 16_384;

/// Pages that the writer may be left to copy before the log begins anew: some milliseconds.
const LEFT_PAGES: i64 = 256;

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
    pages: Arc<Pages>,
    /// Pages in the write-ahead log when the thread was last woken.
    woken_at: i64,
}

/// Pages in the write-ahead log.
#[derive(Debug, Default)]
struct Pages {
    /// After the last commit.
    now: AtomicI64,
    /// When the thread had copied all but little of them.
    copied: AtomicI64,
}

impl Checkpoints {
    /// Starts the thread.
    pub(super) fn start(
        path: &Path,
        writer: &mut Connection,
        by: CheckpointBy,
    ) -> Result<Self, super::OpenError> {
        let pages = Arc::new(Pages::default());
        let mut started = Self {
            wake: None,
            thread: None,
            pages: Arc::clone(&pages),
            woken_at: 0,
        };
        if by == CheckpointBy::Commit {
            writer.pragma_update(None, "wal_autocheckpoint", COMMIT_PAGES)?;
            return Ok(started);
        }
        let committed = Arc::clone(&pages);
        writer.wal_hook(Some(move |_: &mut Wal, pages| {
            committed.now.store(i64::from(pages), Ordering::Relaxed);
            Ok(())
        }))?;
        let connection = schema::open_other(path, Role::Checkpointer)?;
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("log-checkpoint".into())
            .spawn(move || run(&connection, &woken, &pages))
            .map_err(|source| super::OpenError::Io {
                path: path.to_owned(),
                source,
            })?;
        started.wake = Some(wake);
        started.thread = Some(thread);
        Ok(started)
    }

    /// Called by the writer between two groups.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        if self.pages.copied.load(Ordering::Relaxed) >= RESET_PAGES {
            // The thread left little. If a reader is in the way, the next turn tries again.
            self.pages.copied.store(0, Ordering::Relaxed);
            copy(writer);
        }
        let pages = self.pages.now.load(Ordering::Relaxed);
        if pages < self.woken_at {
            // It began anew.
            self.woken_at = 0;
        }
        if pages < self.woken_at + TURN_PAGES {
            return;
        }
        self.woken_at = pages;
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

fn run(connection: &Connection, woken: &Receiver<()>, pages: &Pages) {
    while woken.recv().is_ok() {
        let mut copied = copy(connection);
        for _ in 0..AGAIN {
            let left = copied.map_or(0, |copied| pages.now.load(Ordering::Relaxed) - copied);
            if left < LEFT_PAGES {
                break;
            }
            copied = copy(connection);
        }
        if let Some(copied) = copied {
            pages.copied.store(copied, Ordering::Relaxed);
        }
    }
}

/// Copies what can be copied without waiting for anybody; answers the pages of the write-ahead log up to which all are
/// copied. A failure loses nothing: everything stays where it is, and the next turn tries again.
fn copy(connection: &Connection) -> Option<i64> {
    fail::fail_point!("log-checkpoint", |_| None);
    let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2));
    match copied {
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
