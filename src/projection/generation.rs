//! One file of one read model with its worker and its readers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::directory::remove;
use super::model::Model;
use super::opened::Opened;
use super::plan::Plan;
use super::readers::Readers;
use super::store::{Retried, Store as _, StoreError};
use super::worker::{Command, Progress, Worker};
use super::{ProjectionError, Settings, Source};
use crate::kernel::{ConsistencyToken, Position};
use crate::log::{Filter, Match};

/// Commands of operators that wait for the worker.
const COMMANDS: usize = 16;

/// A generation at work.
pub(super) struct Generation {
    pub(super) model: Model,
    pub(super) number: u64,
    pub(super) plans: BTreeMap<String, Plan>,
    pub(super) readers: Readers,
    pub(super) progress: watch::Receiver<Progress>,
    pub(super) path: PathBuf,
    commands: mpsc::Sender<Command>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
    obsolete: Arc<AtomicBool>,
}

impl Generation {
    /// Puts a worker to a file.
    pub(super) fn start(opened: Opened, sources: Vec<Source>, settings: &Settings) -> Arc<Self> {
        let (commands, received) = mpsc::channel(COMMANDS);
        let (stop, stopped) = watch::channel(false);
        let (progress, seen) = watch::channel(Progress {
            positions: opened.store.positions(),
            caught_up: vec![false; sources.len()],
            counts: opened.store.counts(),
            failure: None,
        });
        // Only what has a handler is read at all.
        let types = match opened.model.any {
            Some(_) => Match::Any,
            None => Match::one_of(opened.model.on.keys()),
        };
        let obsolete = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            name: opened.model.name.clone(),
            store: Some(Box::new(opened.store)),
            sources,
            filter: Filter::by_type(types),
            progress,
            commands: received,
            stop: stopped,
            clock: settings.clock,
            obsolete: Arc::clone(&obsolete),
        };
        Arc::new(Self {
            model: opened.model,
            number: opened.number,
            plans: opened.plans,
            readers: Readers::new(&opened.path),
            progress: seen,
            path: opened.path,
            commands,
            stop,
            task: Mutex::new(Some(settings.threads.spawn(worker.run()))),
            obsolete,
        })
    }

    /// The first entry of `token` that this generation has not reached: service, where it must be, where it is.
    pub(super) fn lacks(
        &self,
        token: &ConsistencyToken,
        progress: &Progress,
    ) -> Option<(String, Position, Position)> {
        token.iter().find_map(|(service, needed)| {
            let index = self
                .model
                .sources
                .iter()
                .position(|source| source == service)?;
            let reached = progress.positions.get(index).copied()?;
            (reached < needed).then(|| (service.to_owned(), needed, reached))
        })
    }

    /// Whether it is at least as far as `other` in every source that both have.
    pub(super) fn is_as_far_as(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.progress.borrow(), other.progress.borrow());
        let at = |generation: &Self, progress: &Progress, service: &String| {
            let index = generation
                .model
                .sources
                .iter()
                .position(|source| source == service)?;
            progress.positions.get(index).copied()
        };
        self.model
            .sources
            .iter()
            .all(|service| at(self, &mine, service) >= at(other, &theirs, service))
    }

    pub(super) async fn go_live(&self) -> Result<(), ProjectionError> {
        self.ask(Command::GoLive).await
    }

    pub(super) async fn retry(
        &self,
        service: &str,
        position: Position,
    ) -> Result<Retried, ProjectionError> {
        self.ask(|answer| Command::Retry(service.to_owned(), position, answer))
            .await
    }

    pub(super) async fn skip(
        &self,
        service: &str,
        position: Position,
        reason: &str,
    ) -> Result<Retried, ProjectionError> {
        self.ask(|answer| Command::Skip(service.to_owned(), position, reason.to_owned(), answer))
            .await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Command,
    ) -> Result<T, ProjectionError> {
        let stopped = |_| ProjectionError::Closed;
        let (answer, answered) = oneshot::channel();
        self.commands
            .send(command(answer))
            .await
            .map_err(|_| ProjectionError::Closed)?;
        answered
            .await
            .map_err(stopped)?
            .map_err(|error| ProjectionError::Store(error.to_string()))
    }

    /// Ends the worker after what it is doing; returns when it has ended.
    pub(super) async fn stop(&self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.lock().await.take() {
            task.await.ok();
        }
        self.readers.close();
    }

    /// The file goes when the last query on it has ended.
    pub(super) fn make_obsolete(&self) {
        self.obsolete.store(true, Ordering::Relaxed);
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Relaxed) {
            self.readers.close();
            remove(&self.path);
        }
    }
}
