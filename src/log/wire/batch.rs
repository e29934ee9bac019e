//! `BatchAppend`: many appends on one call, each by itself, told apart by correlation ids.
//!
//! Appends are handed to the log in the order in which their last fragments came; their replies go out as they are
//! done. A client that ends its side gets what is pending, then OK.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use prost::Message;
use prost_types::Any;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::append::{self, Written};
use super::errors;
use super::messages::{
    Expectation, NONE_OR_END, NoEvent, Proposed, UuidForm, read_stream_name, read_uuid, size_of,
};
use super::node::Node;
use crate::kernel::StreamName;
use crate::log::{AppendError, NewEvent, rules};
use crate::proto::event_store::client as shared;
use crate::proto::google::rpc;
use shared::streams::{
    BatchAppendReq, BatchAppendResp, batch_append_req as req, batch_append_resp as resp,
};

/// The official server's write timeout: no append is collected for longer.
const MAX_COLLECTING: Duration = Duration::from_secs(2);

/// Appends of one call that are with the log at once; beyond that the client waits.
const MAX_WRITING: usize = 1024;

/// Appends of one call whose last fragment is outstanding.
const MAX_OPEN: usize = 1024;

/// Bytes of such fragments: sixteen appends of the largest size.
const MAX_OPEN_BYTES: usize = 16 * rules::MAX_APPEND_BYTES;

type Sender = mpsc::Sender<Result<BatchAppendResp, Status>>;

/// Serves one call.
pub(super) async fn run(node: Arc<Node>, requests: Streaming<BatchAppendReq>, replies: Sender) {
    let last_word = tokio::select! {
        outcome = serve(&node, requests, &replies) => outcome,
        () = replies.closed() => return,
        () = node.closed() => Err(errors::shutting_down()),
    };
    if let Err(status) = last_word {
        // A client that went away does not hear it.
        let _ = replies.send(Err(status)).await;
    }
}

/// An append whose last fragment has not come.
struct Open {
    head: Head,
    events: Vec<NewEvent>,
    bytes: usize,
    deadline: Instant,
}

/// What every reply to an append carries.
#[derive(Clone)]
struct Head {
    correlation: Uuid,
    form: UuidForm,
    name: Option<shared::StreamIdentifier>,
    stream: StreamName,
    expectation: Expectation,
}

