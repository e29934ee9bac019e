//! A large page of everything in two halves, read at the same time: two cores check digests faster than one.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::reader::Reader;
use super::shared::{Shared, unavailable};
use crate::kernel::Position;
use crate::log::{AllSlice, Direction, Filter, ReadError};

/// Events of pages that are halved: smaller ones are read before another thread has begun, larger ones are asked for by
/// who wants everything at once.
const HALVED: RangeInclusive<usize> = 768..=16_384;

/// Rows that one filtered read goes through, about 50 ms: a reader who has gone away is not read for any longer.
const FILTERED_ROWS: u64 = 65_536;

/// What [`Reader::page`] reads.
pub(super) async fn page(
    shared: &Arc<Shared>,
    (near, far): (Position, Position),
    direction: Direction,
    limit: usize,
    filter: Filter,
) -> Result<AllSlice, ReadError> {
    if !filter.is_everything() {
        return filtered(shared, (near, far), direction, limit, filter, FILTERED_ROWS).await;
    }
    let Some(middle) = middle(near, far, direction, limit) else {
        let whole = move |reader: &mut Reader| reader.page(near, far, direction, limit, &filter);
        return shared.read(whole).await;
    };
    let first = shared
        .begin(move |reader| reader.page(near, middle, direction, usize::MAX, &Filter::default()));
    let rest = limit - limit / 2;
    let second =
        shared.begin(move |reader| reader.page(middle, far, direction, rest, &Filter::default()));
    let broken_off = |_| Err(unavailable("a read was broken off", true));
    let mut slice = first.await.unwrap_or_else(broken_off)?;
    slice.end = false;
    // Cut short by its size: what was read beyond does not follow.
    if slice.examined != middle {
        return Ok(slice);
    }
    let second = second.await.unwrap_or_else(broken_off)?;
    let cut_short = second.events.len() < rest;
    append(&mut slice, second);
    let missing = limit.saturating_sub(slice.events.len());
    if missing == 0 || slice.end || cut_short {
        return Ok(slice);
    }
    // Positions of the first half were scavenged.
    let from = slice.examined;
    let more = shared
        .read(move |reader| reader.page(from, far, direction, missing, &Filter::default()))
        .await?;
    append(&mut slice, more);
    Ok(slice)
}

/// A filtered page, or as much of it as so many rows have.
async fn filtered(
    shared: &Arc<Shared>,
    (near, far): (Position, Position),
    direction: Direction,
    limit: usize,
    filter: Filter,
    rows: u64,
) -> Result<AllSlice, ReadError> {
    let to = match direction {
        Direction::Forward => Position(near.0.saturating_add(rows)).min(far),
        Direction::Backward => Position(near.0.saturating_sub(rows)).max(far),
    };
    let read = move |reader: &mut Reader| reader.page(near, to, direction, limit, &filter);
    let mut slice = shared.read(read).await?;
    slice.end &= to == far;
    Ok(slice)
}

fn append(slice: &mut AllSlice, next: AllSlice) {
    slice.events.extend(next.events);
    slice.examined = next.examined;
    slice.end = next.end;
}

