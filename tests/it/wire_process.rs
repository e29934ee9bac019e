//! Appends over EventStoreDB's protocol to a server that is a process of its own.

use annals::proto::event_store::client::streams::streams_client::StreamsClient;
use annals::proto::event_store::client::streams::{self as proto, append_req};
use proto::append_req::options::ExpectedStreamRevision as Expect;
use tonic::Status;
use tonic::transport::Channel;

use crate::wire_client::name;

/// A position on the wire is the log's times this.
const POSITION_STEP: u64 = 256;

/// What the server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Of the last event.
    pub revision: u64,
    /// Where in the log, where it says so.
    pub position: Option<u64>,
}

/// Appends as one; a conflict is a panic, because none is expected.
pub async fn append(
    client: &mut StreamsClient<Channel>,
    stream: &str,
    expect: Expect,
    events: Vec<append_req::ProposedMessage>,
) -> Result<Done, Status> {
    let options = append_req::Content::Options(append_req::Options {
        stream_identifier: Some(name(stream)),
        expected_stream_revision: Some(expect),
    });
    let messages: Vec<_> = std::iter::once(options)
        .chain(events.into_iter().map(append_req::Content::ProposedMessage))
        .map(|content| proto::AppendReq {
            content: Some(content),
        })
        .collect();
    let reply = client.append(futures::stream::iter(messages)).await?;
    let result = reply.into_inner().result.expect("an outcome");
    let proto::append_resp::Result::Success(success) = result else {
        panic!("{stream}: {result:?}");
    };
    let position = match success.position_option {
        Some(proto::append_resp::success::PositionOption::Position(at)) => {
            Some(at.commit_position / POSITION_STEP)
        }
        Some(proto::append_resp::success::PositionOption::NoPosition(_)) | None => None,
    };
    Ok(Done {
        revision: crate::wire_client::revision_of(&success),
        position,
    })
}
