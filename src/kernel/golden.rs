//! Golden files: one stored event per type and version ever written. They guard against a change of the stored form
//! that would make yesterday's log unreadable, or read it as something else.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

use serde_json::Value;

use super::{DomainEvent, PERSONAL, Stored};

/// Every version of every type of `A` has its golden file, reads, and is written again: today's version word for
/// word, and with exactly the fields that the shape declares.
pub(crate) fn holds<A: Stored>()
where
    A::Event: PartialEq + Debug,
{
    for shape in A::SHAPES {
        let (event, mut version) =
            read::<A>(shape.event_type, 1).expect("a golden file of version 1");
        assert_eq!(event.event_type(), shape.event_type);
        let (newest, data) = A::encode(&event).expect("encodes");
        while version < newest {
            version += 1;
            read::<A>(shape.event_type, version).expect("a golden file of each version");
        }
        let written: Value = serde_json::from_slice(&data).expect("JSON");
        assert_eq!(
            fields(&written),
            shape.fields.iter().map(ToString::to_string).collect(),
            "{}",
            shape.event_type
        );
        let personal = written.get(PERSONAL).map(fields).unwrap_or_default();
        assert_eq!(
            personal,
            shape.personal.iter().map(ToString::to_string).collect(),
            "{}",
            shape.event_type
        );
        assert_eq!(
            written,
            json(shape.event_type, newest).expect("the newest golden file"),
            "{}",
            shape.event_type
        );
        assert!(
            A::decode(shape.event_type, newest + 1, &data).is_err(),
            "a newer version is refused"
        );
        assert!(
            A::decode(shape.event_type, newest, b"{}").is_err(),
            "missing fields are refused"
        );
    }
    assert!(A::decode("NeverHeardOf", 1, b"{}").is_err());
}

fn read<A: Stored>(event_type: &str, version: u32) -> Option<(A::Event, u32)> {
    let text = json(event_type, version)?.to_string();
    Some((
        A::decode(event_type, version, text.as_bytes()).expect("decodes"),
        version,
    ))
}

fn json(event_type: &str, version: u32) -> Option<Value> {
    let file = format!("tests/golden/{event_type}.v{version}.json");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).ok()?;
    Some(serde_json::from_str(&text).expect("JSON"))
}

fn fields(value: &Value) -> BTreeSet<String> {
    let object = value.as_object().expect("an object");
    object
        .keys()
        .filter(|key| *key != PERSONAL)
        .cloned()
        .collect()
}
