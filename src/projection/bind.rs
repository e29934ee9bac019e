//! Parameters of a statement by name, from one recorded event.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::value::RawValue;

use super::object::{Object, Text};
use crate::kernel::PERSONAL;
use crate::log::RecordedEvent;

/// Where a parameter's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Param {
    Service,
    StreamId,
    Revision,
    Position,
    EventId,
    EventType,
    RecordedAt,
    Data,
    Metadata,
    Imported,
    /// A field of the metadata.
    Meta(&'static str),
    /// A field of the event.
    Field(String),
}

/// What is bound whatever the event: of the record, then of its metadata.
pub(super) const COMMON: [&str; 17] = [
    "service",
    "stream_id",
    "revision",
    "position",
    "event_id",
    "event_type",
    "recorded_at",
    "data",
    "metadata",
    "imported",
    "actor",
    "role",
    "request_id",
    "correlation_id",
    "causation_id",
    "reason",
    "occurred_at",
];

impl Param {
    /// What `name` stands for. Common names win over fields of the event.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "service" => Self::Service,
            "stream_id" => Self::StreamId,
            "revision" => Self::Revision,
            "position" => Self::Position,
            "event_id" => Self::EventId,
            "event_type" => Self::EventType,
            "recorded_at" => Self::RecordedAt,
            "data" => Self::Data,
            "metadata" => Self::Metadata,
            "imported" => Self::Imported,
            _ => COMMON
                .into_iter()
                .find(|common| *common == name)
                .map_or_else(|| Self::Field(name.to_owned()), Self::Meta),
        }
    }
}

/// A value as a database takes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bound<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
}

/// An event that cannot be bound. It will not get better by trying again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BindError {
    #[error("its {part} is not a JSON object: {problem}")]
    NotJson { part: &'static str, problem: String },
    #[error("{name} is {value}, which no 64-bit integer or float holds")]
    Number { name: String, value: String },
}

/// One event, its JSON looked through once, and only what a statement names; values are converted then.
pub(super) struct Facts<'a> {
    service: &'a str,
    event: &'a RecordedEvent,
    data: Object<'a>,
    personal: Object<'a>,
    metadata: OnceCell<Object<'a>>,
}

impl<'a> Facts<'a> {
    pub(super) fn read(service: &'a str, event: &'a RecordedEvent) -> Result<Self, BindError> {
        let data = object("data", &event.data)?;
        let personal = match data.get(PERSONAL) {
            Some(raw) => object(PERSONAL, raw.get().as_bytes())?,
            None => Object::default(),
        };
        Ok(Self {
            service,
            event,
            data,
            personal,
            metadata: OnceCell::new(),
        })
    }

    fn metadata(&self) -> Result<&Object<'a>, BindError> {
        if let Some(known) = self.metadata.get() {
            return Ok(known);
        }
        let read = object("metadata", &self.event.metadata)?;
        Ok(self.metadata.get_or_init(|| read))
    }

    pub(super) fn value(&self, param: &Param) -> Result<Bound<'_>, BindError> {
        let event = self.event;
        Ok(match param {
            Param::Service => Bound::Text(Cow::Borrowed(self.service)),
            Param::StreamId => Bound::Text(Cow::Borrowed(event.stream.as_str())),
            Param::Revision => integer("revision", event.revision)?,
            Param::Position => integer("position", event.position.0)?,
            Param::EventId => Bound::Text(Cow::Owned(event.id.to_string())),
            Param::EventType => Bound::Text(Cow::Borrowed(&event.event_type)),
            Param::RecordedAt => Bound::Text(Cow::Owned(event.recorded_at.to_string())),
            Param::Data => Bound::Text(String::from_utf8_lossy(&event.data)),
            Param::Metadata => Bound::Text(String::from_utf8_lossy(&event.metadata)),
            Param::Imported => match self.metadata()?.get("imported") {
                Some(raw) => scalar("imported", raw)?,
                None => Bound::Integer(0),
            },
            Param::Meta(name) => named(self.metadata()?, name)?,
            Param::Field(name) if self.data.get(name).is_some() => named(&self.data, name)?,
            Param::Field(name) => named(&self.personal, name)?,
        })
    }
}

/// A field that an event lacks is NULL: older versions lack what was added since.
fn named<'a>(object: &Object<'a>, name: &str) -> Result<Bound<'a>, BindError> {
    object
        .get(name)
        .map_or(Ok(Bound::Null), |raw| scalar(name, raw))
}

