//! What playing the calls that a real server had answered taught: groups at the edges, broken batches, operations.

use std::sync::Arc;
use std::time::Duration;

use annals::log::memory::MemoryLog;
use annals::log::wire;
use annals::proto::event_store::client::operations::operations_client::OperationsClient;
use annals::proto::event_store::client::streams::{
    BatchAppendReq, batch_append_req, batch_append_resp,
};
use annals::proto::event_store::client::users as people;
use annals::proto::event_store::client::{self as shared};
use people::users_client::UsersClient;
use tokio::sync::Notify;
use tonic::Code;
use uuid::Uuid;

use crate::wire_client::*;
use crate::wire_consumer::{create, create_on_all, join, until};

#[tokio::test]
async fn a_group_on_everything_does_not_feed_on_its_own_notes() {
    let node = Node::memory().await;
    node.put("s", ANY, vec![event(1), event(2)]).await;
    create_on_all(&node).await.unwrap();
    let mut consumer = join(&node, "$all", 10).await.unwrap();
    // The third is that there is such a group.
    for _ in 0..3 {
        let (id, ..) = consumer.next().await;
        consumer.ack(id).await;
    }
    until(&node, "$all", |info| {
        !info.last_checkpointed_event_position.is_empty()
            && info.last_checkpointed_event_position == info.last_known_event_position
    })
    .await;
    let notes = stream("$persistentsubscription-$all::g-checkpoint");
    let written = node.read(notes.clone()).await.unwrap();
    // Many times the tick at which checkpoints are written.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let later = node.read(notes).await.unwrap();
    assert_eq!(briefly(&later), briefly(&written));
    let everything = briefly(&node.read(all()).await.unwrap());
    assert!(
        everything.iter().all(|text| !text.contains("$all::g")),
        "{everything:?}"
    );
}

#[tokio::test]
async fn a_tombstone_that_is_not_acknowledged_holds_the_checkpoint_where_it_was() {
    let node = Node::memory().await;
    node.put("s", ANY, vec![event(1), event(2)]).await;
    create(&node, "s").await.unwrap();
    let mut consumer = join(&node, "s", 10).await.unwrap();
    for _ in 0..2 {
        let (id, ..) = consumer.next().await;
        consumer.ack(id).await;
    }
    node.tombstone("s").await.unwrap();
    assert_eq!(consumer.next().await.1, u64::MAX >> 1);
    until(&node, "s", |info| {
        info.last_checkpointed_event_position == "1"
    })
    .await;
}

#[tokio::test]
async fn a_consumer_of_a_stream_that_has_ended_is_confirmed_and_dropped() {
    let node = Node::memory().await;
    node.tombstone("s").await.unwrap();
    create(&node, "s").await.unwrap();
    for _ in 0..2 {
        let mut consumer = join(&node, "s", 10).await.unwrap();
        let dropped = consumer.gets.message().await.unwrap_err();
        assert_eq!(dropped.code(), Code::Cancelled);
        assert_eq!(
            dropped.metadata().get("exception").unwrap(),
            "persistent-subscription-dropped"
        );
    }
}

#[tokio::test]
async fn an_append_without_a_usable_correlation_id_is_refused_and_the_next_is_written() {
    let node = Node::memory().await;
    let append = |correlation: Option<&str>| BatchAppendReq {
        correlation_id: correlation.map(|id| shared::Uuid {
            value: Some(shared::uuid::Value::String(id.to_owned())),
        }),
        options: Some(batch_append_req::Options {
            stream_identifier: Some(name("s")),
            expected_stream_position: Some(
                batch_append_req::options::ExpectedStreamPosition::NoStream(()),
            ),
            deadline_option: None,
        }),
        proposed_messages: Vec::new(),
        is_final: true,
    };
    let good = Uuid::from_u128(1).to_string();
    let nil = Uuid::nil().to_string();
    let requests = vec![
        append(None),
        append(Some("nonsense")),
        append(Some(&nil)),
        append(Some(&good)),
    ];
    let mut client = node.streams.clone();
    let call = client.batch_append(futures::stream::iter(requests));
    let mut replies = call.await.unwrap().into_inner();
    let mut kinds = Vec::new();
    while let Some(reply) = replies.message().await.unwrap() {
        kinds.push(match reply.result.unwrap() {
            batch_append_resp::Result::Success(_) => "written".to_owned(),
            batch_append_resp::Result::Error(error) => error.details.unwrap().type_url,
        });
    }
    let refused = "type.googleapis.com/event_store.client.BadRequest";
    assert_eq!(kinds, [refused, refused, refused, "written"]);
}

