//! The fenced checkpoint: one stream that says who runs the processes, and how far they are.
//!
//! ```text
//!   lease-<id>        [A holds: positions][A][A][A]        [B holds: A's positions][B][B]...
//!                      every beat, at the exact revision ┘  └ A's next beat finds another revision: A is fenced
//! ```
//!
//! Each event is written at the exact revision that its writer saw last, so of two writers one is refused; whoever is
//! refused knows that it no longer holds the lease. What it may still have under way is harmless: commands of
//! processes carry request ids that follow from the event, so the log takes them once, whoever sends them.
//!
//! An event is a whole checkpoint (every position, everything parked), so whoever takes over needs the last one only.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store::ParkedEvent;
use crate::kernel::{Moment, Position, Revision, StreamName, derived_id};
use crate::log::{
    AppendError, Direction, EventLog, Expected, NewEvent, ReadError, ReadFrom, StreamMetadata,
};

/// The stream's category, which no service reads; there is one stream of it.
const CATEGORY: &str = "lease";

/// The type of its events.
const LEASE_HELD: &str = "LeaseHeld";

/// Checkpoints that the server keeps. The last one counts; the others tell people what happened.
const KEPT_EVENTS: i64 = 1_000;

/// Longest cause of a parked event in a checkpoint, characters.
const CAUSE_CHARS: usize = 100;

/// Parked events of one process in one service in a checkpoint, which must fit into one append of 1 MiB: eight times
/// 200 of some 400 bytes take 640 KB.
const PARKED_EVENTS: usize = 200;

/// Who holds the lease, and the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) owner: Uuid,
    /// False: whoever held it has let go.
    pub(super) held: bool,
    pub(super) lanes: Vec<LaneNote>,
}

/// How far one process is in one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LaneNote {
    pub(super) process: String,
    pub(super) service: String,
    pub(super) position: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parked: Vec<ParkedNote>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ParkedNote {
    position: u64,
    stream: String,
    event_type: String,
    cause: String,
    parked_at: Moment,
}

/// The stream as it was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) revision: Option<Revision>,
    pub(super) note: Option<Note>,
}

/// A server's hold on the stream.
pub struct Lease {
    log: Arc<dyn EventLog>,
    stream: StreamName,
    owner: Uuid,
}

impl Lease {
    /// On `log`, for the server that `owner` stands for; no two runs of a server share one.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, owner: Uuid) -> Self {
        Self {
            log,
            stream: StreamName::of(CATEGORY, derived_id(&[b"processes"])),
            owner,
        }
    }

    pub(super) fn owner(&self) -> Uuid {
        self.owner
    }

    /// The last event of the stream.
    pub(super) async fn look(&self) -> Result<Seen, ReadError> {
        let slice = self
            .log
            .read_stream(&self.stream, ReadFrom::End, Direction::Backward, 1)
            .await?;
        let last = slice.events.into_iter().next();
        Ok(Seen {
            revision: slice.last_revision,
            // What cannot be read was not written by a server that holds the lease.
            note: last.and_then(|event| serde_json::from_slice(&event.data).ok()),
        })
    }

    /// Writes `note` if nobody else has written since `seen`; the new revision.
    pub(super) async fn write(
        &self,
        seen: Option<Revision>,
        note: &Note,
    ) -> Result<Revision, AppendError> {
        let next = seen.map_or(0, |revision| revision + 1);
        let invalid = |problem: String| AppendError::Invalid { index: 0, problem };
        let data = serde_json::to_vec(note).map_err(|error| invalid(error.to_string()))?;
        let event = NewEvent {
            id: derived_id(&[b"lease", self.owner.as_bytes(), &next.to_be_bytes()]),
            event_type: LEASE_HELD.into(),
            is_json: true,
            data: data.into(),
            metadata: "{}".into(),
        };
        let expected = seen.map_or(Expected::NoStream, Expected::Exact);
        let done = self.log.append(&self.stream, expected, vec![event]).await?;
        if seen.is_none() {
            self.keep_short().await;
        }
        Ok(done.revision.unwrap_or(next))
    }

    async fn keep_short(&self) {
        let metadata = StreamMetadata {
            max_count: Some(KEPT_EVENTS),
            ..StreamMetadata::default()
        };
        let set = self
            .log
            .set_metadata(&self.stream, Expected::Any, metadata)
            .await;
        if let Err(error) = set {
            tracing::warn!(%error, "checkpoints are kept for ever: $maxCount was not set");
        }
    }
}

