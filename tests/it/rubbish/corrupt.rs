//! Every single wrong value in an otherwise good request, made from the description of its message.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value};
use tonic::Code;

/// Beyond every text limit, below the message limit.
const HUGE_CHARS: usize = 100_000;
/// Beyond every limit of repeated fields.
const MANY: usize = 1_000;

/// What is sent, and what may be answered.
pub(super) struct Rubbish {
    /// Which value of which field.
    pub(super) what: String,
    /// The field's path.
    pub(super) field: String,
    pub(super) message: DynamicMessage,
    pub(super) codes: &'static [Code],
}

/// Where the field is wrong in itself.
const WRONG: &[Code] = &[Code::InvalidArgument];
/// Where it names something that is not there.
const WRONG_OR_UNKNOWN: &[Code] = &[Code::InvalidArgument, Code::NotFound];

/// A revision that the stream never had: a conflict, unless the command is refused anyway.
const PINNED: &[Code] = &[
    Code::Aborted,
    Code::FailedPrecondition,
    Code::NotFound,
    Code::AlreadyExists,
];

/// Fields that hold what an earlier answer said, or a language of their own.
const TOKENS: [&str; 3] = ["page_token", "consistency_token", "filter"];

/// Fields that name something by a text that is no UUID.
const NAMES: [&str; 7] = [
    "name", "owner", "service", "model", "query", "stream", "code",
];

pub(super) fn is_identifier(field: &FieldDescriptor) -> bool {
    field.name().ends_with("_id")
}

pub(super) fn is_date(field: &FieldDescriptor) -> bool {
    field.name() == "date" || field.name().ends_with("_date")
}

/// Wrong values of a field that is set, and the codes that may answer each.
fn wrong_values(field: &FieldDescriptor, good: &Value) -> Vec<(String, Value, &'static [Code])> {
    let huge = "x".repeat(HUGE_CHARS);
    let name = field.name();
    match field.kind() {
        _ if field.is_list() => {
            let one = good.as_list().and_then(<[_]>::first).cloned();
            let many = Value::List(vec![one.unwrap(); MANY]);
            vec![("many".to_owned(), many, WRONG)]
        }
        Kind::String if TOKENS.contains(&name) => {
            let cases = ["nonsense((", "v1.AAAA", "\u{0}", &huge];
            texts(&cases, WRONG)
        }
        Kind::String if is_identifier(field) => {
            let simple = "2c5ea4c0406711e98bad9b1deb4d3b7d";
            let nil = "00000000-0000-0000-0000-000000000000";
            let cases = [
                "",
                "nonsense",
                nil,
                simple,
                "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7",
                &huge,
            ];
            texts(&cases, WRONG)
        }
        Kind::String if is_date(field) => {
            let cases = [
                "",
                "tomorrow",
                "2024-02-30",
                "2024-1-2",
                "0000-01-01",
                "20240-01-01",
                &huge,
            ];
            texts(&cases, WRONG)
        }
        Kind::String => {
            let codes = if NAMES.contains(&name) {
                WRONG_OR_UNKNOWN
            } else {
                WRONG
            };
            texts(&[&huge, "\u{0}\u{1b}[2J"], codes)
        }
        Kind::Enum(_) => [0, 99, -1]
            .map(|number| (number.to_string(), Value::EnumNumber(number), WRONG))
            .to_vec(),
        Kind::Int32 => [-1, i32::MIN]
            .map(|number| (number.to_string(), Value::I32(number), WRONG))
            .to_vec(),
        Kind::Uint32 => vec![(u32::MAX.to_string(), Value::U32(u32::MAX), WRONG)],
        Kind::Uint64 if name == "expected_revision" => {
            vec![(u64::MAX.to_string(), Value::U64(u64::MAX), PINNED)]
        }
        Kind::Uint64 => vec![(u64::MAX.to_string(), Value::U64(u64::MAX), WRONG_OR_UNKNOWN)],
        Kind::Double => [f64::NAN, f64::INFINITY, -1.0, 1e300]
            .map(|number| (number.to_string(), Value::F64(number), WRONG))
            .to_vec(),
        Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
            [(i64::MAX, 0), (i64::MIN, 0), (0, -1), (0, i32::MAX)]
                .map(|(seconds, nanos)| {
                    let mut at = DynamicMessage::new(message.clone());
                    at.set_field_by_name("seconds", Value::I64(seconds));
                    at.set_field_by_name("nanos", Value::I32(nanos));
                    (format!("{seconds} s {nanos} ns"), Value::Message(at), WRONG)
                })
                .to_vec()
        }
        _ => Vec::new(),
    }
}

fn texts(cases: &[&str], codes: &'static [Code]) -> Vec<(String, Value, &'static [Code])> {
    let value = |case: &&str| (cut(case), Value::String((*case).to_owned()), codes);
    cases.iter().map(value).collect()
}

fn cut(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}

/// Every single wrong value in an otherwise good request, at any depth.
pub(super) fn corrupted(good: &DynamicMessage, path: &str) -> Vec<Rubbish> {
    let mut all = Vec::new();
    for field in good.descriptor().fields() {
        let value = &*good.get_field(&field);
        let field_path = format!("{path}{}", field.name());
        for (what, wrong, codes) in wrong_values(&field, value) {
            let mut message = good.clone();
            message.set_field(&field, wrong);
            let what = format!("{field_path} = {what}");
            all.push(Rubbish {
                what,
                field: field_path.clone(),
                message,
                codes,
            });
        }
        let nested =
            |inner: &DynamicMessage, path: &str, wrap: &dyn Fn(DynamicMessage) -> Value| {
                corrupted(inner, path)
                    .into_iter()
                    .map(|rubbish| {
                        let mut message = good.clone();
                        message.set_field(&field, wrap(rubbish.message));
                        Rubbish { message, ..rubbish }
                    })
                    .collect::<Vec<_>>()
            };
        match value {
            Value::Message(inner) if !inner.descriptor().full_name().starts_with("google.") => {
                all.extend(nested(inner, &format!("{field_path}."), &Value::Message));
                let mut message = good.clone();
                message.clear_field(&field);
                all.push(Rubbish {
                    what: format!("{field_path} unset"),
                    field: field_path,
                    message,
                    codes: WRONG,
                });
            }
            Value::List(items) => {
                let Some(Value::Message(first)) = items.first() else {
                    continue;
                };
                let rest = items.get(1..).unwrap_or_default().to_vec();
                all.extend(nested(first, &format!("{field_path}[0]."), &|first| {
                    Value::List([vec![Value::Message(first)], rest.clone()].concat())
                }));
            }
            _ => {}
        }
    }
    all
}
