//! Clauses on soft deletion, tombstones and streams that may not be deleted.

use super::{Finding, Subject, events, fits, ids, revisions, same, stream, tags, text};
use crate::kernel::StreamName;
use crate::log::{
    AppendError, Direction, Expected, Filter, Match, ReadError, ReadFrom, StreamMetadata,
    StreamSlice, rules,
};

const ALL: usize = 1_000;

async fn read(on: &Subject, s: &StreamName) -> Result<StreamSlice, String> {
    on.log
        .read_stream(s, ReadFrom::Start, Direction::Forward, ALL)
        .await
        .map_err(text)
}

pub(super) async fn a_deleted_stream_is_gone_until_written(on: Subject) -> Finding {
    let s = stream("a-1")?;
    fits!(on.log.append(&s, Expected::Any, events("a b")).await, Ok(_));
    let head = on.log.head().await.map_err(text)?;
    let deleted = on.log.delete(&s, Expected::Exact(1)).await.map_err(text)?;
    same!(deleted > head, true);
    let gone = read(&on, &s).await?;
    same!(
        (gone.exists, gone.last_revision, gone.events.len()),
        (false, Some(1), 0)
    );
    fits!(
        on.log.append(&s, Expected::StreamExists, events("c")).await,
        Err(AppendError::StreamDeleted(_))
    );
    // A retry of what was written before is one, and brings nothing back.
    let retry = on
        .log
        .append(&s, Expected::NoStream, events("a b"))
        .await
        .map_err(text)?;
    same!((retry.revision, retry.repeated), (Some(1), true));
    same!(read(&on, &s).await?.exists, false);
    fits!(on.log.append(&s, Expected::Any, vec![]).await, Ok(_));
    same!(read(&on, &s).await?.exists, false);

    let back = on
        .log
        .append(&s, Expected::Exact(1), events("c"))
        .await
        .map_err(text)?;
    same!(back.revision, Some(2));
    let again = read(&on, &s).await?;
    same!((again.exists, revisions(&again.events)), (true, vec![2]));
    let (metadata, _) = on.log.metadata(&s).await.map_err(text)?;
    same!(metadata.truncate_before, Some(2));
    let filter = Filter::by_stream(Match::prefixes(["a-"]));
    let all = on
        .log
        .read_all(None, Direction::Forward, ALL, &filter)
        .await
        .map_err(text)?;
    same!(ids(&all.events), tags("a b c"));
    Ok(())
}

pub(super) async fn a_deleted_stream_takes_a_new_beginning(on: Subject) -> Finding {
    for (name, expected) in [("a-1", Expected::NoStream), ("a-2", Expected::Any)] {
        let s = stream(name)?;
        fits!(on.log.append(&s, Expected::Any, events("a")).await, Ok(_));
        fits!(on.log.delete(&s, Expected::Any).await, Ok(_));
        // The old beginning with something else behind it is neither that one nor a new one.
        fits!(
            on.log.append(&s, expected, events("a q")).await,
            Err(AppendError::WrongExpected {
                current: Some(0),
                ..
            })
        );
        let back = on
            .log
            .append(&s, expected, events("x y"))
            .await
            .map_err(text)?;
        same!((back.revision, back.repeated), (Some(2), false));
        same!(ids(&read(&on, &s).await?.events), tags("x y"));
        fits!(
            on.log.append(&s, Expected::NoStream, events("z")).await,
            Err(AppendError::WrongExpected {
                current: Some(2),
                ..
            })
        );
    }
    Ok(())
}

