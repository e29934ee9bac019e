//! Clauses on subscriptions, health and closing.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};

use super::{Finding, Subject, event, events, fits, ids, same, stream, tags, text};
use crate::kernel::Position;
use crate::log::{
    AppendError, Delivery, Direction, Expected, Filter, Health, Match, ReadError, ReadFrom,
    RecordedEvent,
};

/// A delivery that takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) type Deliveries = BoxStream<'static, Result<Delivery, ReadError>>;

pub(super) async fn next(from: &mut Deliveries) -> Result<Delivery, String> {
    tokio::time::timeout(PATIENCE, from.next())
        .await
        .map_err(|_| "no delivery came")?
        .ok_or("the subscription ended")?
        .map_err(text)
}

/// Events until the subscription says that it reached `to`; its positions must never go back.
pub(super) async fn until(
    from: &mut Deliveries,
    to: Position,
) -> Result<Vec<RecordedEvent>, String> {
    let mut all = Vec::new();
    let mut at = Position::START;
    loop {
        let told = match next(from).await? {
            Delivery::Events(events) => {
                let last = events.last().map(|event| event.position);
                all.extend(events);
                last.ok_or("a delivery of no events")?
            }
            Delivery::CaughtUp(position) if position >= to => return Ok(all),
            Delivery::CaughtUp(position) | Delivery::Checkpoint(position) => position,
        };
        if told < at {
            return Err(format!("went back from {at} to {told}"));
        }
        at = told;
    }
}

pub(super) async fn what_is_there_comes_then_what_is_appended(on: Subject) -> Finding {
    let s = stream("a-1")?;
    let mut subscription = on.log.subscribe(Position::START, Filter::default());
    fits!(next(&mut subscription).await?, Delivery::CaughtUp(_));
    let there = on
        .log
        .append(&s, Expected::Any, events("a b"))
        .await
        .map_err(text)?;
    same!(
        ids(&until(&mut subscription, there.position).await?),
        tags("a b")
    );
    let mut late = on.log.subscribe(Position::START, Filter::default());
    let live = on
        .log
        .append(&s, Expected::Any, events("c"))
        .await
        .map_err(text)?;
    same!(
        ids(&until(&mut subscription, live.position).await?),
        tags("c")
    );
    same!(ids(&until(&mut late, live.position).await?), tags("a b c"));
    Ok(())
}

pub(super) async fn a_subscription_begins_after_its_position(on: Subject) -> Finding {
    let s = stream("a-1")?;
    let first = on
        .log
        .append(&s, Expected::Any, events("a"))
        .await
        .map_err(text)?;
    let last = on
        .log
        .append(&s, Expected::Any, events("b c"))
        .await
        .map_err(text)?;
    let mut after = on.log.subscribe(first.position, Filter::default());
    same!(ids(&until(&mut after, last.position).await?), tags("b c"));
    let mut at_end = on.log.subscribe(last.position, Filter::default());
    same!(next(&mut at_end).await?, Delivery::CaughtUp(last.position));
    Ok(())
}

pub(super) async fn a_filtered_subscription_tells_how_far_it_is(on: Subject) -> Finding {
    let filter = Filter::by_stream(Match::prefixes(["b-"]));
    let mut subscription = on.log.subscribe(Position::START, filter);
    let (a, b) = (stream("a-1")?, stream("b-1")?);
    for round in 0..5 {
        let passed = events(&format!("{round}x {round}y"));
        let passed = on
            .log
            .append(&a, Expected::Any, passed)
            .await
            .map_err(text)?;
        same!(until(&mut subscription, passed.position).await?, vec![]);
        let tag = format!("{round}z");
        let seen = on
            .log
            .append(&b, Expected::Any, events(&tag))
            .await
            .map_err(text)?;
        same!(
            ids(&until(&mut subscription, seen.position).await?),
            tags(&tag)
        );
    }
    Ok(())
}

pub(super) async fn subscribers_of_a_busy_log_miss_and_repeat_nothing(on: Subject) -> Finding {
    const WRITERS: usize = 4;
    const EACH: usize = 150;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let log = Arc::clone(&on.log);
            tokio::spawn(async move {
                let s = stream(&format!("w-{writer}"))?;
                for turn in 0..EACH {
                    let event = event(&format!("{writer} {turn}"));
                    log.append(&s, Expected::Any, vec![event])
                        .await
                        .map_err(text)?;
                    tokio::task::yield_now().await;
                }
                Ok::<_, String>(())
            })
        })
        .collect();
    let mut readers = Vec::new();
    for _ in 0..8 {
        readers.push(on.log.subscribe(Position::START, Filter::default()));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for writer in writers {
        writer.await.map_err(text)??;
    }
    let head = on.log.head().await.map_err(text)?;
    let all = on
        .log
        .read_all(None, Direction::Forward, usize::MAX, &Filter::default())
        .await;
    let all = all.map_err(text)?.events;
    same!(
        all.iter()
            .filter(|event| event.stream.category() == "w")
            .count(),
        WRITERS * EACH
    );
    for reader in &mut readers {
        same!(until(reader, head).await? == all, true);
    }
    Ok(())
}

pub(super) async fn closing_ends_everything(on: Subject) -> Finding {
    let s = stream("a-1")?;
    let health = on.log.health();
    same!(*health.borrow(), Health::Serving);
    let mut subscription = on.log.subscribe(Position::START, Filter::default());
    fits!(next(&mut subscription).await?, Delivery::CaughtUp(_));
    on.log.close().await;
    same!(*health.borrow(), Health::Closed);
    let ended = tokio::time::timeout(PATIENCE, subscription.next())
        .await
        .map_err(text)?;
    fits!(
        ended,
        Some(Err(ReadError::Unavailable { retry: false, .. }))
    );
    fits!(
        on.log.append(&s, Expected::Any, events("a")).await,
        Err(AppendError::Unavailable { retry: false, .. })
    );
    let read = on
        .log
        .read_stream(&s, ReadFrom::Start, Direction::Forward, 1)
        .await;
    fits!(read, Err(ReadError::Unavailable { retry: false, .. }));
    // Closing twice is no harm.
    on.log.close().await;
    Ok(())
}