fn scalar<'a>(name: &str, raw: &'a RawValue) -> Result<Bound<'a>, BindError> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<Text<'a>>(text)
            .map(|text| Bound::Text(text.0))
            .map_err(|error| not_json("data", &error)),
        Some(b'{' | b'[') => Ok(Bound::Text(Cow::Borrowed(text))),
        Some(b't') => Ok(Bound::Integer(1)),
        Some(b'f') => Ok(Bound::Integer(0)),
        Some(b'n') | None => Ok(Bound::Null),
        Some(_) => number(name, text),
    }
}

fn number<'a>(name: &str, text: &str) -> Result<Bound<'a>, BindError> {
    let refused = || BindError::Number {
        name: name.to_owned(),
        value: text.to_owned(),
    };
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return text.parse().map(Bound::Integer).map_err(|_| refused());
    }
    text.parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
        .map(Bound::Real)
        .ok_or_else(refused)
}

fn integer(name: &str, value: u64) -> Result<Bound<'static>, BindError> {
    i64::try_from(value)
        .map(Bound::Integer)
        .map_err(|_| BindError::Number {
            name: name.to_owned(),
            value: value.to_string(),
        })
}

fn object<'a>(part: &'static str, json: &'a [u8]) -> Result<Object<'a>, BindError> {
    serde_json::from_slice(json).map_err(|error| not_json(part, &error))
}

fn not_json(part: &'static str, error: &serde_json::Error) -> BindError {
    BindError::NotJson {
        part,
        problem: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::kernel::{Moment, Position, StreamName};

    fn event(data: &'static str, metadata: &'static str) -> RecordedEvent {
        RecordedEvent {
            position: Position(9),
            stream: StreamName::new("worklist-1").unwrap(),
            revision: 3,
            id: Uuid::from_u128(5),
            event_type: "WorkSubmitted".into(),
            is_json: true,
            data: Bytes::from_static(data.as_bytes()),
            metadata: Bytes::from_static(metadata.as_bytes()),
            recorded_at: Moment::EPOCH,
        }
    }

    fn text(value: &str) -> Bound<'_> {
        Bound::Text(Cow::Borrowed(value))
    }

    #[test]
    fn every_kind_of_value_has_one_form() {
        let event = event(
            r#"{"title":"a \"b\"","late":true,"score":71.5,"n":-3,"none":null,"list":[1, 2],"personal":{"comment":"hi"},"reason":"not this"}"#,
            r#"{"actor":"me","reason":"why","imported":true}"#,
        );
        let facts = Facts::read("tasks", &event).unwrap();
        for (name, value) in [
            ("title", text("a \"b\"")),
            ("late", Bound::Integer(1)),
            ("score", Bound::Real(71.5)),
            ("n", Bound::Integer(-3)),
            ("none", Bound::Null),
            ("absent", Bound::Null),
            ("list", text("[1, 2]")),
            ("comment", text("hi")),
            ("reason", text("why")),
            ("actor", text("me")),
            ("causation_id", Bound::Null),
            ("imported", Bound::Integer(1)),
            ("service", text("tasks")),
            ("stream_id", text("worklist-1")),
            ("revision", Bound::Integer(3)),
            ("position", Bound::Integer(9)),
            ("recorded_at", text("1970-01-01T00:00:00.000000Z")),
        ] {
            assert_eq!(facts.value(&Param::of(name)).unwrap(), value, "{name}");
        }
    }

    #[test]
    fn what_is_not_imported_says_so() {
        let event = event("{}", "{}");
        let facts = Facts::read("tasks", &event).unwrap();
        assert_eq!(
            facts.value(&Param::of("imported")).unwrap(),
            Bound::Integer(0)
        );
    }

    #[test]
    fn rubbish_is_an_error_not_a_panic() {
        for data in ["", "[]", "{", "1", "\u{0}", r#"{"personal":3}"#] {
            assert!(Facts::read("tasks", &event(data, "{}")).is_err(), "{data}");
        }
        let large = event(r#"{"n":9223372036854775808,"m":1e999}"#, "{}");
        let facts = Facts::read("tasks", &large).unwrap();
        assert!(facts.value(&Param::of("n")).is_err());
        assert!(facts.value(&Param::of("m")).is_err());
    }
}
