//! Guards against: events that a subscriber who was slow does not get, because the tail that all share has let go of them.

use std::sync::Arc;
use std::time::Duration;

use annals::kernel::{Position, StreamName, derived_id};
use annals::log::eventstoredb::Options;
use annals::log::memory::MemoryLog;
use annals::log::{Delivery, EventLog, Expected, Filter, NewEvent, ReadError};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::time::timeout;

use super::{Served, connect};

/// Together more than the tail keeps, and each less than an append may be.
const EVENTS: u64 = 24;
const BYTES: usize = 900_000;

const WAIT: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_was_slow_gets_what_the_tail_has_let_go_of() {
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let url = format!("esdb://{}?tls=false", served.address);
    let log = connect(&url, Options::default()).await;
    let stream = StreamName::new("large-1").unwrap();
    let mut slow = log.subscribe(Position::START, Filter::default());
    let mut quick = log.subscribe(Position::START, Filter::default());
    for subscriber in [&mut slow, &mut quick] {
        let first = timeout(WAIT, subscriber.next()).await.unwrap();
        assert!(
            matches!(first, Some(Ok(Delivery::CaughtUp(_)))),
            "{first:?}"
        );
    }
    for number in 0..EVENTS {
        let event = NewEvent {
            id: derived_id(&[b"large", &number.to_be_bytes()]),
            event_type: "Tested".into(),
            is_json: false,
            data: vec![7; BYTES].into(),
            metadata: "{}".into(),
        };
        log.append(&stream, Expected::Any, vec![event])
            .await
            .unwrap();
        // The tail has had what it brings to the one who keeps up.
        assert_eq!(revisions(&mut quick, 1).await, [number]);
    }
    let all: Vec<u64> = (0..EVENTS).collect();
    assert_eq!(revisions(&mut slow, EVENTS).await, all);
}

/// Of the next events, in the order in which they come.
async fn revisions(
    subscriber: &mut BoxStream<'static, Result<Delivery, ReadError>>,
    events: u64,
) -> Vec<u64> {
    let mut seen = Vec::new();
    while (seen.len() as u64) < events {
        let delivery = timeout(WAIT, subscriber.next()).await.unwrap();
        if let Delivery::Events(events) = delivery.unwrap().unwrap() {
            seen.extend(events.iter().map(|event| event.revision));
        }
    }
    seen
}
