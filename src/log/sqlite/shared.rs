//! What the writer, the readers and the subscriptions of one log share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use super::reader::Reader;
use super::tail::Tail;
use super::unwritten::Unwritten;
use crate::kernel::Position;
use crate::log::rules::Clock;
use crate::log::{Health, ReadError};

/// Connections that read at the same time, opened when first needed.
const READERS: usize = 4;

/// The common state of one open log.
pub(super) struct Shared {
    path: PathBuf,
    pub(super) clock: Clock,
    /// The last committed position.
    pub(super) head: watch::Sender<Position>,
    pub(super) health: watch::Sender<Health>,
    pub(super) tail: Tail,
    /// The newest entries of the stream index.
    pub(super) unwritten: Arc<Unwritten>,
    /// Beyond this position no event was removed. It spares subscribers a look into the file with each event.
    last_removed: AtomicU64,
    idle: Mutex<Vec<Reader>>,
    permits: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(path: PathBuf, clock: Clock, head: Position, unwritten: Unwritten) -> Self {
        Self {
            path,
            clock,
            head: watch::Sender::new(head),
            health: watch::Sender::new(Health::Serving),
            tail: Tail::default(),
            unwritten: Arc::new(unwritten),
            // Until somebody knows better: another process may remove what this one reads.
            last_removed: AtomicU64::new(u64::MAX),
            idle: Mutex::new(Vec::new()),
            permits: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Only this process removes events; so far none beyond `last` was.
    pub(super) fn knows_removed(&self, last: Position) {
        self.last_removed.store(last.0, Ordering::SeqCst);
    }

    /// Events up to `last` may be removed from now on. To be said before they are.
    pub(super) fn expect_removed(&self, last: Position) {
        self.last_removed.fetch_max(last.0, Ordering::SeqCst);
    }

    /// Beyond this position no event was removed.
    pub(super) fn last_removed(&self) -> Position {
        Position(self.last_removed.load(Ordering::SeqCst))
    }

    /// The main file.
    pub(super) fn database(&self) -> &Path {
        &self.path
    }

    /// Where the log lies.
    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Runs `step` with a reader, on a thread that may wait for the disk.
    pub(super) async fn read<T, F>(self: &Arc<Self>, step: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Reader) -> Result<T, ReadError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        self.run(permit, step)
            .await
            .unwrap_or_else(|_| Err(unavailable("a read was broken off", true)))
    }

    /// Begins what [`Self::read`] does: at once where a reader is free, for every step between threads costs.
    pub(super) fn begin<T, F>(self: &Arc<Self>, step: F) -> JoinHandle<Result<T, ReadError>>
    where
        T: Send + 'static,
        F: FnOnce(&mut Reader) -> Result<T, ReadError> + Send + 'static,
    {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return self.run(permit, step);
        }
        let shared = Arc::clone(self);
        tokio::spawn(async move { shared.read(step).await })
    }

    fn run<T, F>(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        step: F,
    ) -> JoinHandle<Result<T, ReadError>>
    where
        T: Send + 'static,
        F: FnOnce(&mut Reader) -> Result<T, ReadError> + Send + 'static,
    {
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let outcome = shared.with_reader(step);
            drop(permit);
            outcome
        })
    }

    fn with_reader<T>(
        &self,
        step: impl FnOnce(&mut Reader) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => Reader::open(&self.path, Arc::clone(&self.unwritten))?,
        };
        let outcome = step(&mut reader);
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(reader);
        outcome
    }

    /// Lets no new read begin, waits for those under way, and closes their connections.
    pub(super) async fn close_readers(&self) {
        let all = u32::try_from(READERS).unwrap_or(u32::MAX);
        // Fails only where it was closed before.
        if let Ok(permits) = self.permits.acquire_many(all).await {
            self.permits.close();
            drop(permits);
        }
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.health.borrow() == Health::Closed
    }

    /// Says that it is over, to everybody who waits.
    pub(super) fn announce_closed(&self) {
        self.health.send_replace(Health::Closed);
        self.head.send_modify(|_| {});
    }
}

/// What a closed log answers.
pub(super) fn closed() -> ReadError {
    unavailable("it was closed", false)
}

pub(super) fn unavailable(cause: impl Into<String>, retry: bool) -> ReadError {
    ReadError::Unavailable {
        cause: cause.into(),
        retry,
    }
}
