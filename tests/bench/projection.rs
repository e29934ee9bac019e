//! How fast read models are built from a log that is there: one simple upsert an event, then every built-in model that
//! reads the event, each alone. `cargo bench --bench projection [-- EVENTS]`.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark that cannot go on says so by panicking"
)]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::kernel::{ConsistencyToken, Moment, StreamName, derived_id};
use annals::log::sqlite::{Options, SqliteLog};
use annals::log::{EventLog, Expected, NewEvent};
use annals::projection::{Model, Projections, Settings, built_in};
use serde_json::json;

const APPEND: usize = 500;
/// Placements that the events are spread over.
const PLACEMENTS: usize = 5_000;

fn main() {
    let events = std::env::args()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(300_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let home = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let logs = filled(home.path(), events).await;
        let mut models = vec![simple()];
        let built_in = built_in().unwrap();
        for name in [
            "admin_report",
            "student_dashboard",
            "placement_progress",
            "event_history",
        ] {
            models.extend(built_in.get(name).cloned());
        }
        println!(
            "{:>20} {:>10} {:>12} {:>10}",
            "model", "events", "events/s", "MiB"
        );
        for model in models {
            built(home.path(), model, &logs, events).await;
        }
    });
}

/// One upsert an event.
fn simple() -> Model {
    Model {
        name: "simple".into(),
        version: 1,
        sources: vec!["attendance".into()],
        schema: "CREATE TABLE days (placement_id TEXT PRIMARY KEY, days BIGINT NOT NULL)".into(),
        any: None,
        on: BTreeMap::from([(
            "ClockedIn".to_owned(),
            "INSERT INTO days (placement_id, days) VALUES (:placement_id, 1)
             ON CONFLICT (placement_id) DO UPDATE SET days = days.days + 1"
                .to_owned(),
        )]),
        queries: BTreeMap::new(),
    }
}

type Logs = HashMap<&'static str, Arc<dyn EventLog>>;

async fn filled(home: &Path, events: usize) -> Logs {
    let services = [
        "applications",
        "placements",
        "attendance",
        "tasks",
        "evaluations",
        "certificates",
        "audit",
    ];
    let mut logs = Logs::new();
    for service in services {
        let log = SqliteLog::open(&home.join(service), Options::default()).unwrap();
        logs.insert(service, Arc::new(log));
    }
    let log = logs.get("attendance").unwrap();
    for start in (0..events).step_by(APPEND) {
        let placement = derived_id(&[&((start / APPEND) % PLACEMENTS).to_be_bytes()]);
        let batch = (start..(start + APPEND).min(events))
            .map(|n| event(n, placement))
            .collect();
        log.append(
            &StreamName::of("attendance", placement),
            Expected::Any,
            batch,
        )
        .await
        .unwrap();
    }
    logs
}

fn event(n: usize, placement: uuid::Uuid) -> NewEvent {
    let id = derived_id(&[b"event", &n.to_be_bytes()]);
    let placement = if n.is_multiple_of(2) {
        placement
    } else {
        derived_id(&[&(n % PLACEMENTS).to_be_bytes()])
    };
    let data = json!({
        "placement_id": placement, "student_id": derived_id(&[b"s", placement.as_bytes()]),
        "internship_id": derived_id(&[b"i", &(n % 22).to_be_bytes()]), "date": "2026-02-02",
    });
    let metadata = json!({
        "actor": derived_id(&[b"s", placement.as_bytes()]), "role": "STUDENT", "request_id": id,
        "request_digest": "0123456789abcdef0123456789abcdef", "correlation_id": id,
        "occurred_at": "2026-02-02T09:00:00.000000Z", "schema_version": 1,
    });
    NewEvent {
        id,
        event_type: "ClockedIn".into(),
        is_json: true,
        data: data.to_string().into(),
        metadata: metadata.to_string().into(),
    }
}

async fn built(home: &Path, model: Model, logs: &Logs, events: usize) {
    let (name, dir) = (model.name.clone(), home.join("models").join(&model.name));
    let head = logs.get("attendance").unwrap().head().await.unwrap();
    let settings = Settings {
        dir: dir.clone(),
        clock: || Moment::EPOCH,
        threads: tokio::runtime::Handle::current(),
    };
    let begun = Instant::now();
    let projections = Projections::start([model], logs, settings).await.unwrap();
    let token = ConsistencyToken::new("attendance", head);
    projections
        .wait_for(&name, &token, Duration::from_hours(1))
        .await
        .unwrap();
    let took = begun.elapsed().as_secs_f64();
    projections.close().await;
    let bytes: u64 = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    println!(
        "{name:>20} {events:>10} {:>12.0} {:>10}",
        events as f64 / took,
        bytes >> 20
    );
}
