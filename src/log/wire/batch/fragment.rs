//! Appends in pieces: what a fragment adds, what is complete, what came too late.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use super::reply::{Head, bad_request};
use crate::log::wire::errors;
use crate::log::wire::messages::{
    Expectation, NoEvent, Proposed, UuidForm, read_stream_name, read_uuid, size_of,
};
use crate::log::wire::node::Node;
use crate::log::{NewEvent, rules};
use crate::proto::event_store::client as shared;
use crate::proto::google::rpc;
use shared::streams::{BatchAppendReq, BatchAppendResp, batch_append_req as req};

/// The official server's write timeout: no append is collected for longer.
const MAX_COLLECTING: Duration = Duration::from_secs(2);

/// Appends of one call whose last fragment is outstanding.
const MAX_OPEN: usize = 1024;

/// Bytes of such fragments: sixteen appends of the largest size.
const MAX_OPEN_BYTES: usize = 16 * rules::MAX_APPEND_BYTES;

/// An append whose last fragment has not come.
pub(super) struct Open {
    pub(super) head: Head,
    pub(super) events: Vec<NewEvent>,
    bytes: usize,
    pub(super) deadline: Instant,
}

/// What a fragment leads to.
pub(super) enum Next {
    Nothing,
    Reply(Box<BatchAppendResp>),
    Write(Box<Open>),
}

impl Next {
    fn reply(reply: BatchAppendResp) -> Self {
        Self::Reply(Box::new(reply))
    }
}

/// Takes in one fragment. Only what cannot be told apart by a correlation id ends the call.
pub(super) fn fragment(
    node: &Arc<Node>,
    open: &mut HashMap<Uuid, Open>,
    request: BatchAppendReq,
) -> Result<Next, Status> {
    let correlation = match correlation_of(&request) {
        Ok(correlation) => correlation,
        Err(status) if request.correlation_id.is_none() && request.options.is_none() => {
            return Err(status);
        }
        Err(status) => {
            let name = request
                .options
                .and_then(|options| options.stream_identifier);
            let reply = bad_request(request.correlation_id, name, &status);
            return Ok(Next::reply(reply));
        }
    };
    let form = match request
        .correlation_id
        .as_ref()
        .and_then(|id| id.value.as_ref())
    {
        Some(shared::uuid::Value::String(_)) => UuidForm::Text,
        Some(shared::uuid::Value::Structured(_)) | None => UuidForm::Structured,
    };
    if let (Some(options), false) = (request.options, open.contains_key(&correlation)) {
        let name = options.stream_identifier.clone();
        match begin(correlation, form, options) {
            Err(status) => {
                let echo = Some(form.write(correlation));
                return Ok(Next::reply(bad_request(echo, name, &status)));
            }
            Ok(append) if node.options.read_only => {
                let error = (rpc::Code::PermissionDenied, "AccessDenied");
                return Ok(Next::reply(
                    append.head.error(error, &shared::AccessDenied {}),
                ));
            }
            Ok(append) if append.deadline <= Instant::now() => {
                return Ok(Next::reply(append.head.timeout(form)));
            }
            Ok(append) if open.len() < MAX_OPEN => {
                open.insert(correlation, append);
            }
            Ok(append) => {
                let error = (rpc::Code::Unavailable, "Server Is Too Busy");
                return Ok(Next::reply(append.head.error(error, &shared::Unknown {})));
            }
        }
    }
    let Some(append) = open.get_mut(&correlation) else {
        return Ok(Next::Nothing);
    };
    if let Err(reply) = append.take(request.proposed_messages) {
        open.remove(&correlation);
        return Ok(Next::Reply(reply));
    }
    if open.values().map(|append| append.bytes).sum::<usize>() > MAX_OPEN_BYTES {
        return Err(Status::resource_exhausted(format!(
            "appends without their last fragment hold more than {MAX_OPEN_BYTES} bytes"
        )));
    }
    if !request.is_final {
        return Ok(Next::Nothing);
    }
    Ok(open
        .remove(&correlation)
        .map_or(Next::Nothing, |append| Next::Write(Box::new(append))))
}

fn correlation_of(request: &BatchAppendReq) -> Result<Uuid, Status> {
    let correlation = read_uuid(request.correlation_id.as_ref())?;
    if correlation.is_nil() {
        return Err(errors::malformed("the correlation id is nil"));
    }
    Ok(correlation)
}

fn begin(correlation: Uuid, form: UuidForm, options: req::Options) -> Result<Open, Status> {
    use req::options::ExpectedStreamPosition as Said;
    let expectation = match options.expected_stream_position {
        None => return Err(errors::malformed("the expected stream position is missing")),
        Some(Said::StreamPosition(revision)) => Expectation::Revision(revision),
        Some(Said::NoStream(())) => Expectation::NoStream,
        Some(Said::Any(())) => Expectation::Any,
        Some(Said::StreamExists(())) => Expectation::StreamExists,
    };
    expectation.expected()?;
    let stream = read_stream_name(options.stream_identifier.as_ref())?;
    Ok(Open {
        head: Head {
            correlation,
            form,
            name: options.stream_identifier,
            stream,
            expectation,
        },
        events: Vec::new(),
        bytes: 0,
        deadline: options
            .deadline_option
            .map_or_else(|| Instant::now() + MAX_COLLECTING, deadline),
    })
}

/// When collecting ends: clients that set no deadline send centuries, so it is clamped.
fn deadline(option: req::options::DeadlineOption) -> Instant {
    use req::options::DeadlineOption as Said;
    let micros =
        |seconds: i64, nanos: i32| i128::from(seconds) * 1_000_000 + i128::from(nanos) / 1000;
    let left = match option {
        Said::Deadline(duration) => micros(duration.seconds, duration.nanos),
        Said::Deadline21100(at) => {
            let now = rules::system_clock()().unix_micros();
            micros(at.seconds, at.nanos) - i128::from(now)
        }
    };
    let left = u64::try_from(left.max(0)).unwrap_or(u64::MAX);
    Instant::now() + Duration::from_micros(left).min(MAX_COLLECTING)
}

/// Takes out the appends whose time is up, each with its reply.
pub(super) fn expire(open: &mut HashMap<Uuid, Open>, now: Instant) -> Vec<BatchAppendResp> {
    let late: Vec<Uuid> = open
        .iter()
        .filter(|(_, append)| append.deadline <= now)
        .map(|(id, _)| *id)
        .collect();
    late.iter()
        .filter_map(|id| open.remove(id))
        // The one reply of the official server that does not echo the id's form.
        .map(|append| append.head.timeout(UuidForm::Structured))
        .collect()
}

impl Open {
    fn take(&mut self, messages: Vec<req::ProposedMessage>) -> Result<(), Box<BatchAppendResp>> {
        for message in messages {
            let proposed = Proposed {
                id: message.id,
                metadata: message.metadata,
                custom_metadata: message.custom_metadata,
                data: message.data,
            };
            let event = match proposed.into_event() {
                Ok(event) => event,
                Err(NoEvent::Missing(_)) => {
                    // The official server's text, which clients may know.
                    let text = "The given key was not present in the dictionary.";
                    return Err(Box::new(self.head.bad_request(text)));
                }
                Err(NoEvent::Malformed(status)) => {
                    return Err(Box::new(self.head.bad_request(status.message())));
                }
            };
            self.bytes += size_of(&event);
            if self.bytes > rules::MAX_APPEND_BYTES {
                return Err(Box::new(self.head.too_large(rules::MAX_APPEND_BYTES)));
            }
            self.events.push(event);
        }
        Ok(())
    }
}
