//! A read model follows its logs: what was written is seen, waited for, gone on with, and parked where it does not fit.

use std::time::Duration;

use uuid::Uuid;

use super::world::{WAIT, World, append, list, settled, words};
use crate::kernel::{ConsistencyToken, Position};
use crate::projection::{QueryError, Retried};

#[tokio::test]
async fn a_query_that_waits_for_its_token_sees_its_own_write() {
    let world = World::new();
    let projections = world.start(words()).await;
    for round in 1..=20 {
        let token = world.says("one-a", "tern", 1).await;
        projections.wait_for("words", &token, WAIT).await.unwrap();
        assert_eq!(
            list(&projections).await,
            [format!("word | word=tern | ones={round} | twos=0")]
        );
    }
    projections.close().await;
}

#[tokio::test]
async fn a_token_is_reached_by_events_that_do_not_matter_too() {
    let world = World::new();
    let projections = world.start(words()).await;
    let position = append(&world.two, "two-a", "Unheard", "{}".to_owned()).await;
    let token = ConsistencyToken::new("two", position);
    projections.wait_for("words", &token, WAIT).await.unwrap();
    let elsewhere = ConsistencyToken::new("three", Position(9));
    projections
        .wait_for("words", &elsewhere, WAIT)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_never_comes_is_said_to_lag() {
    let world = World::new();
    let projections = world.start(words()).await;
    let token = ConsistencyToken::new("one", Position(9));
    let lag = projections
        .wait_for("words", &token, Duration::from_millis(20))
        .await;
    assert!(
        matches!(
            lag,
            Err(QueryError::Lagging {
                needed: Position(9),
                ..
            })
        ),
        "{lag:?}"
    );
}

#[tokio::test]
async fn a_restart_goes_on_where_it_stopped() {
    let world = World::new();
    let projections = world.start(words()).await;
    let token = world.says("one-a", "tern", 2).await;
    projections.wait_for("words", &token, WAIT).await.unwrap();
    projections.close().await;
    world.says("two-a", "tern", 3).await;
    let token = world.says("two-a", "gull", 1).await;
    let projections = world.start(words()).await;
    projections.wait_for("words", &token, WAIT).await.unwrap();
    assert_eq!(
        list(&projections).await,
        [
            "word | word=gull | ones=0 | twos=1",
            "word | word=tern | ones=2 | twos=3"
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_applied_is_parked_with_its_stream_and_the_rest_goes_on() {
    let world = World::new();
    let projections = world.start(words()).await;
    let bad = append(
        &world.one,
        "one-a",
        "OneSaid",
        r#"{"word":"tern","times":null}"#.to_owned(),
    )
    .await;
    let behind = world.says("one-a", "tern", 1).await;
    let token = world.says("one-b", "gull", 1).await;
    projections.wait_for("words", &token, WAIT).await.unwrap();
    assert_eq!(
        list(&projections).await,
        ["word | word=gull | ones=1 | twos=0"]
    );

    let parked = projections.parked("words", None, 10).await.unwrap();
    assert_eq!(parked.len(), 2);
    assert!(parked[0].cause.contains("NOT NULL"), "{}", parked[0].cause);
    assert_eq!(parked[1].cause, "", "it only waits behind the first");
    assert_eq!(projections.status().await[0].parked, 2);

    let behind = behind.iter().next().unwrap().1;
    let answer = projections.retry("words", "one", behind).await.unwrap();
    assert_eq!(answer, Retried::Behind { position: bad });
    let answer = projections.retry("words", "one", bad).await.unwrap();
    assert!(matches!(answer, Retried::Failed { .. }), "{answer:?}");
    let answer = projections
        .skip("words", "one", bad, "a test")
        .await
        .unwrap();
    assert_eq!(answer, Retried::Handled { followed: 1 });
    assert_eq!(
        projections
            .skip("words", "one", bad, "again")
            .await
            .unwrap(),
        Retried::Unknown
    );
    assert_eq!(projections.status().await[0].parked, 0);
    let skipped = [
        "word | word=gull | ones=1 | twos=0",
        "word | word=tern | ones=1 | twos=0",
    ];
    assert_eq!(list(&projections).await, skipped);

    let operation = projections.rebuild("words", Uuid::from_u128(1)).unwrap();
    assert_eq!(settled(&projections, &operation.name).await.error, "");
    assert_eq!(
        list(&projections).await,
        skipped,
        "a rebuild passes over it again"
    );
}