pub(super) async fn deleting_judges_the_revision(on: Subject) -> Finding {
    let s = stream("a-1")?;
    for expected in [Expected::Any, Expected::NoStream, Expected::StreamExists] {
        fits!(
            on.log.delete(&s, expected).await,
            Err(AppendError::WrongExpected { current: None, .. })
        );
    }
    fits!(on.log.append(&s, Expected::Any, events("a b")).await, Ok(_));
    for expected in [Expected::NoStream, Expected::Exact(0), Expected::Exact(2)] {
        for outcome in [
            on.log.delete(&s, expected).await,
            on.log.tombstone(&s, expected).await,
        ] {
            fits!(
                outcome,
                Err(AppendError::WrongExpected {
                    current: Some(1),
                    ..
                })
            );
        }
    }
    fits!(on.log.delete(&s, Expected::StreamExists).await, Ok(_));
    fits!(
        on.log.delete(&s, Expected::StreamExists).await,
        Err(AppendError::StreamDeleted(_))
    );
    for expected in [Expected::Any, Expected::NoStream, Expected::Exact(1)] {
        fits!(on.log.delete(&s, expected).await, Ok(_));
    }
    Ok(())
}

pub(super) async fn metadata_brings_a_deleted_stream_back(on: Subject) -> Finding {
    let s = stream("a-1")?;
    fits!(on.log.append(&s, Expected::Any, events("a b")).await, Ok(_));
    fits!(on.log.delete(&s, Expected::Any).await, Ok(_));
    let metadata = StreamMetadata {
        max_count: Some(7),
        ..StreamMetadata::default()
    };
    fits!(
        on.log.set_metadata(&s, Expected::Any, metadata).await,
        Ok(_)
    );
    let (now, _) = on.log.metadata(&s).await.map_err(text)?;
    same!((now.max_count, now.truncate_before), (Some(7), Some(2)));
    let slice = read(&on, &s).await?;
    same!((slice.exists, slice.events.len()), (true, 0));
    Ok(())
}

pub(super) async fn a_tombstone_is_for_ever(on: Subject) -> Finding {
    for (name, first) in [("a-1", "a"), ("a-2", "")] {
        let s = stream(name)?;
        fits!(on.log.append(&s, Expected::Any, events(first)).await, Ok(_));
        fits!(on.log.tombstone(&s, Expected::Any).await, Ok(_));
        let meta = s.metastream();
        for expected in [Expected::Any, Expected::NoStream, Expected::Exact(0)] {
            for refused in [
                on.log.append(&s, expected, events("a")).await.map(|_| ()),
                on.log
                    .append(&meta, expected, events("m"))
                    .await
                    .map(|_| ()),
                on.log
                    .set_metadata(&s, expected, StreamMetadata::default())
                    .await
                    .map(|_| ()),
                on.log.delete(&s, expected).await.map(|_| ()),
                on.log.tombstone(&s, expected).await.map(|_| ()),
            ] {
                fits!(refused, Err(AppendError::StreamDeleted(_)));
            }
        }
        for gone in [&s, &meta] {
            let slice = on
                .log
                .read_stream(gone, ReadFrom::End, Direction::Backward, 1)
                .await;
            fits!(slice, Err(ReadError::StreamDeleted(_)));
        }
        fits!(on.log.metadata(&s).await, Err(ReadError::StreamDeleted(_)));
    }
    let last = on
        .log
        .read_all(None, Direction::Backward, 1, &Filter::default())
        .await;
    let last = last
        .map_err(text)?
        .events
        .pop()
        .ok_or("nothing in the log")?;
    same!(&*last.event_type, rules::TOMBSTONE_TYPE);
    same!(last.revision, rules::TOMBSTONE_REVISION);
    Ok(())
}

