//! Who does what, when and why: the part of an event that is the same in every room.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Moment;

/// What a caller is, as its verified token says. Stable names: they are stored in every event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Acts only on what is theirs.
    Student,
    /// Acts only on their own internships.
    Employer,
    /// May override; an override carries a reason.
    Admin,
    /// Reads everything, changes nothing.
    Auditor,
    /// Issues certificates where an admin delegated it, and verifies them.
    Partner,
    /// Brings records of the past in: the only role whose `occurred_at` may lie in the past.
    Import,
    /// The processes of Annals itself; no token carries it.
    System,
}

impl Role {
    /// Every role, in the order of the policy table's columns.
    pub const ALL: [Self; 7] = [
        Self::Student,
        Self::Employer,
        Self::Admin,
        Self::Auditor,
        Self::Partner,
        Self::Import,
        Self::System,
    ];

    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Student => "STUDENT",
            Self::Employer => "EMPLOYER",
            Self::Admin => "ADMIN",
            Self::Auditor => "AUDITOR",
            Self::Partner => "PARTNER",
            Self::Import => "IMPORT",
            Self::System => "SYSTEM",
        }
    }

    /// The role of that name, in any case of letters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(text))
    }
}

/// An authenticated caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The token's subject.
    pub id: Uuid,
    /// The token's role.
    pub role: Role,
}

/// Everything a decision may know besides its aggregate's state: nothing here is looked up while deciding.
#[derive(Debug, Clone)]
pub struct Context {
    /// Who asks.
    pub actor: Actor,
    /// The command's idempotency key (AIP-155), chosen by the client.
    pub request_id: Uuid,
    /// One id for everything that follows from one request of a client.
    pub correlation_id: Uuid,
    /// The event that made a process send this command; none where a client did.
    pub causation_id: Option<Uuid>,
    /// Why, where the rules ask for it.
    pub reason: Option<String>,
    /// When it happened: `now`, or a time in the past for the import role.
    pub occurred_at: Moment,
    /// The server's clock when the command arrived.
    pub now: Moment,
    /// The event tells of something that was recorded elsewhere before.
    pub imported: bool,
}

/// The metadata of every event, as stored (JSON). Fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventMetadata {
    /// Who did it.
    pub actor: Uuid,
    /// In which role.
    pub role: Role,
    /// The command's idempotency key.
    pub request_id: Uuid,
    /// Digest of the command's payload, hex: what tells a retry from a reused id.
    pub request_digest: String,
    /// One id for everything that follows from one request of a client.
    pub correlation_id: Uuid,
    /// The event that caused the command, for those that a process sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
    /// Why, where the rules ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it happened.
    pub occurred_at: Moment,
    /// Whether it was brought in from elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// The version of the event's schema.
    pub schema_version: u32,
}
