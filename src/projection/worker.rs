//! One worker a generation: takes what its sources' logs hold, applies it in batches, says how far it is.
//!
//! Does: subscribe, gather what is available into one transaction, try again what can pass, obey operators. Does not:
//! answer queries. It ends when it is told to stop; until then nothing ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream;
use futures::stream::StreamExt as _;
use tokio::sync::{mpsc, oneshot, watch};

use super::gather::{Feed, Gathered, gather};
use super::store::{Batch, Counts, Retried, Store, StoreError};
use super::{Clock, Source};
use crate::kernel::{Moment, Position};
use crate::log::{Filter, ReadError};

/// A batch of so many events means that more are coming: waiting a little then makes the next one larger, and a larger one
/// is cheaper an event. One command after another never waits.
const BUSY_EVENTS: usize = 16;
const LINGER: Duration = Duration::from_millis(50);
/// A batch of so many events was not just written: there is a store of them to work off, in batches as large as can be.
const MANY_EVENTS: usize = 1_000;
/// Positions that may pass without an event of ours before the checkpoint is written all the same.
const QUIET_POSITIONS: u64 = 50_000;
/// First and longest pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What an operator asks of a worker.
pub(super) enum Command {
    Retry(String, Position, Answer<Retried>),
    Skip(String, Position, String, Answer<Retried>),
    GoLive(Answer<()>),
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// How far a worker is. Indexed as the model's sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) positions: Vec<Position>,
    /// The end of that source's log was reached at least once.
    pub(super) caught_up: Vec<bool>,
    pub(super) counts: Counts,
    /// Why it does not get on; it keeps trying.
    pub(super) failure: Option<String>,
}

/// Everything a worker owns.
pub(super) struct Worker {
    pub(super) name: String,
    pub(super) store: Option<Box<dyn Store>>,
    pub(super) sources: Vec<Source>,
    pub(super) filter: Filter,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) clock: Clock,
    /// The file will not be needed again: no need to sync it.
    pub(super) obsolete: Arc<AtomicBool>,
}

impl Worker {
    /// Runs until it is stopped.
    pub(super) async fn run(mut self) {
        self.follow().await;
        if !self.obsolete.load(Ordering::Relaxed)
            && let Err(error) = self.with_store(|store| store.close()).await
        {
            tracing::warn!(projection = %self.name, %error, "a read model was not closed properly");
        }
    }

    async fn follow(&mut self) {
        let mut pause = FIRST_PAUSE;
        let mut behind = false;
        while !self.is_stopped() {
            let mut feed = self.subscribe();
            let mut gathered = Gathered::from(self.positions());
            loop {
                tokio::select! {
                    biased;
                    () = told_to_stop(&mut self.stop) => return,
                    Some(command) = self.commands.recv() => self.obey(command).await,
                    () = gather(&mut feed, &mut gathered, behind) => {
                        let events = gathered.batch.events.len();
                        self.take_in(gathered.batch, &gathered.caught_up).await;
                        if let Some(error) = gathered.error {
                            self.fail(&error.to_string());
                            break;
                        }
                        gathered = Gathered::from(self.positions());
                        pause = FIRST_PAUSE;
                        let now_behind = events >= MANY_EVENTS || !self.is_caught_up();
                        if now_behind != behind {
                            behind = now_behind;
                            self.with_store(move |store| store.set_behind(now_behind)).await.ok();
                        }
                        if events >= BUSY_EVENTS && !behind {
                            self.linger().await;
                        }
                    }
                }
            }
            self.rest(&mut pause).await;
        }
    }

    fn subscribe(&self) -> Feed {
        let positions = self.positions();
        let streams =
            self.sources
                .iter()
                .zip(positions)
                .enumerate()
                .map(|(index, (source, from))| {
                    // A log whose stream ends would leave us waiting for ever: its end is an error like any other.
                    let end = stream::once(async {
                        Err(ReadError::Unavailable {
                            cause: "the subscription ended".to_owned(),
                            retry: true,
                        })
                    });
                    source
                        .log
                        .subscribe(from, self.filter.clone())
                        .chain(end)
                        .map(move |item| (index, item))
                        .boxed()
                });
        stream::select_all(streams)
    }

