//! Clauses on appends: revisions, retries, wholeness.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{Finding, Subject, event, events, fits, ids, same, stream, tags, text};
use crate::log::{
    AppendError, Appended, Direction, Expected, NewEvent, ReadFrom, RecordedEvent, StreamMetadata,
    rules,
};

pub(super) async fn revisions_are_gapless_and_positions_rise(on: Subject) -> Finding {
    let (one, two) = (stream("a-1")?, stream("a-2")?);
    let first = on
        .log
        .append(&one, Expected::NoStream, events("a b"))
        .await
        .map_err(text)?;
    let second = on
        .log
        .append(&two, Expected::NoStream, events("a"))
        .await
        .map_err(text)?;
    let third = on
        .log
        .append(&one, Expected::Exact(1), events("c"))
        .await
        .map_err(text)?;
    same!(first.revision, Some(1));
    same!(second.revision, Some(0));
    same!(third.revision, Some(2));
    same!(
        first.position < second.position && second.position < third.position,
        true
    );
    same!(on.log.head().await.map_err(text)?, third.position);
    Ok(())
}

pub(super) async fn expected_revisions_are_judged(on: Subject) -> Finding {
    let s = stream("a-1")?;
    for expected in [Expected::StreamExists, Expected::Exact(0)] {
        fits!(
            on.log.append(&s, expected, events("a")).await,
            Err(AppendError::WrongExpected { current: None, .. })
        );
    }
    fits!(
        on.log.append(&s, Expected::NoStream, events("a")).await,
        Ok(_)
    );
    fits!(
        on.log.append(&s, Expected::StreamExists, events("b")).await,
        Ok(_)
    );
    fits!(on.log.append(&s, Expected::Any, events("c")).await, Ok(_));
    for expected in [Expected::NoStream, Expected::Exact(1), Expected::Exact(3)] {
        let refused = AppendError::WrongExpected {
            stream: s.clone(),
            expected,
            current: Some(2),
        };
        same!(on.log.append(&s, expected, events("x")).await, Err(refused));
    }
    let kept = on
        .log
        .read_stream(&s, ReadFrom::Start, Direction::Forward, 10)
        .await;
    same!(ids(&kept.map_err(text)?.events), tags("a b c"));
    let described = stream("a-2")?;
    let set = on
        .log
        .set_metadata(&described, Expected::NoStream, StreamMetadata::default())
        .await;
    fits!(set, Ok(_));
    fits!(
        on.log
            .append(&described, Expected::StreamExists, events("a"))
            .await,
        Ok(_)
    );
    Ok(())
}

pub(super) async fn retries_at_a_revision_are_known(on: Subject) -> Finding {
    let s = stream("a-1")?;
    let first = on
        .log
        .append(&s, Expected::NoStream, events("a b"))
        .await
        .map_err(text)?;
    let retry = |revision| {
        move |outcome: Result<Appended, AppendError>| {
            outcome.is_ok_and(|done| done.repeated && done.revision == Some(revision))
        }
    };
    let table = [
        (Expected::NoStream, "a b", Some(1)),
        (Expected::NoStream, "a", Some(0)),
        (Expected::NoStream, "a b c", None),
        (Expected::NoStream, "b", None),
        (Expected::Exact(0), "b", Some(1)),
        (Expected::Exact(0), "b c", None),
        (Expected::Exact(0), "c", None),
    ];
    for (expected, what, known) in table {
        let outcome = on.log.append(&s, expected, events(what)).await;
        let fits = match known {
            Some(revision) => retry(revision)(outcome.clone()),
            None => matches!(
                outcome,
                Err(AppendError::WrongExpected {
                    current: Some(1),
                    ..
                })
            ),
        };
        if !fits {
            return Err(format!("{expected:?} [{what}] answered {outcome:?}"));
        }
    }
    let again = on
        .log
        .append(&s, Expected::NoStream, events("a b"))
        .await
        .map_err(text)?;
    same!(again.position, first.position);
    // At the right revision nothing is looked for: the same id again is a new event.
    let duplicate = on
        .log
        .append(&s, Expected::Exact(1), events("a"))
        .await
        .map_err(text)?;
    same!((duplicate.revision, duplicate.repeated), (Some(2), false));
    Ok(())
}

pub(super) async fn retries_without_a_revision_are_known(on: Subject) -> Finding {
    let (s, other) = (stream("a-1")?, stream("a-2")?);
    let first = on
        .log
        .append(&s, Expected::Any, events("a b"))
        .await
        .map_err(text)?;
    for expected in [Expected::Any, Expected::StreamExists] {
        let again = on
            .log
            .append(&s, expected, events("a b"))
            .await
            .map_err(text)?;
        same!((again.revision, again.repeated), (Some(1), true));
        same!(again.position, first.position);
    }
    let part = on
        .log
        .append(&s, Expected::Any, events("a"))
        .await
        .map_err(text)?;
    same!((part.revision, part.repeated), (Some(0), true));
    fits!(
        on.log.append(&s, Expected::Any, events("b c")).await,
        Err(AppendError::WrongExpected {
            current: Some(1),
            ..
        })
    );
    let both = on
        .log
        .append(&s, Expected::Any, events("c a"))
        .await
        .map_err(text)?;
    same!((both.revision, both.repeated), (Some(3), false));
    // Ids are known within their stream only, and twice in one append is no retry.
    let elsewhere = on
        .log
        .append(&other, Expected::Any, events("a a"))
        .await
        .map_err(text)?;
    same!((elsewhere.revision, elsewhere.repeated), (Some(1), false));
    // Repeated, it answers with the first event of that id; at its revision, with the last.
    for (expected, revision) in [
        (Expected::Any, 0),
        (Expected::StreamExists, 0),
        (Expected::NoStream, 1),
    ] {
        let again = on
            .log
            .append(&other, expected, events("a a"))
            .await
            .map_err(text)?;
        same!((again.revision, again.repeated), (Some(revision), true));
    }
    Ok(())
}

