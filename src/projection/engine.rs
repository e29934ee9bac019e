//! All read models of a server.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use tokio::sync::watch;
use uuid::Uuid;

use super::generation::Generation;
use super::model::Model;
use super::parked::ParkedEvent;
use super::query::{self, Ask, QueryError, Rows};
use super::rebuild::{Operation, Operations, Slot};
use super::sql::nearest;
use super::store::Retried;
use super::{ProjectionError, Settings, Source};
use crate::kernel::{ConsistencyToken, Position};
use crate::log::{EventLog, heads};

/// All read models of a server, at work. Cheap to clone.
#[derive(Clone)]
pub struct Projections {
    slots: Arc<BTreeMap<String, Arc<Slot>>>,
    operations: Arc<Operations>,
    closing: Arc<watch::Sender<bool>>,
}

/// How a read model stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionStatus {
    /// Its name.
    pub name: String,
    /// A fresh generation is being built beside the live one.
    pub rebuilding: bool,
    /// Why it does not get on, where it does not.
    pub failure: Option<String>,
    /// How far it is in each log.
    pub sources: Vec<SourceStatus>,
    /// Events that are parked.
    pub parked: u64,
    /// Events of the log's own streams that were passed over.
    pub skipped: u64,
}

/// How far a read model is in one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// Whose log.
    pub service: String,
    /// Applied up to here.
    pub position: Position,
    /// The log's end; where it cannot be read, the position.
    pub head: Position,
}

impl Projections {
    /// Opens every model's file and begins to follow the logs. Models that the folders changed for are rebuilt beside.
    pub async fn start(
        models: impl IntoIterator<Item = Model>,
        logs: &HashMap<&'static str, Arc<dyn EventLog>>,
        settings: Settings,
    ) -> Result<Self, ProjectionError> {
        std::fs::create_dir_all(&settings.dir).map_err(|error| {
            ProjectionError::Store(format!("cannot make {}: {error}", settings.dir.display()))
        })?;
        let sources: Vec<Source> = logs
            .iter()
            .map(|(service, log)| Source {
                service: (*service).to_owned(),
                log: Arc::clone(log),
            })
            .collect();
        let (closing, closed) = watch::channel(false);
        let operations = Arc::new(Operations::default());
        // Side by side: opening a new file waits for syncs.
        let mut opening = Vec::new();
        for model in models {
            if let Some(service) = model
                .sources
                .iter()
                .find(|name| !logs.contains_key(name.as_str()))
            {
                return Err(ProjectionError::NoLog {
                    model: model.name.clone(),
                    service: service.clone(),
                });
            }
            let name = model.name.clone();
            let slot = Slot::open(
                model,
                sources.clone(),
                Arc::clone(&operations),
                settings.clone(),
                closed.clone(),
            );
            opening.push(async move { Ok((name, slot.await?)) });
        }
        let slots: Vec<_> = try_join_all(opening).await?;
        Ok(Self {
            slots: Arc::new(slots.into_iter().collect()),
            operations,
            closing: Arc::new(closing),
        })
    }

    /// The rows of one page of a named query.
    pub async fn query(&self, ask: Ask<'_>) -> Result<Rows, QueryError> {
        query::answer(self.live(ask.model)?, ask).await
    }

