//! Guards against: a retry that counts twice, a refusal from stale memory, a lost update between two servers.
#![allow(
    clippy::cast_possible_truncation,
    clippy::unnecessary_lazy_evaluations,
    clippy::wildcard_enum_match_arm,
    reason = "small numbers, and every other outcome is a failure"
)]

mod purse;

use std::sync::Arc;

use futures::FutureExt as _;
use proptest::prelude::*;
use uuid::Uuid;

use self::purse::{LIMIT, PURSE, Purse, count, order, server};
use super::hydrated::Hydrated;
use super::record::encode;
use super::{CommandError, Handler, Order};
use crate::kernel::{Aggregate as _, Moment, Position, StreamName};
use crate::log::memory::MemoryLog;
use crate::log::witness::Witness;
use crate::log::{EventLog as _, Expected};

#[tokio::test]
async fn a_retry_answers_what_the_first_attempt_answered_after_a_restart_and_after_others_wrote() {
    let log = MemoryLog::new();
    let first = server(&log).execute(&order(1, 5)).await.unwrap();
    server(&log).execute(&order(2, 6)).await.unwrap();
    let again = server(&log).execute(&order(1, 5)).await.unwrap();
    assert!(again.repeated && !first.repeated);
    assert_eq!(
        (again.revision, &again.events, again.position),
        (first.revision, &first.events, first.position)
    );
    assert_eq!(count(&log).await, 2);
}

#[tokio::test]
async fn a_retry_that_others_made_pointless_still_answers_the_first_answer() {
    let log = MemoryLog::new();
    let handler = server(&log);
    let first = handler.execute(&order(1, 60)).await.unwrap();
    handler.execute(&order(2, 40)).await.unwrap();
    // Decided anew, 60 more would be refused.
    assert_eq!(
        handler.execute(&order(1, 60)).await.unwrap().events,
        first.events
    );
}

#[tokio::test]
async fn a_request_id_with_another_payload_is_refused() {
    let log = MemoryLog::new();
    let handler = server(&log);
    handler.execute(&order(1, 5)).await.unwrap();
    let refused = handler.execute(&order(1, 6)).await.unwrap_err();
    assert!(
        matches!(refused, CommandError::RequestIdReused(_)),
        "{refused}"
    );
    assert_eq!(count(&log).await, 1);
}

/// Where the log knows repeats by their ids alone and does not say so, the ids have to tell.
#[tokio::test]
async fn of_two_servers_that_take_one_request_id_at_once_the_second_answers_what_was_written() {
    let mut later = order(2, 5);
    later.context.occurred_at = Moment::from_unix_micros(1).unwrap();
    for (second, reused) in [(order(2, 6), true), (later, false), (order(2, 5), false)] {
        let log = MemoryLog::new();
        let forgetful = Arc::new(Witness::of(log.clone()).forgetful());
        let [one, two] = [0; 2].map(|_| Handler::<Purse>::new(forgetful.clone(), 100));
        one.execute(&order(1, 1)).await.unwrap();
        two.state(PURSE).await.unwrap();
        let first = one.execute(&order(2, 5)).await.unwrap();
        // It has not seen that.
        match two.execute(&second).await {
            Ok(answer) => assert!(!reused && answer.events == first.events, "{answer:?}"),
            Err(refused) => assert!(
                reused && matches!(refused, CommandError::RequestIdReused(_)),
                "{refused}"
            ),
        }
        assert_eq!(count(&log).await, 2);
        assert_eq!(two.state(PURSE).await.unwrap().unwrap().total, 6);
    }
}

#[tokio::test]
async fn of_two_servers_that_take_one_request_at_once_the_second_says_that_it_repeats() {
    let log = MemoryLog::new();
    let (one, two) = (server(&log), server(&log));
    one.execute(&order(1, 1)).await.unwrap();
    two.state(PURSE).await.unwrap();
    let first = one.execute(&order(2, 5)).await.unwrap();
    let second = two.execute(&order(2, 5)).await.unwrap();
    assert!(second.repeated && !first.repeated);
    assert_eq!(
        (second.events, second.position),
        (first.events, first.position)
    );
}