pub(super) async fn an_append_of_nothing_checks_the_revision(on: Subject) -> Finding {
    let s = stream("a-1")?;
    for expected in [Expected::Any, Expected::NoStream] {
        let done = on.log.append(&s, expected, vec![]).await.map_err(text)?;
        same!(done.revision, None);
    }
    let slice = on
        .log
        .read_stream(&s, ReadFrom::Start, Direction::Forward, 1)
        .await;
    same!(slice.map_err(text)?.exists, false);
    let first = on
        .log
        .append(&s, Expected::Any, events("a b"))
        .await
        .map_err(text)?;
    for expected in [Expected::Any, Expected::StreamExists, Expected::Exact(1)] {
        let done = on.log.append(&s, expected, vec![]).await.map_err(text)?;
        same!((done.revision, done.position), (Some(1), first.position));
    }
    for expected in [Expected::NoStream, Expected::Exact(0), Expected::Exact(2)] {
        fits!(
            on.log.append(&s, expected, vec![]).await,
            Err(AppendError::WrongExpected {
                current: Some(1),
                ..
            })
        );
    }
    Ok(())
}

pub(super) async fn what_is_no_event_is_refused(on: Subject) -> Finding {
    let s = stream("a-1")?;
    let nil = NewEvent {
        id: Uuid::nil(),
        ..event("a")
    };
    let untyped = NewEvent {
        event_type: "".into(),
        ..event("a")
    };
    let huge = NewEvent {
        data: Bytes::from(vec![b'x'; rules::MAX_APPEND_BYTES + 1]),
        ..event("a")
    };
    for wrong in [nil, untyped] {
        fits!(
            on.log
                .append(&s, Expected::Any, vec![event("b"), wrong])
                .await,
            Err(AppendError::Invalid { index: 1, .. })
        );
    }
    fits!(
        on.log.append(&s, Expected::Any, vec![huge]).await,
        Err(AppendError::TooLarge { .. })
    );
    let slice = on
        .log
        .read_stream(&s, ReadFrom::Start, Direction::Forward, 1)
        .await;
    same!(slice.map_err(text)?.exists, false);
    Ok(())
}

pub(super) async fn an_append_is_kept_whole(on: Subject) -> Finding {
    let s = stream("ünïcode-1")?;
    let odd = NewEvent {
        event_type: "Ödd \u{1f600}".into(),
        is_json: false,
        data: Bytes::from_static(&[0, 255, 10, 0]),
        metadata: Bytes::new(),
        ..event("odd")
    };
    let sent = vec![event("a"), odd];
    let done = on
        .log
        .append(&s, Expected::Any, sent.clone())
        .await
        .map_err(text)?;
    let slice = on
        .log
        .read_stream(&s, ReadFrom::Start, Direction::Forward, 10)
        .await;
    let read = slice.map_err(text)?.events;
    same!(read.iter().map(as_sent).collect::<Vec<_>>(), sent);
    same!(read.last().map(|event| event.position), Some(done.position));
    let now = (on.clock.clock())();
    same!(read.iter().all(|event| event.recorded_at == now), true);
    same!(read.iter().all(|event| event.stream == s), true);
    Ok(())
}

fn as_sent(event: &RecordedEvent) -> NewEvent {
    NewEvent {
        id: event.id,
        event_type: Arc::clone(&event.event_type),
        is_json: event.is_json,
        data: event.data.clone(),
        metadata: event.metadata.clone(),
    }
}

pub(super) async fn one_of_many_writers_wins(on: Subject) -> Finding {
    let s = stream("a-1")?;
    fits!(
        on.log.append(&s, Expected::NoStream, events("a")).await,
        Ok(_)
    );
    for round in 0..20_u64 {
        let writers = (0..8).map(|writer| {
            let (log, s) = (Arc::clone(&on.log), s.clone());
            tokio::spawn(async move {
                let event = event(&format!("{round}-{writer}"));
                log.append(&s, Expected::Exact(round), vec![event]).await
            })
        });
        let mut won = 0;
        for outcome in futures::future::join_all(writers).await {
            match outcome.map_err(text)? {
                Ok(done) if done.revision == Some(round + 1) => won += 1,
                Err(AppendError::WrongExpected { current, .. }) if current == Some(round + 1) => {}
                other => return Err(format!("round {round}: {other:?}")),
            }
        }
        same!(won, 1);
    }
    Ok(())
}
