//! Clauses on reads: directions, limits, filters, metadata.

use bytes::Bytes;

use super::{Finding, Subject, event, events, fits, ids, revisions, same, stream, tags, text};
use crate::kernel::Position;
use crate::log::{
    Direction, Expected, Filter, Match, NewEvent, ReadFrom, StreamMetadata, StreamSlice,
};

const ALL: usize = 1_000;

pub(super) async fn a_stream_reads_both_ways(on: Subject) -> Finding {
    let (s, other) = (stream("a-1")?, stream("a-2")?);
    fits!(on.log.append(&s, Expected::Any, events("a b")).await, Ok(_));
    fits!(
        on.log.append(&other, Expected::Any, events("x")).await,
        Ok(_)
    );
    fits!(
        on.log.append(&s, Expected::Any, events("c d e")).await,
        Ok(_)
    );
    let table = [
        (ReadFrom::Start, Direction::Forward, ALL, "a b c d e", true),
        (ReadFrom::Start, Direction::Forward, 2, "a b", false),
        (ReadFrom::Revision(2), Direction::Forward, 3, "c d e", true),
        (ReadFrom::Revision(9), Direction::Forward, ALL, "", true),
        (ReadFrom::End, Direction::Forward, ALL, "e", true),
        (ReadFrom::End, Direction::Backward, ALL, "e d c b a", true),
        (ReadFrom::End, Direction::Backward, 2, "e d", false),
        (ReadFrom::Revision(1), Direction::Backward, ALL, "b a", true),
        (ReadFrom::Revision(9), Direction::Backward, 1, "e", false),
        (ReadFrom::Start, Direction::Backward, ALL, "a", true),
    ];
    for (from, direction, limit, expected, end) in table {
        let slice = on
            .log
            .read_stream(&s, from, direction, limit)
            .await
            .map_err(text)?;
        let figures = (slice.exists, slice.last_revision, slice.end);
        if ids(&slice.events) != tags(expected) || figures != (true, Some(4), end) {
            return Err(format!("{from:?} {direction:?} {limit}: {slice:?}"));
        }
    }
    Ok(())
}

pub(super) async fn a_stream_that_never_was_does_not_exist(on: Subject) -> Finding {
    let s = stream("a-1")?;
    let nothing = StreamSlice {
        end: true,
        ..StreamSlice::default()
    };
    for direction in [Direction::Forward, Direction::Backward] {
        let slice = on
            .log
            .read_stream(&s, ReadFrom::Start, direction, ALL)
            .await;
        same!(slice, Ok(nothing.clone()));
    }
    same!(
        on.log.metadata(&s).await,
        Ok((StreamMetadata::default(), None))
    );
    Ok(())
}

pub(super) async fn the_log_reads_both_ways(on: Subject) -> Finding {
    let all = Filter::default();
    let empty = on
        .log
        .read_all(None, Direction::Forward, ALL, &all)
        .await
        .map_err(text)?;
    same!(empty.end, true);
    let (s, t) = (stream("a-1")?, stream("b-1")?);
    fits!(on.log.append(&s, Expected::Any, events("a b")).await, Ok(_));
    fits!(on.log.append(&t, Expected::Any, events("c")).await, Ok(_));
    let head = on
        .log
        .append(&s, Expected::Any, events("d"))
        .await
        .map_err(text)?
        .position;
    let forward = on
        .log
        .read_all(None, Direction::Forward, ALL, &all)
        .await
        .map_err(text)?;
    same!(ids(&forward.events), tags("a b c d"));
    same!((forward.examined, forward.end), (head, true));
    let places: Vec<Position> = forward.events.iter().map(|event| event.position).collect();
    same!(places.is_sorted_by(|a, b| a < b), true);
    let backward = on
        .log
        .read_all(None, Direction::Backward, ALL, &all)
        .await
        .map_err(text)?;
    same!(ids(&backward.events), tags("d c b a"));
    same!(backward.end, true);
    let mut from = None;
    let mut paged = Vec::new();
    loop {
        let page = on
            .log
            .read_all(from, Direction::Forward, 3, &all)
            .await
            .map_err(text)?;
        from = Some(page.examined);
        paged.extend(page.events);
        if page.end {
            break;
        }
    }
    same!(ids(&paged), tags("a b c d"));
    let before = on
        .log
        .read_all(places.get(2).copied(), Direction::Backward, 1, &all)
        .await;
    same!(ids(&before.map_err(text)?.events), tags("b"));
    let after = on
        .log
        .read_all(Some(head), Direction::Forward, ALL, &all)
        .await;
    same!(after.map_err(text)?.events, vec![]);
    Ok(())
}

