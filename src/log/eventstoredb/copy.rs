//! Taking over the events of another log, in its order, with ids, revisions, metadata and times.
//!
//! The server numbers and stamps events itself. So each is appended at exactly the revision before its own, which makes a
//! repeat harmless, and keeps its time in its metadata (see [`convert`](super::convert)). Does not: keep positions, or
//! the first events of a stream that was truncated by a scavenge, since the server numbers every stream from 0.

use super::convert::with_time;
use super::engine::EsdbLog;
use crate::kernel::Revision;
use crate::log::compare::{compare, go_on};
use crate::log::reading::Reading;
use crate::log::rules::{self, TOMBSTONE_REVISION};
use crate::log::sqlite::{Copied, Numbering, ToolError, same};
use crate::log::{AppendError, EventLog, Expected, Filter, NewEvent, RecordedEvent};

/// Events read in one step, and at most appended in one.
const BATCH_EVENTS: usize = 256;

/// Bytes appended in one step: half of what an append may have, since times come to it.
const BATCH_BYTES: usize = rules::MAX_APPEND_BYTES / 2;

impl EsdbLog {
    /// Copies all of `from` into this log's part of the server, going on where an earlier copy ended, and then compares
    /// both. `progress` hears what was done.
    ///
    /// # Errors
    /// A log that cannot be read or written, a difference, or that this part of the server holds something else or has no
    /// room for a stream; then nothing was written.
    pub async fn copy_from(
        &self,
        from: &dyn EventLog,
        mut progress: impl FnMut(Copied) + Send,
    ) -> Result<Copied, ToolError> {
        let at = go_on(from, self, same_but_tombstones).await?;
        let mut source = Reading::of(from, at, Filter::default());
        loop {
            let slice = source.page(BATCH_EVENTS).await?;
            for group in groups(&slice.events) {
                self.take_over(group).await?;
            }
            progress(Copied {
                events: 0,
                examined: slice.examined,
            });
            if slice.end {
                break;
            }
        }
        compare(from, self, same_but_tombstones, progress).await
    }

