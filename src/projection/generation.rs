//! One file of one read model with its worker and its readers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::file;
use super::folder::Model;
use super::plan::Plan;
use super::readers::{self, Readers};
use super::sqlite::SqliteStore;
use super::store::{Retried, Store as _, StoreError};
use super::worker::{Command, Progress, Worker};
use super::{ProjectionError, Settings, Source};
use crate::kernel::{ConsistencyToken, Position};
use crate::log::{Filter, Match};

/// Commands of operators that wait for the worker.
const COMMANDS: usize = 16;

/// A store and the plans of its queries, opened but not at work yet.
pub(super) struct Opened {
    pub(super) model: Model,
    pub(super) number: u64,
    path: PathBuf,
    store: SqliteStore,
    plans: BTreeMap<String, Plan>,
}

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

impl Opened {
    /// The live generation of `model` in `dir`, be it of an older text of the folder; a new one where there is none.
    /// What is neither is removed. Blocking.
    pub(super) fn live(dir: &Path, model: &Model, known: &[&str]) -> Result<Self, StoreError> {
        let mut found = None;
        let mut highest = 0;
        for (number, path) in generations(dir, &model.name)? {
            highest = highest.max(number);
            if found.is_none() {
                found = Self::existing(&path, number, model, known);
                if found.is_some() {
                    continue;
                }
            }
            remove(&path);
        }
        match found {
            Some(opened) => Ok(opened),
            None => Self::new(dir, model, highest + 1, true, None),
        }
    }

    /// A new generation; `passed` is another one whose events that were passed over by hand stay so. Blocking.
    pub(super) fn new(
        dir: &Path,
        model: &Model,
        number: u64,
        live: bool,
        passed: Option<&Path>,
    ) -> Result<Self, StoreError> {
        let path = dir.join(format!("{}.{number}.db", model.name));
        remove(&path);
        let mut store = SqliteStore::create(&path, model, live)?;
        if let Some(other) = passed {
            store.pass_over_as(other)?;
        }
        Self::with(model.clone(), number, path, store)
    }

    fn existing(path: &Path, number: u64, model: &Model, known: &[&str]) -> Option<Self> {
        let (stored, live) = match file::describe(path) {
            Ok(described) => described?,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a read model's file cannot be read and is built anew");
                return None;
            }
        };
        if !live
            || !stored
                .sources
                .iter()
                .all(|source| known.contains(&source.as_str()))
        {
            return None;
        }
        // The same tables: today's queries hold. Other tables: theirs do, until the rebuild is through.
        let served = if stored.digest() == model.digest() {
            model.clone()
        } else {
            stored
        };
        let opened = SqliteStore::open(path, &served)
            .and_then(|store| Self::with(served, number, path.to_path_buf(), store));
        opened
            .inspect_err(|error| {
                tracing::warn!(path = %path.display(), %error, "a read model's file does not open and is built anew");
            })
            .ok()
    }

    fn with(
        model: Model,
        number: u64,
        path: PathBuf,
        store: SqliteStore,
    ) -> Result<Self, StoreError> {
        let conn = readers::connect(&path)?;
        let mut plans = BTreeMap::new();
        for (name, text) in &model.queries {
            let plan = readers::plan(&conn, text)
                .map_err(|problem| StoreError::Permanent(format!("query/{name}.sql: {problem}")))?;
            plans.insert(name.clone(), plan);
        }
        Ok(Self {
            model,
            number,
            path,
            store,
            plans,
        })
    }

    /// Puts a worker to it.
    pub(super) fn start(self, sources: Vec<Source>, settings: &Settings) -> Arc<Generation> {
        let (commands, received) = mpsc::channel(COMMANDS);
        let (stop, stopped) = watch::channel(false);
        let (progress, seen) = watch::channel(Progress {
            positions: self.store.positions(),
            caught_up: vec![false; sources.len()],
            counts: self.store.counts(),
            failure: None,
        });
        // Only what has a handler is read at all.
        let types = match self.model.any {
            Some(_) => Match::Any,
            None => Match::one_of(self.model.on.keys()),
        };
        let obsolete = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            name: self.model.name.clone(),
            store: Some(Box::new(self.store)),
            sources,
            filter: Filter::by_type(types),
            progress,
            commands: received,
            stop: stopped,
            clock: settings.clock,
            obsolete: Arc::clone(&obsolete),
        };
        Arc::new(Generation {
            model: self.model,
            number: self.number,
            plans: self.plans,
            readers: Readers::new(&self.path),
            progress: seen,
            path: self.path,
            commands,
            stop,
            task: Mutex::new(Some(settings.threads.spawn(worker.run()))),
            obsolete,
        })
    }
}

impl Generation {
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

/// The files `<model>.<number>.db` in `dir`, newest first.
pub(super) fn generations(dir: &Path, model: &str) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let mut found = files(dir)?;
    found.retain(|(name, ..)| name == model);
    found.sort_by_key(|(_, number, _)| std::cmp::Reverse(*number));
    Ok(found
        .into_iter()
        .map(|(_, number, path)| (number, path))
        .collect())
}

/// The models that have files in `dir`.
pub(super) fn model_names(dir: &Path) -> Result<BTreeSet<String>, StoreError> {
    Ok(files(dir)?.into_iter().map(|(name, ..)| name).collect())
}

fn files(dir: &Path) -> Result<Vec<(String, u64, PathBuf)>, StoreError> {
    let failed = |error: std::io::Error| {
        StoreError::Transient(format!("cannot list {}: {error}", dir.display()))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let parsed = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".db")?.rsplit_once('.'))
            .and_then(|(model, number)| Some((model.to_owned(), number.parse().ok()?)));
        if let Some((model, number)) = parsed {
            found.push((model, number, path));
        }
    }
    Ok(found)
}

/// A database file and the two that `SQLite` keeps beside it. What is not there is fine.
fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::fs::remove_file(name).ok();
    }
}