pub(super) async fn max_count_and_truncation_hide_from_stream_reads_only(on: Subject) -> Finding {
    let s = stream("a-1")?;
    fits!(
        on.log.append(&s, Expected::Any, events("a b c d")).await,
        Ok(_)
    );
    let table = [
        (Some(2), None, "c d"),
        (None, Some(3), "d"),
        (Some(3), Some(1), "b c d"),
        (Some(9), Some(9), ""),
        (Some(0), Some(-1), "a b c d"),
    ];
    for (max_count, truncate_before, seen) in table {
        let metadata = StreamMetadata {
            max_count,
            truncate_before,
            ..StreamMetadata::default()
        };
        fits!(
            on.log.set_metadata(&s, Expected::Any, metadata).await,
            Ok(_)
        );
        let forward = on
            .log
            .read_stream(&s, ReadFrom::Start, Direction::Forward, ALL)
            .await;
        let forward = forward.map_err(text)?;
        same!(ids(&forward.events), tags(seen));
        same!(
            (forward.exists, forward.last_revision, forward.end),
            (true, Some(3), true)
        );
        let backward = on
            .log
            .read_stream(&s, ReadFrom::End, Direction::Backward, ALL)
            .await;
        let mut backward = ids(&backward.map_err(text)?.events);
        backward.reverse();
        same!(backward, tags(seen));
    }
    let filter = Filter::by_stream(Match::prefixes(["a-"]));
    let all = on
        .log
        .read_all(None, Direction::Forward, ALL, &filter)
        .await
        .map_err(text)?;
    same!(ids(&all.events), tags("a b c d"));
    // What is hidden still counts.
    fits!(
        on.log.append(&s, Expected::Exact(3), events("e")).await,
        Ok(_)
    );
    Ok(())
}

pub(super) async fn max_age_hides_by_the_clock(on: Subject) -> Finding {
    let s = stream("a-1")?;
    let metadata = StreamMetadata {
        max_age_seconds: Some(60),
        ..StreamMetadata::default()
    };
    fits!(on.log.append(&s, Expected::Any, events("a b")).await, Ok(_));
    fits!(
        on.log.set_metadata(&s, Expected::Any, metadata).await,
        Ok(_)
    );
    on.clock.advance(60);
    fits!(on.log.append(&s, Expected::Any, events("c")).await, Ok(_));
    let both = on
        .log
        .read_stream(&s, ReadFrom::Start, Direction::Forward, ALL)
        .await;
    same!(revisions(&both.map_err(text)?.events), vec![0, 1, 2]);
    on.clock.advance(1);
    let young = on
        .log
        .read_stream(&s, ReadFrom::Start, Direction::Forward, ALL)
        .await;
    same!(revisions(&young.map_err(text)?.events), vec![2]);
    Ok(())
}

pub(super) async fn metadata_is_replaced_whole(on: Subject) -> Finding {
    let s = stream("a-1")?;
    let mut other = serde_json::Map::new();
    other.insert("owner".into(), "tests".into());
    let one = StreamMetadata {
        max_count: Some(5),
        other,
        ..StreamMetadata::default()
    };
    let two = StreamMetadata {
        truncate_before: Some(1),
        ..StreamMetadata::default()
    };
    let set = on
        .log
        .set_metadata(&s, Expected::NoStream, one.clone())
        .await
        .map_err(text)?;
    same!(set.revision, Some(0));
    same!(on.log.metadata(&s).await, Ok((one.clone(), Some(0))));
    let again = on
        .log
        .set_metadata(&s, Expected::NoStream, one.clone())
        .await;
    same!(again.map_err(text)?.repeated, true);
    fits!(
        on.log
            .set_metadata(&s, Expected::Exact(0), two.clone())
            .await,
        Ok(_)
    );
    same!(on.log.metadata(&s).await, Ok((two.clone(), Some(1))));
    fits!(
        on.log
            .set_metadata(&s, Expected::Exact(0), one.clone())
            .await,
        Err(_)
    );
    // Back to what it was before is a change, not a retry.
    fits!(
        on.log.set_metadata(&s, Expected::Any, one.clone()).await,
        Ok(_)
    );
    same!(on.log.metadata(&s).await, Ok((one, Some(2))));
    let written = on
        .log
        .read_stream(&s.metastream(), ReadFrom::Start, Direction::Forward, ALL)
        .await;
    same!(revisions(&written.map_err(text)?.events), vec![2]);
    Ok(())
}

pub(super) async fn metadata_that_is_not_says_nothing(on: Subject) -> Finding {
    let s = stream("a-1")?;
    fits!(on.log.append(&s, Expected::Any, events("a b")).await, Ok(_));
    for (tag, is_json, data) in [
        ("1", false, r#"{"$maxCount":1}"#),
        ("2", true, r#"{"$maxCount":1"#),
        ("3", true, r#"{"$maxCount":1,"$tb":"x"}"#),
        ("4", true, "[]"),
    ] {
        let written = NewEvent {
            is_json,
            data: Bytes::from_static(data.as_bytes()),
            ..event(tag)
        };
        fits!(
            on.log
                .append(&s.metastream(), Expected::Any, vec![written])
                .await,
            Ok(_)
        );
        let slice = on
            .log
            .read_stream(&s, ReadFrom::Start, Direction::Forward, ALL)
            .await;
        same!(revisions(&slice.map_err(text)?.events), vec![0, 1]);
    }
    Ok(())
}
