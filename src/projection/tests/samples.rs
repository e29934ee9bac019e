//! Every built-in model against its `sample/`: `given.jsonl` are events, `then.txt` the rows that they leave.
//! Guards against SQL that miscounts, and against SQL whose result depends on which service's events come first.
//!
//! `ANNALS_WRITE_SAMPLES=1` writes `then.txt` anew; read it before you commit it.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::kernel::Stored as _;
use crate::kernel::{Moment, Position, StreamName, derived_id};
use crate::log::RecordedEvent;
use crate::projection::check::{Catalogue, check};
use crate::projection::folder::built_in;
use crate::projection::model::Model;
use crate::projection::readers::Readers;
use crate::projection::sqlite::SqliteStore;
use crate::projection::store::{Batch, Store as _};

#[derive(Deserialize)]
struct Given {
    service: String,
    stream: String,
    #[serde(rename = "type")]
    event_type: String,
    occurred_at: String,
    data: Value,
    actor: String,
    role: String,
    reason: Option<String>,
}

fn sample(model: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("projections")
        .join(model)
        .join("sample")
        .join(file)
}

/// The sample's events of each source, in order.
fn given(model: &Model) -> Vec<Vec<RecordedEvent>> {
    let text = std::fs::read_to_string(sample(&model.name, "given.jsonl")).unwrap();
    let mut by_source: Vec<Vec<RecordedEvent>> = vec![Vec::new(); model.sources.len()];
    for line in text.lines() {
        let given: Given = serde_json::from_str(line).unwrap();
        let source = model
            .sources
            .iter()
            .position(|s| *s == given.service)
            .unwrap();
        let earlier = &by_source[source];
        let revision = earlier
            .iter()
            .filter(|e| e.stream.as_str() == given.stream)
            .count() as u64;
        let position = earlier.len() as u64 + 1;
        let id = derived_id(&[given.service.as_bytes(), &position.to_be_bytes()]);
        let metadata = json!({
            "actor": given.actor, "role": given.role, "request_id": id, "correlation_id": id,
            "reason": given.reason, "occurred_at": given.occurred_at,
        });
        by_source[source].push(RecordedEvent {
            position: Position(position),
            stream: StreamName::new(given.stream).unwrap(),
            revision,
            id,
            event_type: given.event_type.into(),
            is_json: true,
            data: Bytes::from(given.data.to_string()),
            metadata: Bytes::from(metadata.to_string()),
            recorded_at: Moment::parse(&given.occurred_at).unwrap(),
        });
    }
    by_source
}

/// The rows after the events in the order that `turns` says: each names the source whose next event comes.
fn rows(
    model: &Model,
    events: &[Vec<RecordedEvent>],
    turns: &[usize],
    batch: usize,
) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.db");
    let mut store = SqliteStore::create(&path, model, true).unwrap();
    let mut next = vec![0; events.len()];
    for turns in turns.chunks(batch) {
        let mut applied = Batch {
            events: Vec::new(),
            positions: store.positions(),
        };
        for &source in turns {
            let event = events[source][next[source]].clone();
            next[source] += 1;
            applied.positions[source] = event.position;
            applied.events.push((source, event));
        }
        store.apply(&applied, Moment::EPOCH).unwrap();
    }
    assert_eq!(
        store.counts().parked,
        0,
        "{} parks events of its sample",
        model.name
    );
    Readers::new(&path).dump(&[]).unwrap()
}

/// Each source's index as often as it has events.
fn turns(events: &[Vec<RecordedEvent>]) -> Vec<usize> {
    events
        .iter()
        .enumerate()
        .flat_map(|(source, of)| vec![source; of.len()])
        .collect()
}

#[test]
fn every_model_shows_what_its_sample_says() {
    for model in built_in().unwrap().values() {
        let events = given(model);
        let text = rows(model, &events, &turns(&events), 1_000).join("\n") + "\n";
        let expected = sample(&model.name, "then.txt");
        if std::env::var_os("ANNALS_WRITE_SAMPLES").is_some() {
            std::fs::write(&expected, &text).unwrap();
        }
        assert_eq!(
            text,
            std::fs::read_to_string(&expected).unwrap(),
            "{}",
            model.name
        );
    }
}