/// Where the first half of a page ends, if it is one to halve and there is something behind it.
fn middle(near: Position, far: Position, direction: Direction, limit: usize) -> Option<Position> {
    let half = Some(limit).filter(|limit| HALVED.contains(limit))? as u64 / 2;
    match direction {
        Direction::Forward => near.0.checked_add(half).filter(|at| *at < far.0),
        Direction::Backward => near.0.checked_sub(half).filter(|at| *at > far.0),
    }
    .map(Position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{StreamName, derived_id};
    use crate::log::rules;
    use crate::log::sqlite::unwritten::Unwritten;
    use crate::log::sqlite::{Options, SqliteLog, schema};
    use crate::log::{EventLog as _, Expected, Match, NewEvent, StreamMetadata};

    fn events(count: u64, of: &str) -> Vec<NewEvent> {
        let event = |nth: u64| NewEvent {
            id: derived_id(&[of.as_bytes(), &nth.to_be_bytes()]),
            event_type: "Noted".into(),
            is_json: false,
            data: of.to_owned().into(),
            metadata: bytes::Bytes::new(),
        };
        (0..count).map(event).collect()
    }

    /// Positions of pages of `limit`, one after the other, each as long as it can be.
    async fn walk(log: &SqliteLog, direction: Direction, limit: usize) -> Vec<u64> {
        let (mut seen, mut from) = (Vec::new(), None);
        loop {
            let page = log
                .read_all(from, direction, limit, &Filter::default())
                .await
                .unwrap();
            assert!(
                page.end || page.events.len() == limit,
                "{} of {limit}",
                page.events.len()
            );
            seen.extend(page.events.iter().map(|event| event.position.0));
            from = Some(page.examined);
            if page.end {
                return seen;
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn halved_pages_hold_what_whole_ones_do_also_where_events_were_scavenged() {
        let home = tempfile::tempdir().unwrap();
        let log = SqliteLog::open(home.path(), Options::default()).unwrap();
        let (kept, cut) = (
            StreamName::new("kept").unwrap(),
            StreamName::new("cut").unwrap(),
        );
        for (stream, count) in [
            (&kept, 300),
            (&cut, 400),
            (&kept, 700),
            (&cut, 211),
            (&kept, 90),
        ] {
            let of = format!("{stream}-{count}");
            log.append(stream, Expected::Any, events(count, &of))
                .await
                .unwrap();
        }
        for scavenged in [false, true] {
            for direction in [Direction::Forward, Direction::Backward] {
                let whole = walk(&log, direction, 100).await;
                assert_eq!(whole.len(), if scavenged { 1_191 } else { 1_701 });
                for limit in [767, 768, 850, 1_001, 1_701, 5_000] {
                    assert_eq!(
                        walk(&log, direction, limit).await,
                        whole,
                        "pages of {limit}"
                    );
                }
            }
            let last = StreamMetadata {
                max_count: Some(100),
                ..StreamMetadata::default()
            };
            if !scavenged {
                log.set_metadata(&cut, Expected::Any, last).await.unwrap();
                log.scavenge(|_| {}).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_filtered_page_ends_after_its_rows_and_the_next_one_goes_on() {
        let home = tempfile::tempdir().unwrap();
        let log = SqliteLog::open(home.path(), Options::default()).unwrap();
        for (name, count) in [("kept", 3), ("cut", 95), ("kept", 2)] {
            let stream = StreamName::new(name).unwrap();
            let of = format!("{name}-{count}");
            log.append(&stream, Expected::Any, events(count, &of))
                .await
                .unwrap();
        }
        let file = home.path().join("log.db");
        let (clock, head) = (rules::system_clock(), Position(100));
        let unwritten = Unwritten::load(&schema::open_reader(&file).unwrap(), head, 8).unwrap();
        let shared = Arc::new(Shared::new(file, clock, head, unwritten));
        let kept = Filter::by_stream(Match::one_of(["kept"]));
        for (direction, mut near, far, expected) in [
            (Direction::Forward, 0, 100, [1, 2, 3, 99, 100]),
            (Direction::Backward, 101, 1, [100, 99, 3, 2, 1]),
        ] {
            let (mut seen, mut pages) = (Vec::new(), 1);
            loop {
                let bounds = (Position(near), Position(far));
                let slice = filtered(&shared, bounds, direction, 10, kept.clone(), 30).await;
                let slice = slice.unwrap();
                seen.extend(slice.events.iter().map(|event| event.position.0));
                near = slice.examined.0;
                if slice.end {
                    break;
                }
                pages += 1;
            }
            assert_eq!((&seen[..], pages), (&expected[..], 4));
        }
    }
}
