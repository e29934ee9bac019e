//! Clauses on filters: by stream and type, by whole names, beginnings and expressions, in reads and subscriptions.

use super::subscriptions::{Deliveries, next, until};
use super::{Finding, Subject, event, events, fits, ids, same, stream, tags, text};
use crate::kernel::Position;
use crate::log::{Delivery, Direction, Expected, Filter, LeftOut, Match, NewEvent, StreamMetadata};

const ALL: usize = 1_000;

/// A name that no expression like [`ENDLESS`] comes to an end with.
const MAZE: &str = "abababababababababababababababababababababababababababababab";

/// Looks for something behind every way to take such a name apart. Written so that no server is asked to judge it.
const ENDLESS: &str = "(?i)^(a|b|ab)*(?!x)c";

fn expression(expression: &str) -> Result<Match, String> {
    Match::expression(expression).map_err(text)
}

/// Five events of three streams and four types, and the metadata of one stream behind the third. The last position.
async fn written(on: &Subject) -> Result<Position, String> {
    let metadata = StreamMetadata {
        max_count: Some(7),
        ..StreamMetadata::default()
    };
    let mut last = Position::START;
    for (name, tag, event_type) in [
        ("a-1", "1", "Xa"),
        ("a-2", "2", "Y"),
        ("b-1", "3", "Xa"),
        ("c-1", "4", "Xab"),
        ("a-1", "5", "$note"),
    ] {
        last = append(on, name, tag, event_type).await?;
        if tag == "3" {
            let s = stream("b-1")?;
            let described = on.log.set_metadata(&s, Expected::Any, metadata.clone());
            fits!(described.await, Ok(_));
        }
    }
    Ok(last)
}

async fn append(on: &Subject, name: &str, tag: &str, event_type: &str) -> Result<Position, String> {
    let event = NewEvent {
        event_type: event_type.into(),
        ..event(tag)
    };
    let s = stream(name)?;
    let written = on.log.append(&s, Expected::Any, vec![event]);
    Ok(written.await.map_err(text)?.position)
}

/// Filters, and which of [`written`] pass them. What has to leave out the metadata does.
fn table() -> Result<Vec<(Filter, &'static str)>, String> {
    let both = |streams, types| Filter { streams, types };
    Ok(vec![
        (Filter::by_stream(Match::prefixes(["a-", "b-"])), "1 2 3 5"),
        (Filter::by_stream(Match::one_of(["a-1", "a-"])), "1 5"),
        (Filter::by_stream(expression(r"^(?!\$)")?), "1 2 3 4 5"),
        (Filter::by_stream(expression(r"^(?!\$).*-1$")?), "1 3 4 5"),
        (Filter::by_stream(expression("^(?:a|c)-1")?), "1 4 5"),
        (Filter::by_type(Match::one_of(["Xa"])), "1 3"),
        (Filter::by_type(Match::prefixes(["Xa", "Z"])), "1 3 4"),
        (Filter::by_type(expression(r"^(?!\$)")?), "1 2 3 4"),
        (Filter::by_type(expression("^X.(?!b)|^Y")?), "1 2 3"),
        (
            both(Match::prefixes(["a-", "c-"]), Match::one_of(["Xa", "Xab"])),
            "1 4",
        ),
        (both(expression("-1$")?, Match::prefixes(["X"])), "1 3 4"),
        (both(Match::prefixes(["a-"]), expression("^(?!X)")?), "2 5"),
    ])
}

pub(super) async fn reads_bring_what_passes_and_nothing_else(on: Subject) -> Finding {
    written(&on).await?;
    let head = on.log.head().await.map_err(text)?;
    for (filter, expected) in table()? {
        let forward = on
            .log
            .read_all(None, Direction::Forward, ALL, &filter)
            .await;
        let forward = forward.map_err(text)?;
        if ids(&forward.events) != tags(expected) {
            return Err(format!("{filter:?}: {:?}", forward.events));
        }
        same!((forward.examined, forward.end), (head, true));
        let backward = on
            .log
            .read_all(None, Direction::Backward, ALL, &filter)
            .await;
        let mut backward = backward.map_err(text)?;
        backward.events.reverse();
        if ids(&backward.events) != tags(expected) || !backward.end {
            return Err(format!("{filter:?} backward: {:?}", backward.events));
        }
    }
    Ok(())
}

pub(super) async fn a_filtered_read_goes_on_from_the_middle(on: Subject) -> Finding {
    written(&on).await?;
    for (filter, expected) in table()? {
        for direction in [Direction::Forward, Direction::Backward] {
            let (mut from, mut found) = (None, Vec::new());
            loop {
                let page = on.log.read_all(from, direction, 1, &filter).await;
                let page = page.map_err(text)?;
                same!(page.events.len() <= 1, true);
                found.extend(page.events);
                from = Some(page.examined);
                if page.end {
                    break;
                }
            }
            if direction == Direction::Backward {
                found.reverse();
            }
            if ids(&found) != tags(expected) {
                return Err(format!("{filter:?} {direction:?}: {found:?}"));
            }
        }
    }
    Ok(())
}

