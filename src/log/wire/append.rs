//! Append: options, then events, decided when the client ends its side.

use std::sync::Arc;

use tonic::{Status, Streaming};

use super::body::Whole;
use super::errors;
use super::messages::{
    Expectation, NONE_OR_END, NoEvent, Proposed, read_stream_name, size_of, write_position,
};
use super::node::Node;
use crate::kernel::{Revision, StreamName};
use crate::log::{AppendError, Appended, Expected, NewEvent, StreamMetadata, rules};
use crate::proto::event_store::client as shared;
use shared::streams::{AppendReq, AppendResp, append_req, append_resp};

/// Serves one append.
pub(super) async fn append(
    node: &Arc<Node>,
    mut requests: Streaming<AppendReq>,
    whole: Option<Whole>,
) -> Result<AppendResp, Status> {
    let options = match next(&mut requests).await? {
        Some(append_req::Content::Options(options)) => options,
        Some(append_req::Content::ProposedMessage(_)) | None => {
            return Err(errors::malformed("an append begins with its options"));
        }
    };
    let expectation = expectation_of(options.expected_stream_revision)?;
    node.check_writable()?;
    let stream = read_stream_name(options.stream_identifier.as_ref())?;
    let events = collect(&mut requests).await?;
    if whole.is_some_and(|whole| !whole.get()) {
        return Err(Status::cancelled("the client gave the append up"));
    }
    match write(node, &stream, expectation.expected()?, events).await {
        Ok(written) => Ok(success(&written)),
        Err(AppendError::WrongExpected { current, .. }) => Ok(wrong(expectation, current)),
        Err(error) => Err(errors::of_append(error, expectation)),
    }
}

/// What became of an append that was not refused.
pub(super) struct Written {
    /// Revision of its last event.
    pub(super) revision: Option<Revision>,
    /// Position of that event, unless it can no longer be read.
    pub(super) position: Option<u64>,
}

/// Appends and finds out what the reply says.
pub(super) async fn write(
    node: &Arc<Node>,
    stream: &StreamName,
    expected: Expected,
    events: Vec<NewEvent>,
) -> Result<Written, AppendError> {
    let empty = events.is_empty();
    let done = node.log.append(stream, expected, events).await?;
    if empty && expected != Expected::NoStream {
        undelete(node, stream).await?;
    }
    let readable = !done.repeated || still_readable(node, stream, &done).await;
    let position = if empty {
        node.position_of_nothing(done.position)
    } else {
        write_position(done.position)
    };
    Ok(Written {
        revision: done.revision,
        position: readable.then_some(position),
    })
}

