//! An aggregate as its stream says it is, with what the stream remembers of requests.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use serde::Deserialize;
use uuid::Uuid;

use super::order::{Committed, RequestDigest, Written};
use crate::kernel::{DomainEvent as _, Position, Revision, Stored, StreamName, WireError};
use crate::log::{Expected, RecordedEvent};

/// What one request wrote.
#[derive(Debug, Clone)]
struct Remembered {
    digest: RequestDigest,
    first: Revision,
    /// Ids and types of its events: most requests write one.
    event: (Uuid, &'static str),
    more: Vec<(Uuid, &'static str)>,
    position: Position,
}

impl Remembered {
    fn events(&self) -> impl Iterator<Item = (Uuid, &'static str)> {
        std::iter::once(self.event).chain(self.more.iter().copied())
    }
}

/// What an event's metadata says of the request; to read the rest of it takes as long as to read the event.
#[derive(Deserialize)]
struct Asked<'a> {
    request_id: Uuid,
    #[serde(borrow)]
    request_digest: Cow<'a, str>,
    schema_version: u32,
}

/// An aggregate brought up to `revision`.
#[derive(Debug, Clone)]
pub(super) struct Hydrated<A> {
    pub(super) state: A,
    pub(super) revision: Option<Revision>,
    pub(super) position: Position,
    requests: HashMap<Uuid, Remembered, RandomState>,
}

impl<A: Stored> Default for Hydrated<A> {
    fn default() -> Self {
        Self {
            state: A::default(),
            revision: None,
            position: Position::START,
            requests: HashMap::default(),
        }
    }
}

impl<A: Stored> Hydrated<A> {
    /// Weight of the state alone: one to two KB.
    pub(super) const BARE: u64 = 8;

    /// What an append must find.
    pub(super) fn expected(&self) -> Expected {
        self.revision.map_or(Expected::NoStream, Expected::Exact)
    }

    /// The next revision to read.
    pub(super) fn next(&self) -> Revision {
        self.revision.map_or(0, |revision| revision + 1)
    }

    /// How much memory it takes, roughly, in remembered requests.
    pub(super) fn weight(&self) -> u64 {
        Self::BARE + self.requests.len() as u64
    }

    /// Takes stored events in.
    pub(super) fn replay_all(&mut self, events: &[RecordedEvent]) -> Result<(), WireError> {
        self.requests.reserve(events.len());
        events.iter().try_for_each(|event| self.replay(event))
    }

    fn replay(&mut self, recorded: &RecordedEvent) -> Result<(), WireError> {
        let malformed = |problem: String| WireError::Malformed {
            event_type: recorded.event_type.to_string(),
            problem,
        };
        let metadata = std::str::from_utf8(&recorded.metadata)
            .map_err(|error| malformed(format!("metadata: {error}")))?;
        let metadata: Asked<'_> = serde_json::from_str(metadata)
            .map_err(|error| malformed(format!("metadata: {error}")))?;
        let digest = RequestDigest::from_hex(&metadata.request_digest).ok_or_else(|| {
            malformed("metadata: request_digest is not 32 hexadecimal digits".to_owned())
        })?;
        let event = A::decode(
            &recorded.event_type,
            metadata.schema_version,
            &recorded.data,
        )?;
        let asked = (metadata.request_id, digest);
        let (id, revision) = (recorded.id, recorded.revision);
        self.take(&event, asked, id, revision, recorded.position);
        Ok(())
    }

    /// Takes one event in, stored or just appended.
    pub(super) fn take(
        &mut self,
        event: &A::Event,
        (request, digest): (Uuid, RequestDigest),
        id: Uuid,
        revision: Revision,
        position: Position,
    ) {
        self.state.evolve(event);
        self.revision = Some(revision);
        self.position = position;
        let event = (id, event.event_type());
        match self.requests.entry(request) {
            Entry::Occupied(mut known) => {
                known.get_mut().more.push(event);
                known.get_mut().position = position;
            }
            Entry::Vacant(new) => {
                new.insert(Remembered {
                    digest,
                    first: revision,
                    event,
                    more: Vec::new(),
                    position,
                });
            }
        }
    }

    /// What the request answered, if this stream holds it; an error where the id stood for another payload.
    pub(super) fn answered(
        &self,
        stream: &StreamName,
        request: Uuid,
        digest: RequestDigest,
    ) -> Option<Result<Committed, ()>> {
        let remembered = self.requests.get(&request)?;
        if remembered.digest != digest {
            return Some(Err(()));
        }
        let events: Vec<Written> = (remembered.first..)
            .zip(remembered.events())
            .map(|(revision, (id, event_type))| Written {
                id,
                event_type,
                revision,
            })
            .collect();
        Some(Ok(Committed {
            stream: stream.clone(),
            revision: events.last().map(|event| event.revision),
            events,
            position: remembered.position,
            repeated: true,
        }))
    }
}