pub(super) async fn where_nothing_passes_everything_was_examined(on: Subject) -> Finding {
    written(&on).await?;
    let head = on.log.head().await.map_err(text)?;
    for nothing in [
        Filter::by_stream(Match::prefixes(["z"])),
        Filter::by_stream(expression("^z")?),
        Filter::by_stream(Match::OneOf(Vec::new())),
        Filter::by_stream(Match::Prefixes(Vec::new())),
        Filter::by_type(Match::prefixes(["z"])),
        Filter::by_type(expression("^(?=z)")?),
        Filter::by_type(Match::OneOf(Vec::new())),
    ] {
        let forward = on
            .log
            .read_all(None, Direction::Forward, ALL, &nothing)
            .await;
        let forward = forward.map_err(text)?;
        same!(forward.events, vec![]);
        same!((forward.examined, forward.end), (head, true));
        let backward = on
            .log
            .read_all(None, Direction::Backward, ALL, &nothing)
            .await;
        let backward = backward.map_err(text)?;
        same!((backward.events, backward.end), (vec![], true));
        let mut subscription = on.log.subscribe(Position::START, nothing);
        same!(until(&mut subscription, head).await?, vec![]);
    }
    Ok(())
}

pub(super) async fn a_survey_tells_of_every_event(on: Subject) -> Finding {
    written(&on).await?;
    let everything = Filter::default();
    let all = on.log.read_all(None, Direction::Forward, ALL, &everything);
    let all = all.await.map_err(text)?.events;
    for (filter, expected) in table()? {
        for limit in [1, 2, 5, ALL] {
            let (mut at, mut passed, mut left_out) = (Position::START, Vec::new(), Vec::new());
            loop {
                let survey = on.log.survey(at, limit, &filter).await.map_err(text)?;
                let count = survey.slice.events.len() + survey.left_out.len();
                same!(count <= limit, true);
                passed.extend(survey.slice.events);
                left_out.extend(survey.left_out);
                let last_left_out = left_out.last().map(|event: &LeftOut| event.position);
                let last = passed.last().map(|event| event.position).max(last_left_out);
                same!(survey.slice.examined >= last.unwrap_or_default(), true);
                at = survey.slice.examined;
                if survey.slice.end {
                    break;
                }
            }
            if ids(&passed) != tags(expected) {
                return Err(format!("{filter:?} in {limit}: {passed:?}"));
            }
            let others = all.iter().filter(|event| !passed.contains(event));
            let others = others.map(|event| LeftOut {
                position: event.position,
                stream: event.stream.clone(),
            });
            same!(left_out, others.collect::<Vec<_>>());
        }
    }
    Ok(())
}

pub(super) async fn subscriptions_bring_what_passes_before_and_live(on: Subject) -> Finding {
    written(&on).await?;
    let head = on.log.head().await.map_err(text)?;
    let mut open: Vec<(Filter, Deliveries)> = Vec::new();
    for (filter, expected) in table()? {
        let mut subscription = on.log.subscribe(Position::START, filter.clone());
        let there = until(&mut subscription, head).await?;
        if ids(&there) != tags(expected) {
            return Err(format!("{filter:?}: {there:?}"));
        }
        open.push((filter, subscription));
    }
    let live = [
        ("a-1", "6", "Xa"),
        ("c-1", "7", "$note"),
        ("d-2", "8", "Other"),
    ];
    let mut last = head;
    for (name, tag, event_type) in live {
        last = append(&on, name, tag, event_type).await?;
    }
    for (filter, subscription) in &mut open {
        let mut expected = Vec::new();
        for (name, tag, event_type) in live {
            if filter.admits(name, event_type).map_err(text)? {
                expected.extend(tags(tag));
            }
        }
        let came = until(subscription, last).await?;
        if ids(&came) != expected {
            return Err(format!("{filter:?} live: {came:?}"));
        }
    }
    Ok(())
}

pub(super) async fn what_cannot_be_judged_is_never_skipped(on: Subject) -> Finding {
    let endless = || expression(ENDLESS).map(Filter::by_type);
    let first = append(&on, "a-1", "1", "abc").await?;
    let mut live = on.log.subscribe(Position::START, endless()?);
    same!(ids(&until(&mut live, first).await?), tags("1"));
    append(&on, "a-1", "2", MAZE).await?;
    fits!(
        on.log
            .append(&stream("a-1")?, Expected::Any, events("3"))
            .await,
        Ok(_)
    );
    for direction in [Direction::Forward, Direction::Backward] {
        let read = on.log.read_all(None, direction, ALL, &endless()?).await;
        fits!(read, Err(_));
    }
    fits!(on.log.survey(first, ALL, &endless()?).await, Err(_));
    let mut late = on.log.subscribe(first, endless()?);
    for subscription in [&mut live, &mut late] {
        // How far it came before may be told.
        let failed = loop {
            match next(subscription).await {
                Ok(Delivery::Events(events)) => break Ok(events),
                Ok(Delivery::Checkpoint(_) | Delivery::CaughtUp(_)) => {}
                Err(error) => break Err(error),
            }
        };
        fits!(failed, Err(ref error) if error.contains(MAZE));
    }
    Ok(())
}
