//! Two logs, event by event: whether a target may become a copy, and whether it has all of its source, as it is.
//!
//! Does not look at what the copy has beyond that: a server that is a copy has streams of its own.

use super::rules::TOMBSTONE_REVISION;
use super::sqlite::{Copied, ToolError};
use super::{Direction, EventLog, Filter, ReadError, ReadFrom, RecordedEvent};
use crate::kernel::Position;

/// Events of either log that are compared in one step.
const BATCH_EVENTS: usize = 512;

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
    let last = copy
        .read_all(None, Direction::Backward, BATCH_EVENTS, &all)
        .await?;
    // A tombstone cannot be found by its stream.
    let mut last = last.events.into_iter();
    if let Some(last) = last.find(|event| event.revision != TOMBSTONE_REVISION)
        && let Some(there) = found(from, &last).await?
    {
        return Ok(Some(there));
    }
    // Hidden or ended in the source, or never there: all of it tells.
    let other = compare(copy, from, same, |_| {}).await;
    match other {
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
        other => other.map(|_same| None),
    }
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
    mut progress: impl FnMut(Copied) + Send,
) -> Result<Copied, ToolError> {
    let all = Filter::default();
    let (mut theirs, mut ours) = (None, None);
    let mut done = Copied::default();
    loop {
        let left = from
            .read_all(theirs, Direction::Forward, BATCH_EVENTS, &all)
            .await?;
        let count = left.events.len();
        let right = copy.read_all(ours, Direction::Forward, count, &all).await?;
        for (index, event) in left.events.iter().enumerate() {
            same(event, right.events.get(index))?;
        }
        theirs = Some(left.examined);
        if count > 0 {
            ours = Some(right.examined);
        }
        done.events += count as u64;
        done.examined = left.examined;
        progress(done);
        if left.end {
            return Ok(done);
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
    use crate::log::{Expected, NewEvent};

    /// More than a batch, all recorded at the same time.
    const EVENTS: u64 = BATCH_EVENTS as u64 + 100;

    async fn log(change: impl Fn(u64) -> Option<&'static str>) -> MemoryLog {
        let log = MemoryLog::with(std::sync::Arc::new(|| Moment::EPOCH), Protected::default());
        let stream = StreamName::new("s-1").unwrap();
        for number in 0..EVENTS {
            let Some(data) = change(number) else { continue };
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
        log
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
