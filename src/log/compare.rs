//! Two logs, event by event: whether a target may become a copy, and whether it has all of its source, as it is.
//!
//! Does not look at what the copy has beyond that: a server that is a copy has streams of its own.

use std::collections::HashSet;

use super::reading::Reading;
use super::rules::TOMBSTONE_REVISION;
use super::sqlite::{Copied, ToolError};
use super::{Direction, EventLog, Filter, ReadError, ReadFrom, RecordedEvent};
use crate::kernel::Position;

/// Events that are compared in one step, or looked at from the end of a copy.
const BATCH_EVENTS: usize = 512;

/// How far back, and of how many streams, a last event is looked for in the source, each with a read of its own, before all is
/// compared: 64 reads, or 4,095 events, since the first batch is of one event, and each of twice as many as the one before, up to
/// [`BATCH_EVENTS`].
const BATCHES_TRIED: usize = 16;
const STREAMS_TRIED: usize = 64;

/// Where in `from` a copy goes on: after what `copy` has of it; none: at the beginning. To be asked before anything is written, since
/// what was written by mistake stays.
///
/// # Errors
/// A log that cannot be read, or a `copy` that holds something else.
pub(super) async fn go_on(
    from: &dyn EventLog,
    copy: &dyn EventLog,
    same: impl Fn(&RecordedEvent, Option<&RecordedEvent>) -> Result<(), ToolError> + Send,
) -> Result<Option<Position>, ToolError> {
    let all = Filter::default();
    let first = copy.read_all(None, Direction::Forward, 1, &all).await?;
    let Some(first) = first.events.first() else {
        return Ok(None);
    };
    let beginning = from.read_all(None, Direction::Forward, 1, &all).await?;
    same(first, beginning.events.first()).map_err(|_differs| no_copy(first))?;
    // Events in both are in the same order; so what the copy has after one of them has to follow on it in the source, too.
    let known = last_known(from, copy).await?;
    let (there, here) = known.unzip();
    let compared = compare_after((copy, here), (from, there), same, |_| {}).await;
    match compared {
        Err(ToolError::Differs {
            position,
            stream,
            revision,
            ..
        }) => Err(ToolError::NoCopy {
            position,
            stream,
            revision,
        }),
        other => other.map(|(_, there)| there),
    }
}

/// One of the last events of `copy` that readers of `from` see, and its places there and here. None is found where the last of
/// every stream is hidden or ended in `from`, or was never there.
async fn last_known(
    from: &dyn EventLog,
    copy: &dyn EventLog,
) -> Result<Option<(Position, Position)>, ToolError> {
    let all = Filter::default();
    let (mut at, mut streams, mut count) = (None, HashSet::new(), 1);
    for _ in 0..BATCHES_TRIED {
        let slice = copy.read_all(at, Direction::Backward, count, &all).await?;
        count = BATCH_EVENTS.min(2 * count);
        for event in slice.events {
            // A tombstone cannot be found by its stream; and what hides an event hides those before it.
            if event.revision == TOMBSTONE_REVISION || !streams.insert(event.stream.clone()) {
                continue;
            }
            if let Some(there) = found(from, &event).await? {
                return Ok(Some((there, event.position)));
            }
            if streams.len() == STREAMS_TRIED {
                return Ok(None);
            }
        }
        if slice.end {
            break;
        }
        at = Some(slice.examined);
    }
    Ok(None)
}

/// Where `from` has `event`, if its readers see it.
async fn found(from: &dyn EventLog, event: &RecordedEvent) -> Result<Option<Position>, ToolError> {
    let at = ReadFrom::Revision(event.revision);
    let there = from
        .read_stream(&event.stream, at, Direction::Forward, 1)
        .await;
    let there = match there {
        Err(ReadError::StreamDeleted(_)) => return Ok(None),
        other => other?.events.into_iter().next(),
    };
    Ok(there
        .filter(|there| there.id == event.id && there.revision == event.revision)
        .map(|there| there.position))
}

fn no_copy(event: &RecordedEvent) -> ToolError {
    ToolError::NoCopy {
        position: event.position.0,
        stream: event.stream.to_string(),
        revision: event.revision,
    }
}

/// Reads `from` and `copy` to the end of `from`, and lets `same` judge each event with the one in its place in the copy.
/// `progress` hears what was found equal.
///
/// # Errors
/// A log that cannot be read, or what `same` says of the first difference.
pub(super) async fn compare(
    from: &dyn EventLog,
    copy: &dyn EventLog,
    same: impl Fn(&RecordedEvent, Option<&RecordedEvent>) -> Result<(), ToolError> + Send,
    progress: impl FnMut(Copied) + Send,
) -> Result<Copied, ToolError> {
    let (copied, _) = compare_after((from, None), (copy, None), same, progress).await?;
    Ok(copied)
}

