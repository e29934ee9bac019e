//! Events so large that a page ends by its size, before it has as many as were asked for.

use bytes::Bytes;
use futures::StreamExt as _;

use super::{event, open, stream};
use crate::kernel::Position;
use crate::log::{Delivery, Direction, EventLog, Expected, Filter, NewEvent, ReadFrom};

/// Together 66 MB: four pages and more, none of them with the rows that were asked for, and far more than is kept in memory.
const EVENTS: u128 = 1_100;
const BYTES: usize = 60_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_end_by_their_size_leave_nothing_out() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    let s = stream("a-1");
    let ids: Vec<u128> = (0..EVENTS).collect();
    for few in ids.chunks(16) {
        let large = few.iter().map(|id| NewEvent {
            data: Bytes::from(vec![b'x'; BYTES]),
            ..event(*id)
        });
        log.append(&s, Expected::Any, large.collect())
            .await
            .unwrap();
    }
    let whole: Vec<u64> = (1..).take(ids.len()).collect();

    let mut followed = Vec::new();
    let mut deliveries = log.subscribe(Position::START, Filter::default());
    while let Some(delivery) = deliveries.next().await {
        match delivery.unwrap() {
            Delivery::Events(events) => {
                followed.extend(events.iter().map(|event| event.position.0));
            }
            Delivery::Checkpoint(_) => {}
            Delivery::CaughtUp(_) => break,
        }
    }
    assert_eq!(followed, whole);

    for (direction, limit) in [
        (Direction::Forward, 1_000),
        (Direction::Backward, 1_000),
        (Direction::Forward, usize::MAX),
    ] {
        let (everything, mut read, mut from) = (Filter::default(), Vec::new(), None);
        loop {
            let page = log.read_all(from, direction, limit, &everything);
            let page = page.await.unwrap();
            read.extend(page.events.iter().map(|event| event.position.0));
            from = Some(page.examined);
            if page.end {
                break;
            }
        }
        if direction == Direction::Backward {
            read.reverse();
        }
        assert_eq!(read, whole, "{direction:?} by {limit}");
    }

    let (mut read, mut next) = (Vec::new(), 0);
    loop {
        let from = ReadFrom::Revision(next);
        let page = log.read_stream(&s, from, Direction::Forward, 1_000);
        let page = page.await.unwrap();
        read.extend(page.events.iter().map(|event| event.revision + 1));
        next = read.len() as u64;
        if page.end {
            break;
        }
    }
    assert_eq!(read, whole);
}