/// An append of nothing brings a soft-deleted stream back, with nothing to be seen (the official server's rule).
async fn undelete(node: &Arc<Node>, stream: &StreamName) -> Result<(), AppendError> {
    let Ok((metadata, at)) = node.log.metadata(stream).await else {
        return Ok(());
    };
    if !rules::is_soft_deleted(&metadata) {
        return Ok(());
    }
    let last = node
        .log
        .read_stream(
            stream,
            crate::log::ReadFrom::End,
            crate::log::Direction::Backward,
            0,
        )
        .await
        .ok()
        .and_then(|slice| slice.last_revision);
    // Whoever deleted it left nothing but this key.
    let next = last.map_or(0, |last| last + 1);
    let metadata = StreamMetadata {
        truncate_before: i64::try_from(next).ok(),
        ..metadata
    };
    let expected = at.map_or(Expected::NoStream, Expected::Exact);
    match node.log.set_metadata(stream, expected, metadata).await {
        // Somebody else brought it back meanwhile.
        Ok(_) | Err(AppendError::WrongExpected { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn still_readable(node: &Arc<Node>, stream: &StreamName, done: &Appended) -> bool {
    let Some(revision) = done.revision else {
        return true;
    };
    let from = crate::log::ReadFrom::Revision(revision);
    let forward = crate::log::Direction::Forward;
    let slice = node.log.read_stream(stream, from, forward, 1).await;
    slice.is_ok_and(|slice| {
        slice
            .events
            .first()
            .is_some_and(|event| event.revision == revision)
    })
}

async fn collect(requests: &mut Streaming<AppendReq>) -> Result<Vec<NewEvent>, Status> {
    let mut events = Vec::new();
    let mut bytes = 0;
    while let Some(content) = next(requests).await? {
        let message = match content {
            append_req::Content::ProposedMessage(message) => message,
            append_req::Content::Options(_) => {
                return Err(errors::malformed("options come once, first"));
            }
        };
        let event = proposed(message).into_event().map_err(no_event)?;
        bytes += size_of(&event);
        if bytes > rules::MAX_APPEND_BYTES {
            return Err(errors::append_too_large(rules::MAX_APPEND_BYTES));
        }
        events.push(event);
    }
    Ok(events)
}

async fn next(requests: &mut Streaming<AppendReq>) -> Result<Option<append_req::Content>, Status> {
    match requests.message().await.map_err(errors::inbound)? {
        None => Ok(None),
        Some(AppendReq { content: None }) => {
            Err(errors::malformed("a message of the append is empty"))
        }
        Some(AppendReq { content }) => Ok(content),
    }
}

fn proposed(message: append_req::ProposedMessage) -> Proposed {
    Proposed {
        id: message.id,
        metadata: message.metadata,
        custom_metadata: message.custom_metadata,
        data: message.data,
    }
}

fn no_event(problem: NoEvent) -> Status {
    match problem {
        NoEvent::Missing(property) => errors::missing_metadata(property),
        NoEvent::Malformed(status) => status,
    }
}

fn expectation_of(
    option: Option<append_req::options::ExpectedStreamRevision>,
) -> Result<Expectation, Status> {
    use append_req::options::ExpectedStreamRevision as Said;
    match option {
        None => Err(errors::unset(
            "Streams.AppendReq+Types+Options+ExpectedStreamRevision",
        )),
        Some(Said::Revision(revision)) => Ok(Expectation::Revision(revision)),
        Some(Said::NoStream(_)) => Ok(Expectation::NoStream),
        Some(Said::Any(_)) => Ok(Expectation::Any),
        Some(Said::StreamExists(_)) => Ok(Expectation::StreamExists),
    }
}

fn success(written: &Written) -> AppendResp {
    use append_resp::success::{CurrentRevisionOption, PositionOption};
    let empty = shared::Empty {};
    let revision = written
        .revision
        .map_or(CurrentRevisionOption::NoStream(empty), |revision| {
            CurrentRevisionOption::CurrentRevision(revision)
        });
    let position = written
        .position
        .map_or(PositionOption::NoPosition(empty), |position| {
            PositionOption::Position(append_resp::Position {
                commit_position: position,
                prepare_position: position,
            })
        });
    AppendResp {
        result: Some(append_resp::Result::Success(append_resp::Success {
            current_revision_option: Some(revision),
            position_option: Some(position),
        })),
    }
}

/// The refusal, in today's fields and in those of 20.6.
fn wrong(expected: Expectation, current: Option<Revision>) -> AppendResp {
    use append_resp::wrong_expected_version as fields;
    let empty = shared::Empty {};
    let (now, then) = match current {
        Some(revision) => (
            fields::CurrentRevisionOption::CurrentRevision(revision),
            fields::CurrentRevisionOption2060::CurrentRevision2060(revision),
        ),
        None => (
            fields::CurrentRevisionOption::CurrentNoStream(empty),
            fields::CurrentRevisionOption2060::NoStream2060(empty),
        ),
    };
    let (wanted, wanted_then) = match expected {
        Expectation::Revision(revision) => (
            fields::ExpectedRevisionOption::ExpectedRevision(revision),
            fields::ExpectedRevisionOption2060::ExpectedRevision2060(revision),
        ),
        Expectation::NoStream => (
            fields::ExpectedRevisionOption::ExpectedNoStream(empty),
            fields::ExpectedRevisionOption2060::ExpectedRevision2060(NONE_OR_END),
        ),
        Expectation::Any => (
            fields::ExpectedRevisionOption::ExpectedAny(empty),
            fields::ExpectedRevisionOption2060::Any2060(empty),
        ),
        Expectation::StreamExists => (
            fields::ExpectedRevisionOption::ExpectedStreamExists(empty),
            fields::ExpectedRevisionOption2060::StreamExists2060(empty),
        ),
    };
    let refusal = append_resp::WrongExpectedVersion {
        current_revision_option_20_6_0: Some(then),
        expected_revision_option_20_6_0: Some(wanted_then),
        current_revision_option: Some(now),
        expected_revision_option: Some(wanted),
    };
    AppendResp {
        result: Some(append_resp::Result::WrongExpectedVersion(refusal)),
    }
}