#[tokio::test]
async fn a_client_may_stop_a_node_that_lets_it_and_no_other() {
    let asked = Arc::new(Notify::new());
    let options = wire::Options {
        stop: Some(Arc::clone(&asked)),
        ..wire::Options::default()
    };
    let node = Node::over(Arc::new(MemoryLog::new()), options, None).await;
    let mut operations = OperationsClient::new(node.channel.clone());
    operations.shutdown(EMPTY).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), asked.notified())
        .await
        .unwrap();
    let node = Node::memory().await;
    let mut operations = OperationsClient::new(node.channel.clone());
    let refused = operations.shutdown(EMPTY).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn users_are_kept_changed_and_removed_and_a_wrong_password_changes_nothing() {
    for node in [Node::memory().await, Node::engine().await] {
        let mut users = UsersClient::new(node.channel.clone());
        let ada = people::create_req::Options {
            login_name: "ada".into(),
            password: "first".into(),
            full_name: "Ada".into(),
            groups: vec!["readers".into()],
        };
        let create = people::CreateReq { options: Some(ada) };
        users.create(create.clone()).await.unwrap();
        let twice = users.create(create).await.unwrap_err();
        assert_eq!(twice.code(), Code::FailedPrecondition);
        assert_eq!(twice.metadata().get("exception").unwrap(), "user-conflict");
        let change = |current: &str, new: &str| people::ChangePasswordReq {
            options: Some(people::change_password_req::Options {
                login_name: "ada".into(),
                current_password: current.into(),
                new_password: new.into(),
            }),
        };
        let wrong = users.change_password(change("guessed", "x")).await;
        assert_eq!(wrong.unwrap_err().code(), Code::PermissionDenied);
        users
            .change_password(change("first", "second"))
            .await
            .unwrap();
        users
            .change_password(change("second", "third"))
            .await
            .unwrap();
        let disable = people::disable_req::Options {
            login_name: "ada".into(),
        };
        users
            .disable(people::DisableReq {
                options: Some(disable),
            })
            .await
            .unwrap();
        assert_eq!(
            told(&mut users, "").await,
            ["admin on", "ops on", "ada off"]
        );
        assert_eq!(told(&mut users, "ada").await, ["ada off"]);
        let delete = people::delete_req::Options {
            login_name: "ada".into(),
        };
        users
            .delete(people::DeleteReq {
                options: Some(delete),
            })
            .await
            .unwrap();
        assert_eq!(told(&mut users, "").await, ["admin on", "ops on"]);
        let missing = people::DetailsReq {
            options: Some(people::details_req::Options {
                login_name: "ada".into(),
            }),
        };
        let missing = users.details(missing).await.unwrap_err();
        assert_eq!(missing.code(), Code::NotFound);
        assert_eq!(missing.metadata().get("login-name").unwrap(), "ada");
    }
}

async fn told(users: &mut UsersClient<tonic::transport::Channel>, login: &str) -> Vec<String> {
    let options = people::details_req::Options {
        login_name: login.into(),
    };
    let request = people::DetailsReq {
        options: Some(options),
    };
    let mut replies = users.details(request).await.unwrap().into_inner();
    let mut told = Vec::new();
    while let Some(reply) = replies.message().await.unwrap() {
        let user = reply.user_details.unwrap();
        let stands = if user.disabled { "off" } else { "on" };
        told.push(format!("{} {stands}", user.login_name));
    }
    told
}