/// The same of what is after a place in each; answers, too, up to where the copy was compared.
async fn compare_after(
    (from, theirs): (&dyn EventLog, Option<Position>),
    (copy, mut ours): (&dyn EventLog, Option<Position>),
    same: impl Fn(&RecordedEvent, Option<&RecordedEvent>) -> Result<(), ToolError> + Send,
    mut progress: impl FnMut(Copied) + Send,
) -> Result<(Copied, Option<Position>), ToolError> {
    let mut right = Reading::of(copy, ours, Filter::default());
    let mut left = Reading::of(from, theirs, Filter::default());
    let mut done = Copied::default();
    loop {
        let page = left.page(BATCH_EVENTS).await?;
        for event in &page.events {
            let other = right.event().await?;
            same(event, other.as_ref())?;
            ours = other.map(|other| other.position);
        }
        done.events += page.events.len() as u64;
        done.examined = page.examined;
        progress(done);
        if page.end {
            return Ok((done, ours));
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::kernel::{Moment, StreamName};
    use crate::log::memory::MemoryLog;
    use crate::log::rules::Protected;
    use crate::log::sqlite::{Numbering, same};
    use crate::log::witness::Witness;
    use crate::log::{Expected, NewEvent, StreamMetadata};

    /// More than a batch, all recorded at the same time.
    const EVENTS: u64 = BATCH_EVENTS as u64 + 100;

    async fn log(change: impl Fn(u64) -> Option<&'static str>) -> MemoryLog {
        let log = MemoryLog::with(std::sync::Arc::new(|| Moment::EPOCH), Protected::default());
        for number in 0..EVENTS {
            let Some(data) = change(number) else { continue };
            append(&log, "s-1", number, data).await;
        }
        log
    }

    async fn append(log: &MemoryLog, stream: &str, number: u64, data: &'static str) {
        let stream = StreamName::new(stream).unwrap();
        let event = NewEvent {
            id: Uuid::from_u128(u128::from(number) + 1),
            event_type: "Tested".into(),
            is_json: true,
            data: data.into(),
            metadata: "{}".into(),
        };
        let appended = log.append(&stream, Expected::Any, vec![event]).await;
        appended.unwrap();
    }

    /// Hides, in a log that was copied, the stream's last event behind a later one.
    async fn hide(log: &MemoryLog, stream: &str) {
        let one = StreamMetadata {
            max_count: Some(1),
            ..StreamMetadata::default()
        };
        let stream_name = StreamName::new(stream).unwrap();
        let set = log.set_metadata(&stream_name, Expected::Any, one).await;
        set.unwrap();
        append(log, stream, 2 * EVENTS, "{}").await;
    }

    async fn goes_on(from: &Witness, copy: &Witness) -> Result<Option<Position>, ToolError> {
        let same = |left: &RecordedEvent, right: Option<&RecordedEvent>| {
            same(left, right, Numbering::Keep)
        };
        go_on(from, copy, same).await
    }

    #[tokio::test]
    async fn a_copy_whose_last_event_is_hidden_in_the_source_goes_on_without_reading_all_of_either()
    {
        let (from, copy) = (log(|_| Some("{}")).await, log(|_| Some("{}")).await);
        for log in [&from, &copy] {
            append(log, "hidden-1", EVENTS, "{}").await;
        }
        hide(&from, "hidden-1").await;
        let (from, copy) = (Witness::of(from), Witness::of(copy));
        let goes_on = goes_on(&from, &copy).await.unwrap();
        assert_eq!(goes_on, Some(Position(EVENTS + 1)));
        // The first event, and the one that follows on the last that is not hidden, which in the source has two more behind
        // it; of the copy two batches from its end.
        assert_eq!((from.events(), copy.events()), (4, 2 + (1 + 2)));
    }

    #[tokio::test]
    async fn a_copy_of_which_everything_is_hidden_in_the_source_goes_on_where_it_ends() {
        let (from, copy) = (log(|_| Some("{}")).await, log(|_| Some("{}")).await);
        hide(&from, "s-1").await;
        let (from, copy) = (Witness::of(from), Witness::of(copy));
        let goes_on = goes_on(&from, &copy).await.unwrap();
        assert_eq!(goes_on, Some(Position(EVENTS)));
    }

    #[tokio::test]
    async fn what_a_copy_has_after_the_last_event_that_is_known_is_compared() {
        let (from, copy) = (log(|_| Some("{}")).await, log(|_| Some("{}")).await);
        append(&from, "hidden-1", EVENTS, "{}").await;
        append(&copy, "hidden-1", EVENTS, "[]").await;
        hide(&from, "hidden-1").await;
        let (from, copy) = (Witness::of(from), Witness::of(copy));
        let goes_on = goes_on(&from, &copy).await;
        let at = EVENTS + 1;
        assert!(
            matches!(goes_on, Err(ToolError::NoCopy { position, .. }) if position == at),
            "{goes_on:?}"
        );
    }

    async fn compared(copy: &MemoryLog) -> Result<Copied, ToolError> {
        let from = log(|_| Some("{}")).await;
        let same = |left: &RecordedEvent, right: Option<&RecordedEvent>| {
            same(left, right, Numbering::Keep)
        };
        compare(&from, copy, same, |_| {}).await
    }

    #[tokio::test]
    async fn a_copy_that_has_everything_is_equal_and_the_first_difference_is_named() {
        let equal = compared(&log(|_| Some("{}")).await).await.unwrap();
        assert_eq!((equal.events, equal.examined.0), (EVENTS, EVENTS));
        let last = EVENTS - 1;
        let other = log(|number| Some(if number == last { "[]" } else { "{}" })).await;
        let shorter = log(|number| (number < last).then_some("{}")).await;
        for (copy, what) in [
            (other, "its content"),
            (shorter, "it is missing in the copy"),
        ] {
            let differs = compared(&copy).await.unwrap_err().to_string();
            let named = format!("position {EVENTS} (s-1, revision {last}) differs: {what}");
            assert_eq!(differs, named);
        }
    }
}