#[test]
fn every_handler_is_exercised_by_its_sample_or_by_its_twin() {
    // Endings of an application that set one word differ in that word only.
    let twins = [
        "OfferDeclined",
        "OfferExpired",
        "ApplicationWithdrawn",
        "AcceptanceRescinded",
    ];
    for model in built_in().unwrap().values() {
        let events = given(model);
        for event_type in model.on.keys() {
            let seen = events
                .iter()
                .flatten()
                .any(|event| *event.event_type == **event_type);
            assert!(
                seen || twins.contains(&event_type.as_str()),
                "{}: {event_type}",
                model.name
            );
        }
    }
}

#[test]
fn any_interleaving_of_the_sources_gives_the_same_rows() {
    for model in built_in()
        .unwrap()
        .values()
        .filter(|model| model.sources.len() > 1)
    {
        let events = given(model);
        let in_turn = rows(model, &events, &turns(&events), 1_000);
        let cases = Config {
            cases: 12,
            failure_persistence: None,
            ..Config::default()
        };
        TestRunner::new(cases)
            .run(
                &(Just(turns(&events)).prop_shuffle(), 1_usize..12),
                |(turns, batch)| {
                    prop_assert_eq!(&rows(model, &events, &turns, batch), &in_turn);
                    Ok(())
                },
            )
            .unwrap();
    }
}

#[test]
fn an_event_delivered_twice_counts_once() {
    for model in built_in().unwrap().values() {
        let events = given(model);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.db");
        let mut store = SqliteStore::create(&path, model, true).unwrap();
        let whole = Batch {
            events: events
                .iter()
                .enumerate()
                .flat_map(|(s, of)| of.iter().map(move |e| (s, e.clone())))
                .collect(),
            positions: events.iter().map(|of| Position(of.len() as u64)).collect(),
        };
        store.apply(&whole, Moment::EPOCH).unwrap();
        let once = Readers::new(&path).dump(&[]).unwrap();
        store.apply(&whole, Moment::EPOCH).unwrap();
        drop(store);
        SqliteStore::open(&path, model)
            .unwrap()
            .apply(&whole, Moment::EPOCH)
            .unwrap();
        assert_eq!(
            Readers::new(&path).dump(&[]).unwrap(),
            once,
            "{}",
            model.name
        );
    }
}

#[test]
fn every_built_in_model_fits_the_events_that_the_rooms_write() {
    let catalogue = Catalogue::default()
        .with("applications", crate::applications::Application::SHAPES)
        .with("applications", crate::applications::Candidacy::SHAPES)
        .with("placements", crate::placements::Placement::SHAPES)
        .with("attendance", crate::attendance::Register::SHAPES)
        .with("tasks", crate::tasks::Worklist::SHAPES)
        .with("evaluations", crate::evaluations::Evaluation::SHAPES)
        .with("certificates", crate::certificates::Certification::SHAPES)
        .with("audit", crate::audit::SHAPES);
    for model in built_in().unwrap().values() {
        let findings: Vec<String> = check(model, &catalogue)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(findings, [""; 0], "{}", model.name);
    }
}

#[test]
fn every_id_that_a_room_writes_leads_to_its_history() {
    let models = built_in().unwrap();
    let handler = models["event_history"].any.as_deref().unwrap();
    let shapes = [
        crate::applications::Application::SHAPES,
        crate::applications::Candidacy::SHAPES,
        crate::placements::Placement::SHAPES,
        crate::attendance::Register::SHAPES,
        crate::tasks::Worklist::SHAPES,
        crate::evaluations::Evaluation::SHAPES,
        crate::certificates::Certification::SHAPES,
        crate::audit::SHAPES,
    ];
    for shape in shapes.into_iter().flatten() {
        for field in shape.fields.iter().filter(|field| field.ends_with("_id")) {
            let named = format!("CAST(:{field} AS TEXT)");
            assert!(handler.contains(&named), "{}: {field}", shape.event_type);
        }
    }
}