    /// Waits until `model` has passed everything that `token` stands for, at most `within`.
    pub async fn wait_for(
        &self,
        model: &str,
        token: &ConsistencyToken,
        within: Duration,
    ) -> Result<(), QueryError> {
        let slot = self.slot(model)?;
        let reached = async {
            loop {
                let live = slot.live();
                let mut progress = live.progress.clone();
                let seen = progress
                    .wait_for(|now| live.lacks(token, now).is_none())
                    .await
                    .is_ok();
                // The worker ended: another generation took over, or the server stops.
                if seen || *self.closing.borrow() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(within, reached).await.ok();
        let live = slot.live();
        let now = live.progress.borrow().clone();
        match live.lacks(token, &now) {
            None => Ok(()),
            Some((service, needed, reached)) => Err(QueryError::Lagging {
                model: model.to_owned(),
                service,
                needed,
                reached,
            }),
        }
    }

    /// Every model and the names of its queries, by name.
    #[must_use]
    pub fn models(&self) -> BTreeMap<String, Vec<String>> {
        self.slots
            .iter()
            .map(|(name, slot)| (name.clone(), slot.live().plans.keys().cloned().collect()))
            .collect()
    }

    /// How every model stands, by name.
    pub async fn status(&self) -> Vec<ProjectionStatus> {
        let live = self.slots.iter();
        let live: Vec<_> = live.map(|(name, slot)| (name, slot, slot.live())).collect();
        // Each log once, however many models follow it.
        let mut logs = BTreeMap::new();
        for (_, slot, live) in &live {
            for service in &live.model.sources {
                logs.extend(slot.log(service).map(|log| (service.as_str(), log)));
            }
        }
        let heads = heads(logs).await;
        let mut all = Vec::with_capacity(live.len());
        for (name, slot, live) in &live {
            let progress = live.progress.borrow().clone();
            let mut sources = Vec::new();
            for (service, position) in live.model.sources.iter().zip(progress.positions) {
                let head = heads
                    .get(service.as_str())
                    .and_then(|head| head.as_ref().ok());
                sources.push(SourceStatus {
                    service: service.clone(),
                    position,
                    head: head.map_or(position, |head| *head.max(&position)),
                });
            }
            all.push(ProjectionStatus {
                name: (*name).clone(),
                rebuilding: slot.is_rebuilding(),
                failure: progress.failure,
                sources,
                parked: progress.counts.parked,
                skipped: progress.counts.skipped,
            });
        }
        all
    }

    /// Why a model does not get on, where it does not; by name. Asks no log.
    #[must_use]
    pub fn failures(&self) -> Vec<(String, Option<String>)> {
        self.slots
            .iter()
            .map(|(name, slot)| (name.clone(), slot.live().progress.borrow().failure.clone()))
            .collect()
    }

    /// Begins to build `model` anew beside the live one. The same request id answers the same operation.
    pub fn rebuild(&self, model: &str, request_id: Uuid) -> Result<Operation, ProjectionError> {
        Ok(self.slot(model)?.rebuild(request_id))
    }

    /// How an operation stands; none where it is not known (any more).
    #[must_use]
    pub fn operation(&self, name: &str) -> Option<Operation> {
        self.operations.find(name)
    }

    /// At most `limit` parked events of `model`, in order of service and position, from after the given one on.
    pub async fn parked(
        &self,
        model: &str,
        after: Option<(&str, Position)>,
        limit: usize,
    ) -> Result<Vec<ParkedEvent>, ProjectionError> {
        let (live, name) = (self.live(model)?, model.to_owned());
        let after = after.map(|(service, position)| (service.to_owned(), position));
        in_background(move || {
            let after = after
                .as_ref()
                .map(|(service, position)| (service.as_str(), *position));
            live.readers.parked(&name, after, limit)
        })
        .await
    }

    /// Tries a parked event again, and those that wait behind it.
    pub async fn retry(
        &self,
        model: &str,
        service: &str,
        position: Position,
    ) -> Result<Retried, ProjectionError> {
        self.live(model)?.retry(service, position).await
    }

    /// Passes a parked event over for good; `reason` is kept. Those that wait behind it are tried.
    pub async fn skip(
        &self,
        model: &str,
        service: &str,
        position: Position,
        reason: &str,
    ) -> Result<Retried, ProjectionError> {
        self.live(model)?.skip(service, position, reason).await
    }

    /// Every row of every table of `model` as text, sorted, without the columns named. For comparing models.
    pub async fn rows(
        &self,
        model: &str,
        without: &'static [&'static str],
    ) -> Result<Vec<String>, ProjectionError> {
        let live = self.live(model)?;
        in_background(move || live.readers.dump(without)).await
    }

    /// Ends every worker after what it is doing. Running rebuilds are given up; they begin anew when asked for.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        for slot in self.slots.values() {
            slot.close().await;
        }
    }

    fn slot(&self, model: &str) -> Result<&Arc<Slot>, ProjectionError> {
        self.slots
            .get(model)
            .ok_or_else(|| ProjectionError::Unknown {
                name: model.to_owned(),
                near: nearest(model, self.slots.keys().map(String::as_str)).map(str::to_owned),
            })
    }

    fn live(&self, model: &str) -> Result<Arc<Generation>, ProjectionError> {
        Ok(self.slot(model)?.live())
    }
}

async fn in_background<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, super::readers::ReadFailure> + Send + 'static,
) -> Result<T, ProjectionError> {
    tokio::task::spawn_blocking(ask)
        .await
        .map_err(|error| ProjectionError::Store(error.to_string()))?
        .map_err(|error| ProjectionError::Store(error.to_string()))
}
