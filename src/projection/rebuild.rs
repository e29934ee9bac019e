//! A fresh generation beside the live one, swapped in when it has caught up. Queries never stop.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;
use uuid::Uuid;

use super::generation::Generation;
use super::model::Model;
use super::opened::Opened;
use super::{ProjectionError, Settings, Source};
use crate::kernel::{Moment, derived_id};
use crate::log::{EventLog, heads};

/// Operations that are remembered; the oldest are forgotten first.
const MAX_OPERATIONS: usize = 64;

/// Something that takes long (AIP-151).
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// `operations/<id>`.
    pub name: String,
    /// Which model is built.
    pub model: String,
    /// It is over.
    pub done: bool,
    /// Share that is done, 0 to 1.
    pub progress: f64,
    /// What went wrong; empty where nothing did.
    pub error: String,
    /// When it began.
    pub started_at: Moment,
}

/// The operations of this process.
#[derive(Default)]
pub(super) struct Operations(Mutex<VecDeque<Operation>>);

impl Operations {
    fn with<T>(&self, work: impl FnOnce(&mut VecDeque<Operation>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn find(&self, name: &str) -> Option<Operation> {
        self.with(|all| all.iter().find(|one| one.name == name).cloned())
    }

    /// The operation of this request, and whether it is new. An unfinished one of the same model is the same operation.
    fn begin(&self, model: &str, request_id: Uuid, now: Moment) -> (Operation, bool) {
        let id = derived_id(&[b"rebuild", model.as_bytes(), request_id.as_bytes()]);
        let name = format!("operations/{id}");
        self.with(|all| {
            let known = all
                .iter()
                .find(|one| one.name == name || (one.model == model && !one.done));
            if let Some(known) = known {
                return (known.clone(), false);
            }
            let operation = Operation {
                name,
                model: model.to_owned(),
                done: false,
                progress: 0.0,
                error: String::new(),
                started_at: now,
            };
            if all.len() == MAX_OPERATIONS {
                all.pop_front();
            }
            all.push_back(operation.clone());
            (operation, true)
        })
    }

    fn update(&self, name: &str, change: impl FnOnce(&mut Operation)) {
        self.with(|all| all.iter_mut().find(|one| one.name == name).map(change));
    }

    fn runs(&self, model: &str) -> bool {
        self.with(|all| all.iter().any(|one| one.model == model && !one.done))
    }
}

/// A read model: the folder in force, its logs, and the generation that answers now.
pub(super) struct Slot {
    pub(super) model: Model,
    sources: Vec<Source>,
    live: RwLock<Arc<Generation>>,
    operations: Arc<Operations>,
    settings: Settings,
    closing: watch::Receiver<bool>,
}

impl Slot {
    /// Opens what is there and puts it to work; builds anew beside it where the folder has changed.
    pub(super) async fn open(
        model: Model,
        logs: Vec<Source>,
        operations: Arc<Operations>,
        settings: Settings,
        closing: watch::Receiver<bool>,
    ) -> Result<Arc<Self>, ProjectionError> {
        let (dir, wanted) = (settings.dir.clone(), model.clone());
        let known: Vec<String> = logs.iter().map(|source| source.service.clone()).collect();
        let opened = blocking(move || {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            Opened::live(&dir, &wanted, &known)
        })
        .await?;
        let stale = opened.model.digest() != model.digest();
        let live = opened.model.clone();
        let slot = Arc::new(Self {
            live: RwLock::new(Generation::start(opened, pick(&logs, &live), &settings)),
            model,
            sources: logs,
            operations,
            settings,
            closing,
        });
        if stale {
            let digest = slot.model.digest();
            slot.rebuild(derived_id(&[b"changed", digest.as_bytes()]));
        }
        Ok(slot)
    }

    /// The generation that answers now.
    pub(super) fn live(&self) -> Arc<Generation> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn is_rebuilding(&self) -> bool {
        self.operations.runs(&self.model.name)
    }

    /// The log of a service.
    pub(super) fn log(&self, service: &str) -> Option<&dyn EventLog> {
        let mut sources = self.sources.iter();
        let source = sources.find(|source| source.service == service)?;
        Some(&*source.log)
    }

    /// Begins a rebuild. The same request id, and a request while one runs, answer that operation.
    pub(super) fn rebuild(self: &Arc<Self>, request_id: Uuid) -> Operation {
        let now = (self.settings.clock)();
        let (operation, new) = self.operations.begin(&self.model.name, request_id, now);
        if new {
            let (slot, name) = (Arc::clone(self), operation.name.clone());
            tokio::spawn(async move {
                let error = match slot.build(&name).await {
                    Ok(()) => String::new(),
                    Err(error) => error.to_string(),
                };
                tracing::info!(projection = %slot.model.name, error, "a rebuild ended");
                slot.operations.update(&name, |operation| {
                    operation.done = true;
                    if error.is_empty() {
                        operation.progress = 1.0;
                    }
                    operation.error = error;
                });
            });
        }
        operation
    }

    async fn build(&self, operation: &str) -> Result<(), ProjectionError> {
        let old = self.live();
        let (dir, model, number) = (
            self.settings.dir.clone(),
            self.model.clone(),
            old.number + 1,
        );
        // A changed folder may apply what the old one could not: then nothing stays passed over.
        let passed = (old.model.digest() == model.digest()).then(|| old.path.clone());
        let opened =
            blocking(move || Opened::new(&dir, &model, number, false, passed.as_deref())).await?;
        let fresh = Generation::start(opened, pick(&self.sources, &self.model), &self.settings);
        let outcome = self.follow(&fresh, &old, operation).await;
        if let Err(error) = outcome {
            fresh.make_obsolete();
            fresh.stop().await;
            return Err(error);
        }
        let former = {
            let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *live, fresh)
        };
        former.make_obsolete();
        former.stop().await;
        Ok(())
    }

    /// Waits until `fresh` may take the place of `old`.
    async fn follow(
        &self,
        fresh: &Generation,
        old: &Generation,
        operation: &str,
    ) -> Result<(), ProjectionError> {
        let sources = pick(&self.sources, &self.model);
        let logs = sources
            .iter()
            .map(|source| (source.service.as_str(), &*source.log));
        let heads = heads(logs.collect()).await.into_values();
        let ends = heads.map(|head| head.unwrap_or_default().0).sum();
        let mut closing = self.closing.clone();
        let mut progress = fresh.progress.clone();
        loop {
            let now = progress.borrow_and_update().clone();
            let done: u64 = now.positions.iter().map(|position| position.0).sum();
            self.operations
                .update(operation, |one| one.progress = share(done, ends));
            if now.caught_up.iter().all(|caught| *caught) && fresh.is_as_far_as(old) {
                return fresh.go_live().await;
            }
            tokio::select! {
                _ = closing.changed() => return Err(ProjectionError::Closed),
                changed = progress.changed() => changed.map_err(|_| ProjectionError::Closed)?,
            }
        }
    }

    pub(super) async fn close(&self) {
        self.live().stop().await;
    }
}

/// The logs that feed `model`, in its order.
fn pick(logs: &[Source], model: &Model) -> Vec<Source> {
    model
        .sources
        .iter()
        .filter_map(|service| {
            logs.iter()
                .find(|source| source.service == *service)
                .cloned()
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a share for people to look at")]
fn share(done: u64, ends: u64) -> f64 {
    (done as f64 / ends.max(1) as f64).clamp(0.0, 1.0)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, super::store::StoreError> + Send + 'static,
) -> Result<T, ProjectionError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ProjectionError::Store(error.to_string()))?
        .map_err(|error| ProjectionError::Store(error.to_string()))
}
