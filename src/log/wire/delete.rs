//! Delete and Tombstone.

use std::sync::Arc;

use tonic::Status;

use super::errors;
use super::messages::{Expectation, read_stream_name, write_position};
use super::node::Node;
use crate::log::rules;
use crate::proto::event_store::client as shared;
use shared::streams::{
    DeleteReq, DeleteResp, TombstoneReq, TombstoneResp, delete_req, delete_resp, tombstone_req,
    tombstone_resp,
};

/// Hides a stream.
pub(super) async fn delete(node: &Arc<Node>, request: DeleteReq) -> Result<DeleteResp, Status> {
    use delete_req::options::ExpectedStreamRevision as Said;
    let options = request.options.ok_or_else(no_options)?;
    let expectation = match options.expected_stream_revision {
        None => return Err(unset("DeleteReq")),
        Some(Said::Revision(revision)) => Expectation::Revision(revision),
        Some(Said::NoStream(_)) => Expectation::NoStream,
        Some(Said::Any(_)) => Expectation::Any,
        Some(Said::StreamExists(_)) => Expectation::StreamExists,
    };
    node.check_writable()?;
    let stream = read_stream_name(options.stream_identifier.as_ref())?;
    let expected = expectation.expected()?;
    let deleted = if rules::owner_of(&stream).is_some() {
        // Accepted by the official server, and nothing is to be seen of it afterwards.
        let unchanged = node.log.append(&stream, expected, Vec::new()).await;
        unchanged.map(|unchanged| node.position_of_nothing(unchanged.position))
    } else {
        let deleted = node.log.delete(&stream, expected).await;
        deleted.map(write_position)
    };
    let position = deleted.map_err(|error| errors::of_append(error, expectation))?;
    Ok(DeleteResp {
        position_option: Some(delete_resp::PositionOption::Position(
            delete_resp::Position {
                commit_position: position,
                prepare_position: position,
            },
        )),
    })
}

/// Ends a stream.
pub(super) async fn tombstone(
    node: &Arc<Node>,
    request: TombstoneReq,
) -> Result<TombstoneResp, Status> {
    use tombstone_req::options::ExpectedStreamRevision as Said;
    let options = request.options.ok_or_else(no_options)?;
    let expectation = match options.expected_stream_revision {
        None => return Err(unset("TombstoneReq")),
        Some(Said::Revision(revision)) => Expectation::Revision(revision),
        Some(Said::NoStream(_)) => Expectation::NoStream,
        Some(Said::Any(_)) => Expectation::Any,
        Some(Said::StreamExists(_)) => Expectation::StreamExists,
    };
    node.check_writable()?;
    let stream = read_stream_name(options.stream_identifier.as_ref())?;
    let expected = expectation.expected()?;
    let position = node
        .log
        .tombstone(&stream, expected)
        .await
        .map_err(|error| errors::of_append(error, expectation))?;
    Ok(TombstoneResp {
        position_option: Some(tombstone_resp::PositionOption::Position(
            tombstone_resp::Position {
                commit_position: write_position(position),
                prepare_position: write_position(position),
            },
        )),
    })
}

fn no_options() -> Status {
    errors::malformed("the options are missing")
}

fn unset(request: &str) -> Status {
    errors::unset(&format!(
        "Streams.{request}+Types+Options+ExpectedStreamRevision"
    ))
}