#[tokio::test]
async fn a_revision_that_another_server_wrote_can_be_pinned() {
    let log = MemoryLog::new();
    let (one, two) = (server(&log), server(&log));
    one.execute(&order(1, 1)).await.unwrap();
    two.execute(&order(2, 1)).await.unwrap();
    let pinned = Order {
        expected: Some(1),
        ..order(3, 1)
    };
    assert_eq!(one.execute(&pinned).await.unwrap().revision, Some(2));
}

#[tokio::test]
async fn a_long_stream_that_comes_in_short_pages_is_replayed_without_a_gap() {
    const EVENTS: u64 = 1_300;
    let log = MemoryLog::new();
    let stream = StreamName::of(Purse::CATEGORY, PURSE);
    for request in 0..EVENTS {
        let order = order(request.into(), 1);
        let events = Purse::default().decide(&1, &order.context).unwrap();
        let events = encode::<Purse>(&stream, &order, &events).unwrap();
        log.append(&stream, Expected::Any, events).await.unwrap();
    }
    let paged = Witness::of(log).in_pages_of(100);
    let handler = Handler::<Purse>::new(Arc::new(paged), 100);
    assert_eq!(handler.state(PURSE).await.unwrap().unwrap().total, EVENTS);
}

#[test]
fn a_request_that_wrote_several_events_is_answered_up_to_the_last_of_them() {
    let mut purse = Hydrated::<Purse>::default();
    let order = order(1, 1);
    let asked = (order.context.request_id, order.digest);
    let event = purse.state.decide(&1, &order.context).unwrap().remove(0);
    for at in 0..3_u64 {
        let id = Uuid::from_u128(at.into());
        purse.take(&event, asked, id, at, Position(at + 10));
    }
    let stream = StreamName::of(Purse::CATEGORY, PURSE);
    let answer = purse.answered(&stream, asked.0, asked.1).unwrap().unwrap();
    assert_eq!((answer.revision, answer.position), (Some(2), Position(12)));
    let written = answer.events.iter().map(|event| (event.revision, event.id));
    assert!(written.eq((0..3).map(|at| (at, Uuid::from_u128(at.into())))));
}

#[tokio::test]
async fn two_servers_on_one_log_never_pass_the_limit_and_never_refuse_from_stale_memory() {
    let log = MemoryLog::new();
    let (one, two) = (server(&log), server(&log));
    one.execute(&order(1, 90)).await.unwrap();
    // The second server has never seen the stream, then is made stale by the first.
    two.execute(&order(2, 5)).await.unwrap();
    one.execute(&order(3, 5)).await.unwrap();
    for handler in [&one, &two] {
        let refused = handler.execute(&order(4, 1)).await.unwrap_err();
        assert!(matches!(refused, CommandError::Refused(_)), "{refused}");
    }
    assert_eq!(one.state(PURSE).await.unwrap().unwrap().total, 100);
}

#[tokio::test]
async fn a_pinned_revision_that_is_past_names_where_the_stream_is_and_what_came_between() {
    let log = MemoryLog::new();
    let handler = server(&log);
    for request in 1..=3 {
        handler.execute(&order(request, 1)).await.unwrap();
    }
    let pinned = Order {
        expected: Some(0),
        ..order(9, 1)
    };
    match handler.execute(&pinned).await.unwrap_err() {
        CommandError::Conflict {
            current, between, ..
        } => {
            assert_eq!(current, Some(2));
            assert_eq!(
                between.iter().map(|name| &**name).collect::<Vec<_>>(),
                ["Added", "Added"]
            );
        }
        other => panic!("{other}"),
    }
    let right = Order {
        expected: Some(2),
        ..order(9, 1)
    };
    assert_eq!(handler.execute(&right).await.unwrap().revision, Some(3));
    // The retry of what went through is no conflict.
    assert!(handler.execute(&right).await.unwrap().repeated);
}

