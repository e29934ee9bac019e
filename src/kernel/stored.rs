//! What a room's `wire.rs` promises: its events as stored JSON, and back, from every version ever written.

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Aggregate;

/// The one part of stored event JSON that holds a person's data (name, email, free text): an object under this
/// key. Everything else of an event can be kept for ever; this part can be encrypted per person.
pub const PERSONAL: &str = "personal";

/// A stored event type and the fields of its current version. Read models are checked against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventShape {
    /// The type's name.
    pub event_type: &'static str,
    /// Its top-level fields, without [`PERSONAL`].
    pub fields: &'static [&'static str],
    /// The fields within [`PERSONAL`].
    pub personal: &'static [&'static str],
}

impl EventShape {
    /// `event_type` with these fields, and these of a person.
    #[must_use]
    pub const fn of(
        event_type: &'static str,
        fields: &'static [&'static str],
        personal: &'static [&'static str],
    ) -> Self {
        Self {
            event_type,
            fields,
            personal,
        }
    }
}

/// A stored event that is none of this room's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No version of this room ever wrote that type.
    #[error("unknown event type {0}")]
    UnknownType(String),
    /// A newer Annals wrote it.
    #[error("{event_type} has schema version {version}, newer than {newest}")]
    TooNew {
        /// Its type.
        event_type: String,
        /// Its version.
        version: u32,
        /// The newest that this program reads.
        newest: u32,
    },
    /// The JSON does not fit the type.
    #[error("{event_type} cannot be read: {problem}")]
    Malformed {
        /// Its type.
        event_type: String,
        /// What does not fit.
        problem: String,
    },
}

impl WireError {
    /// Refuses what a newer Annals wrote.
    ///
    /// # Errors
    /// [`TooNew`](Self::TooNew) where `version` is beyond `newest`.
    pub fn refuse_newer(event_type: &str, version: u32, newest: u32) -> Result<(), Self> {
        if version <= newest {
            return Ok(());
        }
        Err(Self::TooNew {
            event_type: event_type.to_owned(),
            version,
            newest,
        })
    }
}

/// An aggregate whose events can be stored.
pub trait Stored: Aggregate {
    /// Every event type that its stream may hold.
    const SHAPES: &'static [EventShape];

    /// The schema version that is written now, and the JSON.
    ///
    /// # Errors
    /// Where the event has no JSON form, which its types make impossible.
    fn encode(event: &Self::Event) -> Result<(u32, Vec<u8>), WireError>;

    /// Reads any version ever written, upcasting step by step.
    ///
    /// # Errors
    /// See [`WireError`].
    fn decode(event_type: &str, schema_version: u32, data: &[u8])
    -> Result<Self::Event, WireError>;
}

/// The JSON of `stored`, for [`Stored::encode`].
///
/// # Errors
/// [`WireError::Malformed`] where it has no JSON form.
pub fn write_json(
    event_type: &str,
    version: u32,
    stored: &impl Serialize,
) -> Result<(u32, Vec<u8>), WireError> {
    match serde_json::to_vec(stored) {
        Ok(data) => Ok((version, data)),
        Err(problem) => Err(malformed(event_type, &problem)),
    }
}

/// One version's storage struct from its JSON, for [`Stored::decode`].
///
/// # Errors
/// [`WireError::Malformed`] where the JSON does not fit.
pub fn read_json<T: DeserializeOwned>(event_type: &str, data: &[u8]) -> Result<T, WireError> {
    // As text, so that it is looked at once whether it is text, and not for each string in it.
    let text = std::str::from_utf8(data).map_err(|problem| malformed(event_type, &problem))?;
    serde_json::from_str(text).map_err(|problem| malformed(event_type, &problem))
}

fn malformed(event_type: &str, problem: &impl Display) -> WireError {
    WireError::Malformed {
        event_type: event_type.to_owned(),
        problem: problem.to_string(),
    }
}