    async fn take_over(&self, group: &[RecordedEvent]) -> Result<(), ToolError> {
        let Some(first) = group.first() else {
            return Ok(());
        };
        if !self.has_room_for(&first.stream) {
            return Err(ToolError::Elsewhere {
                stream: first.stream.to_string(),
            });
        }
        if first.revision == TOMBSTONE_REVISION {
            return match self.tombstone(&first.stream, Expected::Any).await {
                Ok(_) | Err(AppendError::StreamDeleted(_)) => Ok(()),
                Err(error) => Err(error.into()),
            };
        }
        let expected = match first.revision {
            0 => Expected::NoStream,
            revision => Expected::Exact(revision - 1),
        };
        let events = group.iter().map(kept).collect();
        match self.append(&first.stream, expected, events).await {
            // Of an ended stream the server keeps what it has; whether that is all is seen when both are compared.
            Ok(_) | Err(AppendError::StreamDeleted(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A tombstone is the server's own event: it is there, and is all the same otherwise another.
fn same_but_tombstones(
    left: &RecordedEvent,
    right: Option<&RecordedEvent>,
) -> Result<(), ToolError> {
    let ended = |event: &RecordedEvent| event.revision == TOMBSTONE_REVISION;
    match right {
        Some(right) if ended(left) && ended(right) && left.stream == right.stream => Ok(()),
        other => same(left, other, Numbering::Renumber),
    }
}

fn kept(event: &RecordedEvent) -> NewEvent {
    NewEvent {
        id: event.id,
        event_type: event.event_type.clone(),
        is_json: event.is_json,
        data: event.data.clone(),
        metadata: with_time(&event.metadata, event.recorded_at),
    }
}

/// Neighbours that one append can take: of one stream, one after the other, not too large.
fn groups(events: &[RecordedEvent]) -> impl Iterator<Item = &[RecordedEvent]> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let (mut count, mut bytes) = (1, size(first));
        let mut last: Revision = first.revision;
        for event in rest.iter().skip(1) {
            bytes += size(event);
            let follows =
                event.stream == first.stream && last.checked_add(1) == Some(event.revision);
            if !follows || event.revision == TOMBSTONE_REVISION || bytes > BATCH_BYTES {
                break;
            }
            last = event.revision;
            count += 1;
        }
        let (group, after) = rest.split_at(count);
        rest = after;
        Some(group)
    })
}

fn size(event: &RecordedEvent) -> usize {
    event.bytes() + 2 * event.event_type.len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::TcpListener;
    use tokio::sync::oneshot;
    use uuid::Uuid;

    use super::*;
    use crate::kernel::StreamName;
    use crate::log::eventstoredb::everything::PAGE_EVENTS;
    use crate::log::eventstoredb::{Cluster, Options};
    use crate::log::memory::MemoryLog;
    use crate::log::rules::Protected;
    use crate::log::wire;
    use crate::log::witness::Witness;

    /// Services on the server, and the events of each: more than a page of everything.
    const SERVICES: usize = 10;
    const EVENTS: usize = 300;

    fn event(number: usize) -> NewEvent {
        NewEvent {
            id: Uuid::from_u128(number as u128 + 1),
            event_type: "Tested".into(),
            is_json: true,
            data: "{}".into(),
            metadata: "{}".into(),
        }
    }

    async fn append(log: &MemoryLog, service: usize, event: NewEvent) {
        let stream = StreamName::new(format!("service{service}-1")).unwrap();
        let appended = log.append(&stream, Expected::Any, vec![event]).await;
        appended.unwrap();
    }

    /// The events of all services by turns, without those of `but`.
    async fn filled(but: Option<usize>) -> MemoryLog {
        let log = MemoryLog::new();
        for number in 0..SERVICES * EVENTS {
            let service = number % SERVICES;
            if Some(service) != but {
                append(&log, service, event(number)).await;
            }
        }
        log
    }

    /// A server of `log`, and the part of it that is service 3's.
    async fn served(log: &Arc<Witness>) -> (EsdbLog, oneshot::Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let log = Arc::clone(log);
        tokio::spawn(async move {
            let stopped = async { stopped.await.unwrap_or(()) };
            wire::serve(log, listener, wire::Options::default(), stopped).await
        });
        let cluster = Cluster::connect(&format!("esdb://{address}?tls=false")).await;
        let part = Options {
            scope: vec!["service3-".to_owned()],
            protected: Protected::default(),
        };
        (EsdbLog::new(cluster.unwrap(), part), stop)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_a_server_that_services_share_only_the_part_that_is_copied_is_read() {
        let server = Arc::new(Witness::of(filled(None).await));
        let (part, _stop) = served(&server).await;
        let target = MemoryLog::new();
        let mut source = Reading::of(&part, None, Filter::default());
        while let Some(event) = source.event().await.unwrap() {
            append(&target, 3, kept(&event)).await;
        }
        let same = |left: &RecordedEvent, right: Option<&RecordedEvent>| {
            assert_eq!(right.map(|right| right.id), Some(left.id));
            Ok(())
        };
        let before = server.events();
        let compared = compare(&part, &target, same, |_| {}).await.unwrap();
        assert_eq!(compared.events, EVENTS as u64);
        // Each time the part, and the last event of all.
        assert_eq!((before, server.events() - before), (EVENTS + 2, EVENTS + 1));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_copy_to_a_server_that_services_share_reads_only_its_part_of_it() {
        let source = MemoryLog::new();
        for number in (3..SERVICES * EVENTS).step_by(SERVICES) {
            append(&source, 3, event(number)).await;
        }
        let server = Arc::new(Witness::of(filled(Some(3)).await));
        let (part, _stop) = served(&server).await;
        let copied = part.copy_from(&source, |_| {}).await.unwrap();
        assert_eq!(copied.events, EVENTS as u64);
        // Beside the end, which is asked for three times.
        assert_eq!(server.events(), EVENTS + 3);
        // Once more: the first event, which brings others along, the last ones of all services, and what is compared.
        part.copy_from(&source, |_| {}).await.unwrap();
        let again = server.events() - (EVENTS + 3);
        assert!(again <= 2 * EVENTS + PAGE_EVENTS + 5, "{again}");
    }
}
