//! Who is not let in, and who may not say when something happened.

use std::time::Duration;

use annals::grpc::{Grant, PUBLIC, grant};
use annals::kernel::{Actor, Moment, Role};
use annals::ops::clock;
use annals::ops::keys::OwnKey;
use prost_reflect::{DynamicMessage, Kind, Value};
use tonic::Code;

use super::{Untouched, names_field};
use crate::support::journey::id;
use crate::world::{action, methods, reason};

#[tokio::test]
async fn expired_forged_and_foreign_tokens_are_refused_by_every_method() {
    let world = Untouched::make().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = OwnKey::open_or_make(elsewhere.path()).unwrap();
    let actor = Actor {
        id: id("somebody"),
        role: Role::Import,
    };
    let hour = Duration::from_hours(1);
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
    world.stop().await;
}

#[tokio::test]
async fn only_the_import_role_says_when_something_happened_and_never_of_the_future() {
    let world = Untouched::make().await;
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
    world.stop().await;
}