#[tokio::test]
async fn validate_only_says_what_would_be_and_writes_nothing() {
    let log = MemoryLog::new();
    let handler = server(&log);
    let dry = Order {
        validate_only: true,
        ..order(1, 5)
    };
    let foreseen = handler.execute(&dry).await.unwrap();
    assert_eq!(
        (foreseen.revision, foreseen.events.len(), count(&log).await),
        (Some(0), 1, 0)
    );
    assert_eq!(
        handler.execute(&order(1, 5)).await.unwrap().events,
        foreseen.events
    );
    let too_much = Order {
        validate_only: true,
        ..order(2, 500)
    };
    assert!(matches!(
        handler.execute(&too_much).await,
        Err(CommandError::Refused(_))
    ));
}

#[tokio::test]
async fn somebody_else_learns_nothing_of_a_stream_and_of_one_that_is_not_there() {
    let log = MemoryLog::new();
    let handler = server(&log);
    let mut stranger = order(7, 5);
    stranger.context.actor.id = Uuid::from_u128(0xdead);
    let before = handler.execute(&stranger).await.unwrap_err();
    handler.execute(&order(1, 5)).await.unwrap();
    let after = handler.execute(&stranger).await.unwrap_err();
    assert!(matches!(
        (before, after),
        (CommandError::NotOwner(_), CommandError::NotOwner(_))
    ));
    assert_eq!(count(&log).await, 1);
}

#[tokio::test]
async fn a_command_that_changes_nothing_succeeds_with_the_streams_revision() {
    let log = MemoryLog::new();
    let handler = server(&log);
    handler.execute(&order(1, 5)).await.unwrap();
    let nothing = handler.execute(&order(2, 0)).await.unwrap();
    assert_eq!((nothing.revision, nothing.events.len()), (Some(0), 0));
}

#[tokio::test]
async fn a_command_whose_caller_left_is_found_by_its_retry() {
    let log = MemoryLog::new();
    let handler = server(&log);
    handler.execute(&order(1, 5)).await.unwrap();
    // Polled once, which may or may not append, and dropped.
    let _ = handler.execute(&order(2, 7)).now_or_never();
    handler.execute(&order(2, 7)).await.unwrap();
    handler.execute(&order(3, 1)).await.unwrap();
    assert_eq!(handler.state(PURSE).await.unwrap().unwrap().total, 13);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Several servers, requests that repeat, all at once: each request counts once or is refused, the limit holds.
    #[test]
    fn however_requests_race_and_repeat_each_counts_once(
        requests in prop::collection::vec((0..12_u128, 0..3_usize), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let log = MemoryLog::new();
            let servers: Vec<Arc<Handler<Purse>>> = (0..3).map(|_| Arc::new(server(&log))).collect();
            let tasks: Vec<_> = requests
                .iter()
                .map(|&(request, at)| {
                    let handler = Arc::clone(&servers[at]);
                    tokio::spawn(async move { (request, handler.execute(&order(request, request as u64 + 7)).await) })
                })
                .collect();
            let mut accepted = std::collections::BTreeMap::new();
            for task in tasks {
                let (request, outcome) = task.await.unwrap();
                match outcome {
                    Ok(committed) => {
                        let answer = (committed.revision, committed.events);
                        let first = accepted.entry(request).or_insert_with(|| answer.clone());
                        assert_eq!(*first, answer, "two answers to one request");
                    }
                    Err(CommandError::Refused(_) | CommandError::Contended { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            let total: u64 = accepted.keys().map(|request| *request as u64 + 7).sum();
            let state = servers[0].state(PURSE).await.unwrap();
            assert_eq!(state.map_or(0, |purse| purse.total), total);
            assert_eq!(count(&log).await, accepted.len());
            assert!(total <= LIMIT);
        });
    }
}
