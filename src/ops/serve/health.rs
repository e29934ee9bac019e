//! The standard health service, driven by the logs: a service whose log does not take appends is not serving, and
//! the server as a whole (the empty name) serves while all do.

use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::StreamMap;
use tokio_stream::wrappers::WatchStream;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::logs::Logs;
use crate::log::Health;

/// The whole server's name in the health protocol.
const WHOLE: &str = "";

/// `annals.placements.v1.PlacementsService` of `placements`.
pub(super) fn full_name(service: &str) -> String {
    let mut letters = service.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let name: String = first.into_iter().chain(letters).collect();
    format!("annals.{service}.v1.{name}Service")
}

/// Reports every change of every log's health, for as long as the task lives.
pub(super) fn report(reporter: HealthReporter, logs: &Logs) -> JoinHandle<()> {
    let mut changes: StreamMap<&'static str, WatchStream<Health>> = logs
        .iter()
        .map(|(service, log)| (*service, WatchStream::new(log.health())))
        .collect();
    let mut failing: Vec<&'static str> = Vec::new();
    tokio::spawn(async move {
        while let Some((service, health)) = changes.next().await {
            let status = match &health {
                Health::Serving => ServingStatus::Serving,
                Health::Degraded(_) | Health::Failed(_) | Health::Closed => {
                    tracing::error!(service, ?health, "log is not serving");
                    ServingStatus::NotServing
                }
            };
            failing.retain(|other| *other != service);
            if status == ServingStatus::NotServing {
                failing.push(service);
            }
            let whole = if failing.is_empty() {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            reporter
                .set_service_status(full_name(service), status)
                .await;
            reporter.set_service_status(WHOLE, whole).await;
        }
    })
}

/// Tells everybody who asks or watches that the server is about to stop.
pub(super) async fn stopping(reporter: &HealthReporter, logs: &Logs) {
    for service in logs.keys() {
        reporter
            .set_service_status(full_name(service), ServingStatus::NotServing)
            .await;
    }
    reporter
        .set_service_status(WHOLE, ServingStatus::NotServing)
        .await;
}
