//! The groups by name, and their settings in the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard, mpsc, oneshot};
use tonic::Status;

use super::group::{self, Ask};
use super::parked;
use super::settings::{Key, Settings};
use crate::kernel::StreamName;
use crate::log::wire::errors;
use crate::log::wire::node::Node;
use crate::log::wire::subscribe::subscription_id;
use crate::log::{Direction, NewEvent, ReadFrom};

/// Where all groups' settings lie: the last event has them all.
const CONFIG_STREAM: &str = "$persistentSubscriptionConfig";

/// The type of that event.
const CONFIG_TYPE: &str = "$PersistentConfig";

/// The form in which settings are kept.
const CONFIG_VERSION: u32 = 1;

/// All groups of a node; read from the log when first asked for.
#[derive(Default)]
pub(in crate::log::wire) struct Registry {
    groups: Mutex<Option<Groups>>,
}

type Groups = BTreeMap<Key, Running>;

/// A group at work.
pub(super) struct Running {
    pub(super) settings: Settings,
    pub(super) asks: mpsc::Sender<Ask>,
    /// Which one it was to be made: lists are in this order.
    made: u64,
}

#[derive(Serialize, Deserialize)]
struct Config {
    version: u32,
    groups: Vec<(Key, Settings)>,
}

/// All groups, held while they are looked at or changed.
pub(super) struct Held<'a> {
    node: &'a Arc<Node>,
    groups: MutexGuard<'a, Option<Groups>>,
}

/// The node's groups, started if they were not.
///
/// # Errors
/// Groups write their state into the log: on one that is served for reading there are none.
pub(super) async fn hold(node: &Arc<Node>) -> Result<Held<'_>, Status> {
    node.check_writable()?;
    let mut groups = node.groups.groups.lock().await;
    if groups.is_none() {
        *groups = Some(load(node).await?);
    }
    Ok(Held { node, groups })
}

/// Starts all groups anew; what was connected is dropped.
pub(in crate::log::wire) async fn restart(node: &Arc<Node>) -> Result<(), Status> {
    hold(node).await?.restart().await
}

async fn load(node: &Arc<Node>) -> Result<Groups, Status> {
    let stream = config_stream()?;
    let slice = parked::read(node, &stream, ReadFrom::End, Direction::Backward, 1).await?;
    let Some(event) = slice.events.first() else {
        return Ok(Groups::new());
    };
    let config: Config = serde_json::from_slice(&event.data).map_err(|error| {
        tracing::error!(%error, "the settings of persistent subscriptions cannot be read");
        Status::data_loss(format!("{CONFIG_STREAM} cannot be read: {error}"))
    })?;
    let mut groups = Groups::new();
    for (made, (key, settings)) in (0..).zip(config.groups) {
        let asks = group::start(node, key.clone(), settings.clone()).await?;
        let running = Running {
            settings,
            asks,
            made,
        };
        groups.insert(key, running);
    }
    Ok(groups)
}

fn config_stream() -> Result<StreamName, Status> {
    StreamName::new(CONFIG_STREAM).map_err(|error| errors::malformed(error.to_string()))
}

impl Held<'_> {
    /// The groups, in the order in which they were made.
    pub(super) fn all(&self) -> Vec<(&Key, &Running)> {
        let mut all: Vec<_> = self.groups.iter().flatten().collect();
        all.sort_by_key(|(_, running)| running.made);
        all
    }

    pub(super) fn get(&self, key: &Key) -> Result<&Running, Status> {
        let found = self.groups.as_ref().and_then(|groups| groups.get(key));
        found.ok_or_else(|| key.missing())
    }

    /// Makes a group, or one anew in its place; what was connected to it is dropped. Where that cannot be written down, all
    /// is as it was: a group that the next server would not know is none.
    pub(super) async fn put(&mut self, key: Key, settings: Settings) -> Result<(), Status> {
        let before = self.settings_of(&key);
        self.begin(key.clone(), settings).await?;
        let saved = self.save().await;
        if saved.is_err() {
            self.restore(key, before).await;
        }
        saved
    }

    /// Ends a group and takes its streams away.
    pub(super) async fn remove(&mut self, key: &Key) -> Result<(), Status> {
        let before = self.settings_of(key);
        self.end(key).await;
        if let Err(status) = self.save().await {
            self.restore(key.clone(), before).await;
            return Err(status);
        }
        parked::remove(self.node, key).await
    }

    fn settings_of(&self, key: &Key) -> Option<Settings> {
        self.get(key).ok().map(|running| running.settings.clone())
    }

    async fn restore(&mut self, key: Key, before: Option<Settings>) {
        let Some(settings) = before else {
            return self.end(&key).await;
        };
        if let Err(status) = self.begin(key, settings).await {
            tracing::error!(%status, "a persistent subscription is gone until the server is restarted");
        }
    }

    /// Starts all groups anew; what was connected is dropped.
    pub(super) async fn restart(&mut self) -> Result<(), Status> {
        let all = self.all().into_iter();
        let all: Vec<_> = all
            .map(|(key, running)| (key.clone(), running.settings.clone()))
            .collect();
        for (key, settings) in all {
            self.begin(key, settings).await?;
        }
        Ok(())
    }

    async fn begin(&mut self, key: Key, settings: Settings) -> Result<(), Status> {
        let last = self.all().last().map(|(_, running)| running.made);
        let made = last.map_or(0, |last| last.saturating_add(1));
        self.end(&key).await;
        let asks = group::start(self.node, key.clone(), settings.clone()).await?;
        if let Some(groups) = self.groups.as_mut() {
            let running = Running {
                settings,
                asks,
                made,
            };
            groups.insert(key, running);
        }
        Ok(())
    }

    async fn end(&mut self, key: &Key) {
        let ended = self.groups.as_mut().and_then(|groups| groups.remove(key));
        if let Some(running) = ended {
            let (done, ending) = oneshot::channel();
            // A task that is gone needs no ending.
            if running.asks.send(Ask::End(done)).await.is_ok() {
                let _ = ending.await;
            }
        }
    }

    async fn save(&self) -> Result<(), Status> {
        let groups = self
            .all()
            .into_iter()
            .map(|(key, running)| (key.clone(), running.settings.clone()));
        let config = Config {
            version: CONFIG_VERSION,
            groups: groups.collect(),
        };
        let data =
            serde_json::to_vec(&config).map_err(|error| Status::internal(error.to_string()))?;
        let event = NewEvent {
            id: subscription_id(),
            event_type: CONFIG_TYPE.into(),
            is_json: true,
            data: data.into(),
            metadata: bytes::Bytes::new(),
        };
        parked::append(self.node, &config_stream()?, event).await?;
        Ok(())
    }
}
