//! What is asked of a handler, and what it answers.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context as Digest, SHA256};
use uuid::Uuid;

use crate::kernel::{
    Actor, Context, EventMetadata, Moment, Position, Revision, Role, StreamName, derived_id,
};
use crate::log::RecordedEvent;

/// Tells a retry from a reused request id: the first 16 bytes of the SHA-256 of what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestDigest([u8; 16]);

impl RequestDigest {
    /// Of `parts`, one after another. The first is the action, so that two methods never share a digest.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Digest::new(&SHA256);
        for part in parts {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut short = [0; 16];
        for (to, from) in short.iter_mut().zip(digest.finish().as_ref()) {
            *to = *from;
        }
        Self(short)
    }

    /// The stored form: 32 hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        self.0
            .iter()
            .fold(String::with_capacity(32), |mut text, byte| {
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
    }

    /// Reads the stored form.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let number = (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok())??;
        Some(Self(number.to_be_bytes()))
    }
}

/// Whose aggregate it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Anybody's.
    Any,
    /// The actor's own.
    Own,
}

/// One command, ready to be decided.
#[derive(Debug, Clone)]
pub struct Order<C> {
    /// The aggregate.
    pub id: Uuid,
    /// What is asked.
    pub command: C,
    /// Who, when, why.
    pub context: Context,
    /// Of the request's payload.
    pub digest: RequestDigest,
    /// The revision that the caller pinned.
    pub expected: Option<Revision>,
    /// Run all checks, change nothing.
    pub validate_only: bool,
    /// Whose aggregate it must be.
    pub ownership: Ownership,
}

impl<C> Order<C> {
    /// The same caller, time and request for another aggregate: the second stream of a command that touches two.
    #[must_use]
    pub fn with<D>(&self, id: Uuid, command: D) -> Order<D> {
        Order {
            id,
            command,
            context: self.context.clone(),
            digest: self.digest,
            expected: None,
            validate_only: self.validate_only,
            ownership: Ownership::Any,
        }
    }
}

/// The event that makes a process send commands.
#[derive(Debug, Clone)]
pub struct Cause {
    process: &'static str,
    event_id: Uuid,
    metadata: EventMetadata,
}

impl Cause {
    /// `event`, as `process` sees it.
    ///
    /// # Errors
    /// Where its metadata cannot be read.
    pub fn new(process: &'static str, event: &RecordedEvent) -> Result<Self, serde_json::Error> {
        Ok(Self {
            process,
            event_id: event.id,
            metadata: serde_json::from_slice(&event.metadata)?,
        })
    }

    /// The metadata of the causing event.
    #[must_use]
    pub fn metadata(&self) -> &EventMetadata {
        &self.metadata
    }

    /// The command that follows for the aggregate `id`. `step` tells apart two commands of one event to one aggregate.
    /// A repeat gives the same request id: at least once becomes once in effect. Times are inherited, so that
    /// what follows from an imported record is dated as the record is.
    #[must_use]
    pub fn order<C>(
        &self,
        step: &str,
        id: Uuid,
        command: C,
        reason: Option<String>,
        now: Moment,
    ) -> Order<C> {
        let request_id = derived_id(&[
            self.process.as_bytes(),
            step.as_bytes(),
            self.event_id.as_bytes(),
            id.as_bytes(),
        ]);
        Order {
            id,
            command,
            context: Context {
                actor: Actor {
                    id: derived_id(&[b"process", self.process.as_bytes()]),
                    role: Role::System,
                },
                request_id,
                correlation_id: self.metadata.correlation_id,
                causation_id: Some(self.event_id),
                reason,
                occurred_at: self.metadata.occurred_at,
                now,
                imported: self.metadata.imported,
            },
            digest: RequestDigest::of(&[step.as_bytes(), request_id.as_bytes()]),
            expected: None,
            validate_only: false,
            ownership: Ownership::Any,
        }
    }
}

/// One event of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its id.
    pub id: Uuid,
    /// Its type.
    pub event_type: &'static str,
    /// Its revision in the stream.
    pub revision: Revision,
}

/// What a command that was not refused answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The stream.
    pub stream: StreamName,
    /// The revision of the last event of this command; of the stream where it wrote none.
    pub revision: Option<Revision>,
    /// What was written; empty where nothing had to change.
    pub events: Vec<Written>,
    /// What a consistency token stands for.
    pub position: Position,
    /// The request id was answered before.
    pub repeated: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_from_its_stored_form() {
        let digest = RequestDigest::of(&[b"attendance.ClockIn", b"payload"]);
        assert_eq!(RequestDigest::from_hex(&digest.to_hex()), Some(digest));
        assert_ne!(
            digest,
            RequestDigest::of(&[b"attendance.ClockInpayload", b""])
        );
        assert_eq!(RequestDigest::from_hex("zz"), None);
    }
}
