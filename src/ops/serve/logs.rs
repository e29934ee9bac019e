//! The log of each service: `<data>/<service>/log.db`, or its streams in an `EventStoreDB`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::catalogue::categories;
use super::{AssemblyError, SERVICES};
use crate::log::EventLog;
use crate::log::eventstoredb::{self, Cluster, EsdbLog};
use crate::log::rules::Protected;
use crate::log::sqlite::{OpenError, Options, SqliteLog};
use crate::ops::config::{Config, LogPlace};

/// The logs by service.
pub type Logs = HashMap<&'static str, Arc<dyn EventLog>>;

/// Services whose streams are kept for ever.
const KEPT: [&str; 2] = ["certificates", "audit"];

/// The servers that logs are on, by connection string: logs on the same one share a connection.
pub(super) type Clusters = BTreeMap<String, Arc<Cluster>>;

/// Connects to every server that is named, and makes sure that it answers.
pub(super) async fn connect(config: &Config) -> Result<Clusters, AssemblyError> {
    let mut clusters = Clusters::new();
    for service in SERVICES {
        let LogPlace::Esdb(url) = config.log.of(service) else {
            continue;
        };
        if !clusters.contains_key(url) {
            let cluster = Cluster::connect(url).await;
            let cluster = cluster.map_err(|cause| AssemblyError::Cluster {
                settings: settings_with(config, url).join(", "),
                cause,
            })?;
            clusters.insert(url.clone(), cluster);
        }
    }
    Ok(clusters)
}

/// The settings that say `url`, each once.
fn settings_with(config: &Config, url: &str) -> Vec<String> {
    let is_there =
        |service: &&str| matches!(config.log.of(service), LogPlace::Esdb(at) if at == url);
    let services = SERVICES.iter().copied().filter(is_there);
    let mut settings: Vec<String> = services
        .map(|service| config.log.setting_of(service))
        .collect();
    settings.sort();
    settings.dedup();
    settings
}

/// Opens every log, making those that are not there yet; side by side, since making one waits for some twenty syncs.
pub(super) fn open(config: &Config, clusters: &Clusters) -> Result<Logs, AssemblyError> {
    std::thread::scope(|scope| {
        let opening = SERVICES.map(|service| {
            let opening = scope.spawn(move || open_one(config, clusters, service));
            (service, opening)
        });
        opening
            .into_iter()
            .map(|(service, opening)| {
                let opened = opening
                    .join()
                    .map_err(|_panicked| AssemblyError::NoLog(service))?;
                Ok((service, opened?))
            })
            .collect()
    })
}

fn open_one(
    config: &Config,
    clusters: &Clusters,
    service: &'static str,
) -> Result<Arc<dyn EventLog>, OpenError> {
    let at = match config.log.of(service) {
        LogPlace::Embedded => None,
        LogPlace::Esdb(url) => clusters.get(url),
    };
    if let Some(cluster) = at {
        return Ok(Arc::new(EsdbLog::new(
            Arc::clone(cluster),
            part_of(service),
        )));
    }
    let options = Options {
        queue_appends: config.commands.append_queue,
        ..Options::default()
    };
    Ok(Arc::new(SqliteLog::open(
        &config.data.join(service),
        options,
    )?))
}

/// Where servers that share all their logs agree on who does what is done once; none where a log is this server's alone,
/// and so is everything.
pub(super) fn shared(config: &Config, clusters: &Clusters) -> Option<Arc<dyn EventLog>> {
    let mut first = None;
    for service in SERVICES {
        let LogPlace::Esdb(url) = config.log.of(service) else {
            return None;
        };
        first = first.or_else(|| clusters.get(url));
    }
    let cluster = Arc::clone(first?);
    let whole = eventstoredb::Options::default();
    Some(Arc::new(EsdbLog::new(cluster, whole)))
}

/// The part of a shared server that belongs to `service`.
#[must_use]
pub fn part_of(service: &str) -> eventstoredb::Options {
    let categories = categories(service);
    eventstoredb::Options {
        scope: categories
            .iter()
            .map(|category| format!("{category}-"))
            .collect(),
        protected: if KEPT.contains(&service) {
            Protected::new(categories.iter().copied())
        } else {
            Protected::default()
        },
    }
}

/// Lets go of every log.
pub(super) async fn close(logs: &Logs) {
    for log in logs.values() {
        log.close().await;
    }
}