async fn serve(
    node: &Arc<Node>,
    mut requests: Streaming<BatchAppendReq>,
    replies: &Sender,
) -> Result<(), Status> {
    let mut open: HashMap<Uuid, Open> = HashMap::new();
    let mut writing: FuturesUnordered<BoxFuture<'static, BatchAppendResp>> =
        FuturesUnordered::new();
    let mut more = true;
    loop {
        let soonest = open.values().map(|append| append.deadline).min();
        let reply = tokio::select! {
            biased;
            Some(reply) = writing.next(), if !writing.is_empty() => reply,
            () = sleep_until(soonest), if soonest.is_some() => {
                for reply in expire(&mut open, Instant::now()) {
                    send(replies, reply).await?;
                }
                continue;
            }
            request = requests.message(), if more && writing.len() < MAX_WRITING => {
                match request.map_err(errors::inbound)? {
                    None => {
                        more = false;
                        continue;
                    }
                    Some(request) => match fragment(node, &mut open, request)? {
                        Next::Nothing => continue,
                        Next::Reply(reply) => *reply,
                        Next::Write(append) => {
                            writing.push(write(Arc::clone(node), *append));
                            continue;
                        }
                    },
                }
            }
            else => return Ok(()),
        };
        send(replies, reply).await?;
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn send(replies: &Sender, reply: BatchAppendResp) -> Result<(), Status> {
    replies
        .send(Ok(reply))
        .await
        .map_err(|_| Status::cancelled("the client went away"))
}

enum Next {
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
fn fragment(
    node: &Arc<Node>,
    open: &mut HashMap<Uuid, Open>,
    request: BatchAppendReq,
) -> Result<Next, Status> {
    let correlation = read_uuid(request.correlation_id.as_ref())?;
    let text = matches!(
        request
            .correlation_id
            .as_ref()
            .and_then(|id| id.value.as_ref()),
        Some(shared::uuid::Value::String(_))
    );
    let form = if text {
        UuidForm::Text
    } else {
        UuidForm::Structured
    };
    if let (Some(options), false) = (request.options, open.contains_key(&correlation)) {
        let name = options.stream_identifier.clone();
        match begin(correlation, form, options) {
            Err(status) => {
                return Ok(Next::reply(bad_request(correlation, form, name, &status)));
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

fn expire(open: &mut HashMap<Uuid, Open>, now: Instant) -> Vec<BatchAppendResp> {
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

fn write(node: Arc<Node>, append: Open) -> BoxFuture<'static, BatchAppendResp> {
    Box::pin(async move {
        let head = append.head;
        let expected = match head.expectation.expected() {
            Ok(expected) => expected,
            Err(status) => return head.bad_request(status.message()),
        };
        match append::write(&node, &head.stream, expected, append.events).await {
            Ok(written) => head.success(&written),
            Err(error) => head.refusal(error),
        }
    })
}

impl Head {
    fn reply(&self, result: resp::Result) -> BatchAppendResp {
        BatchAppendResp {
            correlation_id: Some(self.form.write(self.correlation)),
            result: Some(result),
            stream_identifier: self.name.clone(),
            expected_stream_position: None,
        }
    }

    fn success(&self, written: &Written) -> BatchAppendResp {
        use resp::success::{CurrentRevisionOption, PositionOption};
        let revision = written
            .revision
            .map_or(CurrentRevisionOption::NoStream(()), |revision| {
                CurrentRevisionOption::CurrentRevision(revision)
            });
        let position = written
            .position
            .map_or(PositionOption::NoPosition(()), |position| {
                PositionOption::Position(shared::AllStreamPosition {
                    commit_position: position,
                    prepare_position: position,
                })
            });
        self.reply(resp::Result::Success(resp::Success {
            current_revision_option: Some(revision),
            position_option: Some(position),
        }))
    }

    fn refusal(&self, error: AppendError) -> BatchAppendResp {
        match error {
            AppendError::WrongExpected { current, .. } => self.wrong(current),
            AppendError::StreamDeleted(_) => {
                let detail = shared::StreamDeleted {
                    stream_identifier: self.name.clone(),
                };
                self.error((rpc::Code::NotFound, "StreamDeleted"), &detail)
            }
            AppendError::Protected(_) => {
                let error = (rpc::Code::PermissionDenied, "AccessDenied");
                self.error(error, &shared::AccessDenied {})
            }
            AppendError::Invalid { .. } => self.bad_request(&error.to_string()),
            AppendError::TooLarge { limit, .. } => self.too_large(limit),
            AppendError::Overloaded { .. } => self.error(
                (rpc::Code::Unavailable, "Server Is Too Busy"),
                &shared::Unknown {},
            ),
            AppendError::StorageFull { cause, .. } | AppendError::Unavailable { cause, .. } => {
                tracing::warn!(cause, "the log is unavailable");
                self.error((rpc::Code::Unknown, "Unknown"), &shared::Unknown {})
            }
        }
    }

    fn wrong(&self, current: Option<u64>) -> BatchAppendResp {
        use shared::wrong_expected_version::{
            CurrentStreamRevisionOption as Current, ExpectedStreamPositionOption as Expected,
        };
        let detail = shared::WrongExpectedVersion {
            current_stream_revision_option: Some(
                current.map_or(Current::CurrentNoStream(()), Current::CurrentStreamRevision),
            ),
            expected_stream_position_option: Some(match self.expectation {
                Expectation::Revision(NONE_OR_END) | Expectation::NoStream => {
                    Expected::ExpectedNoStream(())
                }
                Expectation::Revision(revision) => Expected::ExpectedStreamPosition(revision),
                Expectation::Any => Expected::ExpectedAny(()),
                Expectation::StreamExists => Expected::ExpectedStreamExists(()),
            }),
        };
        self.error((rpc::Code::AlreadyExists, "WrongExpectedVersion"), &detail)
    }

    fn too_large(&self, limit: usize) -> BatchAppendResp {
        let detail = shared::MaximumAppendSizeExceeded {
            max_append_size: u32::try_from(limit).unwrap_or(u32::MAX),
        };
        let error = (rpc::Code::InvalidArgument, "MaximumAppendSizeExceeded");
        self.error(error, &detail)
    }

    fn bad_request(&self, text: &str) -> BatchAppendResp {
        let detail = shared::BadRequest {
            message: text.to_owned(),
        };
        self.error((rpc::Code::InvalidArgument, "BadRequest"), &detail)
    }

    fn timeout(&self, form: UuidForm) -> BatchAppendResp {
        let reply = self.error(
            (rpc::Code::DeadlineExceeded, "Timeout"),
            &shared::Timeout {},
        );
        BatchAppendResp {
            correlation_id: Some(form.write(self.correlation)),
            ..reply
        }
    }

    fn error(&self, (code, message): (rpc::Code, &str), detail: &impl Detail) -> BatchAppendResp {
        self.reply(resp::Result::Error(status(code, message, detail)))
    }
}

/// A detail message and its full name.
trait Detail: Message {
    const NAME: &'static str;
}

macro_rules! details {
    ($($message:ident),*) => {
        $(impl Detail for shared::$message {
            const NAME: &'static str = stringify!($message);
        })*
    };
}
details!(
    AccessDenied,
    BadRequest,
    MaximumAppendSizeExceeded,
    StreamDeleted,
    Timeout,
    Unknown,
    WrongExpectedVersion
);

fn status<D: Detail>(code: rpc::Code, message: &str, detail: &D) -> rpc::Status {
    rpc::Status {
        code: code.into(),
        message: message.to_owned(),
        details: Some(Any {
            type_url: format!("type.googleapis.com/event_store.client.{}", D::NAME),
            value: detail.encode_to_vec(),
        }),
    }
}

/// The reply to options that make no append.
fn bad_request(
    correlation: Uuid,
    form: UuidForm,
    name: Option<shared::StreamIdentifier>,
    problem: &Status,
) -> BatchAppendResp {
    let detail = shared::BadRequest {
        message: problem.message().to_owned(),
    };
    BatchAppendResp {
        correlation_id: Some(form.write(correlation)),
        result: Some(resp::Result::Error(status(
            rpc::Code::InvalidArgument,
            "BadRequest",
            &detail,
        ))),
        stream_identifier: name,
        expected_stream_position: None,
    }
}