impl LaneNote {
    pub(super) fn new(
        process: &str,
        service: &str,
        position: Position,
        parked: &[ParkedEvent],
    ) -> Self {
        let kept = parked.get(..PARKED_EVENTS).unwrap_or(parked);
        // Whoever takes over handles again what comes after the last parked event that has room, and parks it again.
        let position = match kept.last() {
            Some(last) if kept.len() < parked.len() => last.position,
            Some(_) | None => position,
        };
        Self {
            process: process.to_owned(),
            service: service.to_owned(),
            position: position.0,
            parked: kept.iter().map(noted).collect(),
        }
    }

    /// The parked events, as the store holds them.
    pub(super) fn parked(&self) -> Vec<ParkedEvent> {
        self.parked
            .iter()
            .map(|note| ParkedEvent {
                process: self.process.clone(),
                service: self.service.clone(),
                position: Position(note.position),
                stream: note.stream.clone(),
                event_type: note.event_type.clone(),
                cause: note.cause.clone(),
                parked_at: note.parked_at,
            })
            .collect()
    }
}

fn noted(event: &ParkedEvent) -> ParkedNote {
    ParkedNote {
        position: event.position.0,
        stream: event.stream.clone(),
        event_type: event.event_type.clone(),
        cause: event.cause.chars().take(CAUSE_CHARS).collect(),
        parked_at: event.parked_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::memory::MemoryLog;

    fn parked(position: u64) -> ParkedEvent {
        ParkedEvent {
            process: "p".to_owned(),
            service: "s".to_owned(),
            position: Position(position),
            stream: format!("placement-{}", Uuid::nil()),
            event_type: "PlacementStarted".to_owned(),
            cause: "x".repeat(1_000),
            parked_at: Moment::EPOCH,
        }
    }

    #[tokio::test]
    async fn whoever_writes_at_what_another_has_passed_is_refused_and_a_lost_answer_is_told_again()
    {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        let [one, other] = [1, 2].map(|owner| Lease::new(Arc::clone(&log), Uuid::from_u128(owner)));
        let by = |lease: &Lease, position| Note {
            owner: lease.owner(),
            held: true,
            lanes: vec![LaneNote::new("p", "s", Position(position), &[])],
        };
        assert_eq!(one.look().await.unwrap(), Seen::default());
        assert_eq!(one.write(None, &by(&one, 1)).await.unwrap(), 0);
        // Both saw the same; the second of them hears no.
        assert_eq!(other.write(Some(0), &by(&other, 1)).await.unwrap(), 1);
        let late = one.write(Some(0), &by(&one, 2)).await;
        assert!(
            matches!(
                late,
                Err(AppendError::WrongExpected {
                    current: Some(1),
                    ..
                })
            ),
            "{late:?}"
        );
        let seen = other.look().await.unwrap();
        assert_eq!((seen.revision, seen.note), (Some(1), Some(by(&other, 1))));
        // Nobody heard that it was written; since then more has been done.
        assert_eq!(other.write(Some(0), &by(&other, 3)).await.unwrap(), 1);
        assert_eq!(other.look().await.unwrap().revision, Some(1));
    }

    #[test]
    fn a_checkpoint_holds_back_its_position_for_parked_events_that_have_no_room() {
        let few: Vec<_> = (1..=3).map(parked).collect();
        let note = LaneNote::new("p", "s", Position(9_000), &few);
        assert_eq!((note.position, note.parked.len()), (9_000, 3));
        assert_eq!(note.parked()[0].position, Position(1));

        let many: Vec<_> = (1..=1_000).map(parked).collect();
        let note = LaneNote::new("p", "s", Position(9_000), &many);
        assert_eq!((note.position, note.parked.len()), (200, 200));
        let whole = Note {
            owner: Uuid::nil(),
            held: true,
            lanes: vec![note; 8],
        };
        let bytes = serde_json::to_vec(&whole).unwrap().len();
        assert!(bytes < crate::log::rules::MAX_APPEND_BYTES, "{bytes}");
    }
}