    fn positions(&self) -> Vec<Position> {
        self.progress.borrow().positions.clone()
    }

    fn is_caught_up(&self) -> bool {
        self.progress
            .borrow()
            .caught_up
            .iter()
            .all(|caught| *caught)
    }

    /// Applies a batch, however long that takes.
    async fn take_in(&mut self, batch: Batch, caught_up: &[usize]) {
        let mut pause = FIRST_PAUSE;
        let batch = Arc::new(batch);
        while self.is_worth_writing(&batch) && !self.is_stopped() {
            let (batch, now) = (Arc::clone(&batch), (self.clock)());
            match self.with_store(move |store| store.apply(&batch, now)).await {
                Ok(()) => break,
                Err(error) => {
                    self.fail(&error.to_string());
                    self.rest(&mut pause).await;
                }
            }
        }
        if self.is_stopped() {
            return;
        }
        let counts = self.store.as_ref().map(|store| store.counts());
        self.progress.send_modify(|progress| {
            progress.positions.clone_from(&batch.positions);
            for index in caught_up {
                if let Some(once) = progress.caught_up.get_mut(*index) {
                    *once = true;
                }
            }
            progress.counts = counts.unwrap_or(progress.counts);
            progress.failure = None;
        });
    }

    /// Told to stop, or nobody is left who could tell.
    fn is_stopped(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    fn is_worth_writing(&self, batch: &Batch) -> bool {
        let Some(store) = &self.store else {
            return false;
        };
        let quiet = |(then, now): (&Position, &Position)| now.0.saturating_sub(then.0);
        !batch.events.is_empty()
            || store
                .positions()
                .iter()
                .zip(&batch.positions)
                .any(|pair| quiet(pair) >= QUIET_POSITIONS)
    }

    async fn obey(&mut self, command: Command) {
        let now: Moment = (self.clock)();
        // Whoever asked may have gone; the work is done all the same.
        match command {
            Command::Retry(service, position, answer) => {
                let done = self
                    .with_store(move |store| store.retry(&service, position))
                    .await;
                answer.send(done).ok();
            }
            Command::Skip(service, position, reason, answer) => {
                let done = self
                    .with_store(move |store| store.skip(&service, position, &reason, now))
                    .await;
                answer.send(done).ok();
            }
            Command::GoLive(answer) => {
                let done = self.with_store(|store| store.go_live()).await;
                answer.send(done).ok();
            }
        }
        if let Some(counts) = self.store.as_ref().map(|store| store.counts()) {
            self.progress
                .send_modify(|progress| progress.counts = counts);
        }
    }

    /// Lends the store to a blocking thread.
    async fn with_store<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(mut store) = self.store.take() else {
            return Err(StoreError::Damaged("it was lost".to_owned()));
        };
        let lent = tokio::task::spawn_blocking(move || {
            let outcome = work(store.as_mut());
            (store, outcome)
        });
        match lent.await {
            Ok((store, outcome)) => {
                self.store = Some(store);
                outcome
            }
            Err(error) if error.is_cancelled() => {
                let text = "the program ended before it was done";
                Err(StoreError::Transient(text.to_owned()))
            }
            Err(error) => Err(StoreError::Damaged(error.to_string())),
        }
    }

    fn fail(&self, cause: &str) {
        if self.progress.borrow().failure.as_deref() != Some(cause) {
            tracing::error!(projection = %self.name, cause, "a projection does not get on; it keeps trying");
            self.progress
                .send_modify(|progress| progress.failure = Some(cause.to_owned()));
        }
    }

    async fn linger(&mut self) {
        tokio::select! {
            () = told_to_stop(&mut self.stop) => {}
            () = tokio::time::sleep(LINGER) => {}
        }
    }

    /// Waits before the next try, twice as long each time.
    async fn rest(&mut self, pause: &mut Duration) {
        tokio::select! {
            () = told_to_stop(&mut self.stop) => {}
            () = tokio::time::sleep(*pause) => {}
        }
        *pause = (*pause * 2).min(LONGEST_PAUSE);
    }
}

/// Returns at once where it was told before, and where nobody is left who could tell.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    stop.wait_for(|stop| *stop).await.ok();
}
