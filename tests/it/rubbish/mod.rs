//! Every method, found by its description, is sent what no well-meaning client sends. Guards against a field that nobody
//! checks, a panic that a stranger can cause, and a refusal that writes something.

mod corrupt;
mod strangers;

use std::collections::BTreeMap;
use std::ops::Deref;

use annals::grpc::{Grant, grant};
use annals::kernel::Role;
use prost_reflect::{DynamicMessage, Kind, MethodDescriptor, ReflectMessage as _, Value};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use self::corrupt::{corrupted, is_date, is_identifier};
use crate::world::{World, action, code, methods, reason};

/// A world in which nothing is written from now on.
struct Untouched {
    world: World,
    before: BTreeMap<&'static str, i64>,
}

impl Untouched {
    async fn make() -> Self {
        let world = World::make().await;
        let before = world.heads();
        Self { world, before }
    }

    /// What somebody who may call `method` is answered.
    async fn refusal(&self, method: &MethodDescriptor, message: DynamicMessage) -> Status {
        let token = allowed(self, method);
        let outcome = self.call(method, message, token.as_deref()).await;
        outcome.unwrap_err()
    }

    async fn stop(self) {
        assert_eq!(self.world.heads(), self.before);
        self.world.stop().await;
    }
}

impl Deref for Untouched {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
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
    let world = Untouched::make().await;
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
        let empty = DynamicMessage::new(input);
        let status = world.refusal(&method, empty).await;
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
    world.stop().await;
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_before_it_is_read() {
    let world = Untouched::make().await;
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
        let status = world.refusal(&method, message).await;
        let expected = [Code::OutOfRange, Code::ResourceExhausted];
        assert!(
            expected.contains(&status.code()),
            "{}: {status:?}",
            action(&method)
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_by_every_method() {
    let world = Untouched::make().await;
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
    world.stop().await;
}
