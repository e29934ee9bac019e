//! Every method, found by its description, is sent what no well-meaning client sends. Guards against a field that nobody
//! checks, a panic that a stranger can cause, and a refusal that writes something.

use annals::grpc::{Grant, PUBLIC, grant};
use annals::kernel::{Moment, Role};
use annals::ops::clock;
use annals::ops::keys::OwnKey;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MethodDescriptor, ReflectMessage as _, Value,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::journey::id;
use crate::world::{World, action, code, methods, reason};

/// Beyond every text limit, below the message limit.
const HUGE_CHARS: usize = 100_000;
/// Beyond every limit of repeated fields.
const MANY: usize = 1_000;

/// What is sent, and what may be answered.
struct Rubbish {
    what: String,
    field: String,
    message: DynamicMessage,
    codes: &'static [Code],
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

fn is_identifier(field: &FieldDescriptor) -> bool {
    field.name().ends_with("_id")
}

fn is_date(field: &FieldDescriptor) -> bool {
    field.name() == "date" || field.name().ends_with("_date")
}

/// Wrong values of a field that is set, and the codes that may answer each.
fn wrong_values(field: &FieldDescriptor, good: &Value) -> Vec<(String, Value, &'static [Code])> {
    let text = |text: &str| Value::String(text.to_owned());
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
            cases
                .iter()
                .map(|case| (cut(case), text(case), WRONG))
                .collect()
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
            cases
                .iter()
                .map(|case| (cut(case), text(case), WRONG))
                .collect()
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
            cases
                .iter()
                .map(|case| (cut(case), text(case), WRONG))
                .collect()
        }
        Kind::String => {
            let codes = if NAMES.contains(&name) {
                WRONG_OR_UNKNOWN
            } else {
                WRONG
            };
            [huge.as_str(), "\u{0}\u{1b}[2J"]
                .iter()
                .map(|case| (cut(case), text(case), codes))
                .collect()
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

fn cut(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}

/// Every single wrong value in an otherwise good request, at any depth.
fn corrupted(good: &DynamicMessage, path: &str) -> Vec<Rubbish> {
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

/// A role that may, and the subject that may for certain.
fn allowed(world: &World, method: &MethodDescriptor) -> Option<String> {
    let action = action(method);
    let best = |wanted| {
        Role::ALL
            .into_iter()
            .find(|role| grant(&action, *role) == wanted)
    };
    let role = best(Grant::Any).or_else(|| best(Grant::Own))?;
    Some(world.mint(role, world.owner(role)))
}

fn names_field(status: &Status, field: &str) -> bool {
    let named = status
        .get_details_bad_request()
        .map(|bad| bad.field_violations)
        .unwrap_or_default();
    // A wrong message within a list or message may be named by its parent.
    named
        .iter()
        .any(|violation| violation.field == field || field.starts_with(violation.field.as_str()))
}

#[tokio::test]
async fn a_good_request_of_every_method_is_understood() {
    let world = World::make().await;
    let mut wrong = Vec::new();
    for method in methods() {
        let token = allowed(&world, &method);
        let outcome = world
            .call(&method, world.request(&method), token.as_deref())
            .await;
        let fine = [
            Code::Ok,
            Code::NotFound,
            Code::FailedPrecondition,
            Code::AlreadyExists,
        ];
        if !fine.contains(&code(&outcome)) {
            wrong.push(format!("{}: {outcome:?}", action(&method)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.stop().await;
}

#[tokio::test]
async fn every_field_of_every_method_refuses_rubbish_and_nothing_is_written() {
    let world = World::make().await;
    let (mut wrong, mut sent) = (Vec::new(), 0);
    for method in methods() {
        let token = allowed(&world, &method);
        let good = world.request(&method);
        let before = world.heads();
        for rubbish in corrupted(&good, "") {
            sent += 1;
            let outcome = world.call(&method, rubbish.message, token.as_deref()).await;
            let what = format!("{} with {}", action(&method), rubbish.what);
            match &outcome {
                Err(status) if !rubbish.codes.contains(&status.code()) => {
                    wrong.push(format!("{what}: {:?} {}", status.code(), status.message()));
                }
                Err(status) if reason(status).is_empty() => {
                    wrong.push(format!("{what}: no reason"));
                }
                Err(status)
                    if status.code() == Code::InvalidArgument
                        && !names_field(status, &rubbish.field) =>
                {
                    wrong.push(format!(
                        "{what}: does not name {}: {}",
                        rubbish.field,
                        status.message()
                    ));
                }
                Err(_) => {}
                Ok(_) => wrong.push(format!("{what}: accepted")),
            }
        }
        if world.heads() != before {
            wrong.push(format!("{} wrote something", action(&method)));
        }
    }
    println!("{sent} wrong requests");
    assert!(
        wrong.is_empty(),
        "{} of {sent}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    world.stop().await;
}

#[tokio::test]
async fn an_empty_request_of_a_command_names_every_field_that_it_lacks() {
    let world = World::make().await;
    let before = world.heads();
    for method in methods() {
        let input = method.input();
        let required: Vec<_> = input
            .fields()
            .filter(|field| is_identifier(field) || is_date(field))
            .map(|field| field.name().to_owned())
            .collect();
        if required.is_empty() {
            continue;
        }
        let token = allowed(&world, &method);
        let empty = DynamicMessage::new(input);
        let status = world
            .call(&method, empty, token.as_deref())
            .await
            .unwrap_err();
        assert_eq!(
            status.code(),
            Code::InvalidArgument,
            "{}: {status:?}",
            action(&method)
        );
        for field in required {
            assert!(
                names_field(&status, &field),
                "{} does not name {field}: {status:?}",
                action(&method)
            );
        }
    }
    assert_eq!(world.heads(), before);
    world.stop().await;
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_before_it_is_read() {
    let world = World::make().await;
    let before = world.heads();
    for method in methods() {
        let mut message = world.request(&method);
        let Some(field) = message
            .descriptor()
            .fields()
            .find(|f| matches!(f.kind(), Kind::String))
        else {
            continue;
        };
        let text = "x".repeat(world.config.limits.message_bytes + 1);
        message.set_field(&field, Value::String(text));
        let token = allowed(&world, &method);
        let status = world
            .call(&method, message, token.as_deref())
            .await
            .unwrap_err();
        let expected = [Code::OutOfRange, Code::ResourceExhausted];
        assert!(
            expected.contains(&status.code()),
            "{}: {status:?}",
            action(&method)
        );
    }
    assert_eq!(world.heads(), before);
    world.stop().await;
}

#[tokio::test]
async fn expired_forged_and_foreign_tokens_are_refused_by_every_method() {
    let world = World::make().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = OwnKey::open_or_make(elsewhere.path()).unwrap();
    let actor = annals::kernel::Actor {
        id: id("somebody"),
        role: Role::Import,
    };
    let hour = std::time::Duration::from_hours(1);
    let long_ago = Moment::parse("2020-01-01T00:00:00Z").unwrap();
    let good = world.mint(Role::Import, actor.id);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let admin = world.mint(Role::Admin, actor.id);
    let admin_claims = admin.split('.').nth(1).unwrap();
    let tokens = [
        ("expired", world.mint_at(Role::Import, actor.id, long_ago)),
        (
            "of another key",
            foreign
                .mint(actor, clock::now(), hour, &world.config.auth)
                .unwrap(),
        ),
        (
            "with other claims",
            format!("{header}.{admin_claims}.{signature}"),
        ),
        (
            "with half a signature",
            format!("{signed}.{}", signature.get(..20).unwrap()),
        ),
        // {"alg":"none"}
        ("unsigned", format!("eyJhbGciOiJub25lIn0.{claims}.")),
        ("of the system", world.mint(Role::System, actor.id)),
        ("nonsense", "nonsense".to_owned()),
        ("empty", String::new()),
    ];
    let before = world.heads();
    for method in methods() {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        if PUBLIC.contains(&path.as_str()) {
            continue;
        }
        for (what, token) in &tokens {
            let outcome = world
                .call(&method, world.request(&method), Some(token))
                .await;
            let status = outcome.expect_err(&format!("{path} with a token {what}"));
            assert_eq!(
                status.code(),
                Code::Unauthenticated,
                "{path} with a token {what}: {status:?}"
            );
            assert_eq!(reason(&status), "UNAUTHENTICATED", "{path}");
        }
    }
    assert_eq!(world.heads(), before);
    world.stop().await;
}

#[tokio::test]
async fn only_the_import_role_says_when_something_happened_and_never_of_the_future() {
    let world = World::make().await;
    let before = world.heads();
    for method in methods() {
        let Some(field) = method.input().get_field_by_name("occurred_at") else {
            continue;
        };
        if method.input().get_field_by_name("request_id").is_none() {
            continue;
        }
        for (role, seconds) in [
            (Role::Import, 4_102_444_800),
            (Role::Student, 0),
            (Role::Employer, 0),
            (Role::Admin, 0),
        ] {
            if grant(&action(&method), role) == Grant::Deny {
                continue;
            }
            let mut message = world.request(&method);
            let Kind::Message(timestamp) = field.kind() else {
                panic!("{field:?}")
            };
            let mut at = DynamicMessage::new(timestamp);
            at.set_field_by_name("seconds", Value::I64(seconds));
            message.set_field(&field, Value::Message(at));
            let token = world.mint(role, world.owner(role));
            let status = world
                .call(&method, message, Some(&token))
                .await
                .unwrap_err();
            assert!(
                names_field(&status, "occurred_at"),
                "{} as {role:?}: {status:?}",
                action(&method)
            );
        }
    }
    assert_eq!(world.heads(), before);
    world.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_by_every_method() {
    let world = World::make().await;
    let before = world.heads();
    // Field 1, length 2, and two bytes that are no UTF-8.
    for method in methods() {
        let Some(first) = method.input().get_field(1) else {
            continue;
        };
        if !matches!(first.kind(), Kind::String) {
            continue;
        }
        let token = allowed(&world, &method);
        let status = world
            .call_raw(&method, &[0x0a, 0x02, 0xff, 0xfe], token.as_deref())
            .await
            .unwrap_err();
        assert_eq!(
            status.code(),
            Code::InvalidArgument,
            "{}: {status:?}",
            action(&method)
        );
        assert_eq!(reason(&status), "INVALID_ARGUMENT", "{}", action(&method));
    }
    assert_eq!(world.heads(), before);
    world.stop().await;
}
