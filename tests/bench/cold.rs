//! How long the first command to a long stream waits: nothing of it is in memory, all of it is read, checked, decoded and
//! evolved.

use std::sync::Arc;
use std::time::Instant;

use annals::attendance::{Event, Register};
use annals::command::{Handler, RequestDigest};
use annals::kernel::{
    DomainEvent as _, EventMetadata, Moment, PlacementIds, Role, Stored as _, StreamName,
    derived_id,
};
use annals::log::sqlite::{Options, SqliteLog};
use annals::log::{EventLog as _, Expected, NewEvent};
use time::{Date, Duration, Month};
use uuid::Uuid;

/// Events of the stream: a register of twenty years, clocked in and out.
const EVENTS: u64 = 10_000;

/// Streams between whose events it lies, and their events: an old stream is nowhere together.
const OTHERS: u64 = 7;

/// Events of one append while it is written.
const APPEND: u64 = 20;

const ROUNDS: usize = 5;

pub(super) async fn load() {
    let home = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(home.path(), Options::default()).unwrap();
    for first in (0..EVENTS).step_by(APPEND as usize) {
        for stream in 0..=OTHERS {
            let id = derived_id(&[b"cold", &stream.to_be_bytes()]);
            let name = StreamName::of("attendance", id);
            let events = (first..first + APPEND).map(|turn| recorded(id, turn));
            log.append(&name, Expected::Any, events.collect())
                .await
                .unwrap();
        }
    }
    // Cold is what a server that was started just now meets.
    log.close().await;
    let log = Arc::new(SqliteLog::open(home.path(), Options::default()).unwrap());
    let id = derived_id(&[b"cold", &0_u64.to_be_bytes()]);
    let mut millis = Vec::new();
    for _ in 0..ROUNDS {
        let handler = Handler::<Register>::new(Arc::clone(&log) as _, 1_000_000);
        let before = Instant::now();
        assert!(handler.state(id).await.unwrap().is_some());
        millis.push(before.elapsed().as_secs_f64() * 1_000.0);
    }
    millis.sort_by(f64::total_cmp);
    println!(
        "cold aggregate of {EVENTS} events: {:.1} ms (best {:.1}, worst {:.1} of {ROUNDS})",
        millis[ROUNDS / 2],
        millis[0],
        millis[ROUNDS - 1]
    );
    log.close().await;
}

fn recorded(id: Uuid, turn: u64) -> NewEvent {
    let ids = PlacementIds {
        placement_id: id,
        student_id: derived_id(&[b"student"]),
        internship_id: derived_id(&[b"internship"]),
    };
    let start_date = Date::from_calendar_date(2000, Month::January, 3).unwrap();
    let day = start_date + Duration::days(turn.div_ceil(2) as i64);
    let event = match (turn, turn % 2) {
        (0, _) => Event::RegisterOpened {
            ids,
            employer_id: derived_id(&[b"employer"]),
            start_date,
        },
        (_, 1) => Event::ClockedIn { ids, date: day },
        _ => Event::ClockedOut { ids, date: day },
    };
    let (schema_version, data) = Register::encode(&event).unwrap();
    let request_id = derived_id(&[b"request", id.as_bytes(), &turn.to_be_bytes()]);
    let metadata = EventMetadata {
        actor: ids.student_id,
        role: Role::Student,
        request_id,
        request_digest: RequestDigest::of(&[&turn.to_be_bytes()]).to_hex(),
        correlation_id: request_id,
        causation_id: None,
        reason: None,
        occurred_at: Moment::start_of(day),
        imported: false,
        schema_version,
    };
    NewEvent {
        id: request_id,
        event_type: event.event_type().into(),
        is_json: true,
        data: data.into(),
        metadata: serde_json::to_vec(&metadata).unwrap().into(),
    }
}