pub(super) async fn protected_streams_stay(on: Subject) -> Finding {
    let s = stream("kept-1")?;
    fits!(on.log.append(&s, Expected::Any, events("a b")).await, Ok(_));
    fits!(
        on.log.delete(&s, Expected::Any).await,
        Err(AppendError::Protected(_))
    );
    fits!(
        on.log.tombstone(&s, Expected::Any).await,
        Err(AppendError::Protected(_))
    );
    let hiding = [
        (Some(1), None, None),
        (None, Some(1), None),
        (None, None, Some(1)),
    ];
    for (max_count, max_age_seconds, truncate_before) in hiding {
        let metadata = StreamMetadata {
            max_count,
            max_age_seconds,
            truncate_before,
            ..StreamMetadata::default()
        };
        let refused = on
            .log
            .set_metadata(&s, Expected::Any, metadata.clone())
            .await;
        fits!(refused, Err(AppendError::Protected(_)));
        let mut direct = events("m");
        if let Some(event) = direct.first_mut() {
            event.data = rules::metadata_bytes(&metadata).into();
        }
        let refused = on.log.append(&s.metastream(), Expected::Any, direct).await;
        fits!(refused, Err(AppendError::Protected(_)));
    }
    let mut harmless = StreamMetadata::default();
    harmless.other.insert("owner".into(), "tests".into());
    fits!(
        on.log.set_metadata(&s, Expected::Any, harmless).await,
        Ok(_)
    );
    same!(ids(&read(&on, &s).await?.events), tags("a b"));
    Ok(())
}

pub(super) async fn a_metastream_may_end_before_its_stream(on: Subject) -> Finding {
    let s = stream("a-1")?;
    let meta = s.metastream();
    fits!(
        on.log.append(&s, Expected::Any, events("a b c")).await,
        Ok(_)
    );
    let metadata = StreamMetadata {
        max_count: Some(1),
        ..StreamMetadata::default()
    };
    fits!(
        on.log.set_metadata(&s, Expected::Any, metadata).await,
        Ok(_)
    );
    same!(ids(&read(&on, &s).await?.events), tags("c"));
    fits!(
        on.log.delete(&meta, Expected::Any).await,
        Err(AppendError::Invalid { .. })
    );
    fits!(on.log.tombstone(&meta, Expected::Exact(0)).await, Ok(_));
    // What it said applies no more, and it says nothing again.
    same!(ids(&read(&on, &s).await?.events), tags("a b c"));
    fits!(on.log.metadata(&s).await, Err(ReadError::StreamDeleted(_)));
    for refused in [
        on.log
            .append(&meta, Expected::Any, events("m"))
            .await
            .map(|_| ()),
        on.log.tombstone(&meta, Expected::Any).await.map(|_| ()),
    ] {
        fits!(refused, Err(AppendError::StreamDeleted(_)));
    }
    fits!(
        on.log.append(&s, Expected::Exact(2), events("d")).await,
        Ok(_)
    );
    same!(ids(&read(&on, &s).await?.events), tags("a b c d"));
    fits!(on.log.tombstone(&s, Expected::Exact(3)).await, Ok(_));
    Ok(())
}

pub(super) async fn a_metastream_of_a_kept_stream_stays(on: Subject) -> Finding {
    let s = stream("kept-1")?;
    fits!(on.log.append(&s, Expected::Any, events("a")).await, Ok(_));
    fits!(
        on.log.tombstone(&s.metastream(), Expected::Any).await,
        Err(AppendError::Protected(_))
    );
    Ok(())
}

pub(super) async fn metadata_keeps_its_order_when_a_stream_comes_back(on: Subject) -> Finding {
    let s = stream("a-1")?;
    fits!(on.log.append(&s, Expected::Any, events("a")).await, Ok(_));
    fits!(on.log.delete(&s, Expected::Any).await, Ok(_));
    let mut written = events("m");
    if let Some(event) = written.first_mut() {
        event.data = br#"{"colour": "red", "$maxCount": 9, "b": [1.0, {"z": 1, "a": 2}]}"#
            .as_slice()
            .into();
    }
    fits!(
        on.log.append(&s.metastream(), Expected::Any, written).await,
        Ok(_)
    );
    let last = read(&on, &s.metastream()).await?.events.pop();
    let last = last.ok_or("no metadata")?;
    same!(
        String::from_utf8_lossy(&last.data),
        r#"{"colour":"red","$maxCount":9,"b":[1.0,{"z":1,"a":2}],"$tb":1}"#
    );
    Ok(())
}
