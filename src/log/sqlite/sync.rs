//! Makes commits durable, shows them and answers for them, while the writer writes the next group.
//!
//! ```text
//!   writer   group 1 ─commit─┬ group 2 ─commit─┬ group 3 ...
//!                            │                 │
//!   syncer                   └ sync, head, replies ┴ sync, head, replies ...
//! ```
//!
//! SQLite writes a commit into the write-ahead log and does not sync it (`synchronous=NORMAL`): that is done here, to the same
//! file, once for all commits that wait. Before it copies anything out of that log, and before it begins it anew, SQLite
//! syncs by itself. What is committed and not synced is nobody's yet: readers see the log up to its head, and its streams up
//! to that position, which moves here; nobody is told anything that was judged by it, refusals included.
//!
//! Where nothing else waits, the writer does it itself: another thread would only cost time.

use std::fs::File;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::OpenError;
use super::queue::Outcome;
use super::shared::Shared;
use crate::log::RecordedEvent;

/// Commits that wait for the thread at most, beside the one that it syncs.
const WAITING: usize = 1;

/// Who waits for an operation, and what it will be told.
pub(super) type Answer = (oneshot::Sender<Outcome>, Outcome);

/// A commit that is not synced yet.
pub(super) struct Committed {
    /// In the order of their positions.
    pub(super) events: Vec<RecordedEvent>,
    pub(super) answers: Vec<Answer>,
}

impl Committed {
    /// Whether it holds refusals and repeats alone.
    fn wrote_nothing(&self) -> bool {
        let nothing = |outcome: &Outcome| outcome.as_ref().map_or(true, |done| done.repeated);
        self.events.is_empty() && self.answers.iter().all(|(_, outcome)| nothing(outcome))
    }
}

/// The syncing thread, as the writer sees it.
pub(super) struct Syncer {
    work: Arc<Work>,
    queue: Option<SyncSender<Committed>>,
    thread: Option<JoinHandle<()>>,
}

/// What both threads do and know.
struct Work {
    shared: Arc<Shared>,
    /// The write-ahead log.
    file: File,
    progress: Mutex<Progress>,
    done: Condvar,
}

#[derive(Default)]
struct Progress {
    /// Commits that the thread has not finished.
    waiting: usize,
    /// Why nothing is synced any more.
    failed: Option<String>,
}

impl Syncer {
    /// Starts the thread; from now on commits of `writer` are not durable by themselves.
    pub(super) fn start(writer: &Connection, shared: Arc<Shared>) -> Result<Self, OpenError> {
        let path = shared.database().with_extension("db-wal");
        let failed = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        let work = Arc::new(Work {
            shared,
            file: File::open(&path).map_err(failed)?,
            progress: Mutex::default(),
            done: Condvar::new(),
        });
        let (queue, commits) = sync_channel(WAITING);
        let beside = Arc::clone(&work);
        let thread = std::thread::Builder::new()
            .name("log-sync".into())
            .spawn(move || beside.run(&commits))
            .map_err(failed)?;
        writer.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(Self {
            work,
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Sees to it that a commit becomes durable and is answered; at once unless `more` waits to be written.
    ///
    /// # Errors
    /// A sync failed: the commit and all later ones were refused.
    pub(super) fn take(&self, commit: Committed, more: bool) -> rusqlite::Result<()> {
        let mut progress = self.work.progress();
        if progress.waiting == 0 && !more {
            drop(progress);
            self.work.finish(vec![commit]);
            return self.check();
        }
        progress.waiting += 1;
        drop(progress);
        let sent = match &self.queue {
            Some(queue) => queue.send(commit).map_err(|unsent| unsent.0),
            None => Err(commit),
        };
        if let Err(commit) = sent {
            // The thread died. Its commits were not answered.
            let died = "the syncing thread died";
            self.work.refuse(died, vec![commit]);
            self.work.progress().waiting = 0;
        }
        self.check()
    }

    /// Waits until nothing is left to sync.
    ///
    /// # Errors
    /// A sync failed.
    pub(super) fn settle(&self) -> rusqlite::Result<()> {
        let progress = self.work.progress();
        let waited = self
            .work
            .done
            .wait_while(progress, |progress| progress.waiting > 0);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.check()
    }

    /// Syncs what the writer committed for itself.
    pub(super) fn sync(&self) -> rusqlite::Result<()> {
        self.work.sync()
    }

    /// Ends the thread.
    pub(super) fn stop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Whether anything may be written.
    ///
    /// # Errors
    /// A sync failed.
    pub(super) fn check(&self) -> rusqlite::Result<()> {
        match &self.work.progress().failed {
            Some(cause) => Err(failed_sync(cause.clone())),
            None => Ok(()),
        }
    }
}

impl Work {
    fn run(&self, commits: &Receiver<Committed>) {
        let _watch = Watch(self);
        while let Ok(commit) = commits.recv() {
            let mut group = vec![commit];
            group.extend(commits.try_iter());
            let count = group.len();
            self.finish(group);
            self.progress().waiting -= count;
            self.done.notify_all();
        }
    }

    /// One sync for all of them; then they are shown and answered, in their order.
    fn finish(&self, commits: Vec<Committed>) {
        let failed = self.progress().failed.clone();
        let synced = match failed {
            Some(cause) => Err(cause),
            // What they were judged by was synced before.
            None if commits.iter().all(Committed::wrote_nothing) => Ok(()),
            None => self.sync_and_check().map_err(|error| error.to_string()),
        };
        if let Err(cause) = synced {
            self.refuse(&cause, commits);
            return;
        }
        for commit in commits {
            self.shared.publish(commit.events);
            for (reply, outcome) in commit.answers {
                let _ = reply.send(outcome);
            }
        }
    }

    fn sync_and_check(&self) -> rusqlite::Result<()> {
        self.sync()?;
        fail::fail_point!("log-committed", |_| Err(super::trouble::injected()));
        fail::fail_point!("log-publish", |_| Err(super::trouble::injected()));
        Ok(())
    }

    fn sync(&self) -> rusqlite::Result<()> {
        fail::fail_point!("log-sync", |_| Err(failed_sync("injected".into())));
        self.file
            .sync_data()
            .map_err(|error| failed_sync(error.to_string()))
    }

    /// For good: what the disk holds is not known.
    fn refuse(&self, cause: &str, commits: Vec<Committed>) {
        self.progress()
            .failed
            .get_or_insert_with(|| cause.to_owned());
        let answers = commits.into_iter().flat_map(|commit| commit.answers);
        let error = failed_sync(cause.to_owned());
        self.shared.fail(&error, answers.map(|(reply, _)| reply));
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets nobody wait for a thread that panicked.
struct Watch<'w>(&'w Work);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.refuse("the syncing thread panicked", Vec::new());
            self.0.progress().waiting = 0;
            self.0.done.notify_all();
        }
    }
}

pub(super) fn failed_sync(cause: String) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
    rusqlite::Error::SqliteFailure(code, Some(cause))
}
