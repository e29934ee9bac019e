//! Sends one command until it has an answer, and waits for the processes where the reply says so.

use std::error::Error as _;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use prost::Message as _;
use tokio::time::{Instant, sleep, timeout};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::error::ImportError;
use super::lines::Line;
use super::status::{Meaning, meaning};
use crate::ops::client::Target;
use crate::proto::annals::common::v1::CommandReply;
use crate::proto::annals::operations::v1::AwaitProcessesRequest;

/// What became of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Done now.
    Accepted,
    /// Had been done before.
    Repeated,
    /// Decided against: the reason, and the message.
    Refused(String, String),
    /// Not decided: a code, and the message.
    Failed(String, String),
}

/// One connection's worth of sending; cheap to clone.
#[derive(Clone)]
pub(super) struct Sender {
    server: Target,
    channel: Channel,
    token: Option<MetadataValue<Ascii>>,
    give_up_after: Duration,
}

/// How a call ended that is not tried again.
enum Ended {
    Reply(Bytes),
    Status(Status, Option<String>),
}

impl Sender {
    /// Longest wait for the answer to one command.
    const CALL: Duration = Duration::from_secs(30);
    /// First pause before a command is sent again; it doubles each time.
    const FIRST_PAUSE: Duration = Duration::from_millis(50);
    /// Longest pause: a server that is back is noticed within it.
    const LONGEST_PAUSE: Duration = Duration::from_secs(2);
    /// Tries of a command that the server answers with a mistake of its own.
    const FLAKY_TRIES: u32 = 3;
    const AWAIT_PROCESSES: PathAndQuery =
        PathAndQuery::from_static("/annals.operations.v1.OperationsService/AwaitProcesses");

    pub(super) fn new(
        server: Target,
        channel: Channel,
        token: Option<MetadataValue<Ascii>>,
        give_up_after: Duration,
    ) -> Self {
        Self {
            server,
            channel,
            token,
            give_up_after,
        }
    }

    /// Sends `line` and waits until the next line of its key may be sent.
    ///
    /// # Errors
    /// Where no further line would fare better.
    pub(super) async fn send(&self, line: &Line) -> Result<Outcome, ImportError> {
        let number = line.at.line;
        let reply = match self.call(number, &line.method.path, &line.body).await? {
            Ended::Reply(reply) => reply,
            Ended::Status(status, reason) => return Ok(outcome_of(&status, reason)),
        };
        if !line.method.is_command {
            return Ok(Outcome::Accepted);
        }
        let Ok(reply) = CommandReply::decode(reply) else {
            let problem = "the reply is no CommandReply".to_owned();
            return Ok(Outcome::Failed("UNREADABLE_REPLY".to_owned(), problem));
        };
        if reply.processes_pending {
            let request = AwaitProcessesRequest {
                consistency_token: reply.consistency_token,
            };
            let body = request.encode_to_vec().into();
            let ended = self.call(number, &Self::AWAIT_PROCESSES, &body).await?;
            if let Ended::Status(status, _) = ended {
                let problem = format!("AwaitProcesses: {}", status.message());
                return Ok(Outcome::Failed(format!("{:?}", status.code()), problem));
            }
        }
        Ok(if reply.repeated {
            Outcome::Repeated
        } else {
            Outcome::Accepted
        })
    }

    /// Calls until there is an answer that another try would not change.
    async fn call(
        &self,
        line: u64,
        path: &PathAndQuery,
        body: &Bytes,
    ) -> Result<Ended, ImportError> {
        let started = Instant::now();
        let mut pause = Self::FIRST_PAUSE;
        let mut flaws = 0;
        let mut first = true;
        loop {
            let status = match self.attempt(path, body.clone()).await {
                Ok(reply) => return Ok(Ended::Reply(reply)),
                Err(status) => status,
            };
            if let Some(untrusted) = status.source().and_then(|why| self.server.untrusted(why)) {
                return Err(untrusted.into());
            }
            // Once a command: a server that is not up yet is asked again with the next one.
            if std::mem::take(&mut first)
                && status.source().is_some()
                && let Some(mistaken) = self.server.mistaken().await
            {
                return Err(mistaken.into());
            }
            let at_least = match meaning(&status) {
                Meaning::Again(at_least) => at_least.unwrap_or_default(),
                Meaning::Flaky if flaws + 1 < Self::FLAKY_TRIES => {
                    flaws += 1;
                    Duration::ZERO
                }
                Meaning::Refused(reason) => return Ok(Ended::Status(status, Some(reason))),
                Meaning::Flaky | Meaning::Failed => return Ok(Ended::Status(status, None)),
                Meaning::Stop => {
                    return Err(ImportError::Unauthenticated {
                        line,
                        problem: status.message().to_owned(),
                    });
                }
            };
            if started.elapsed() >= self.give_up_after {
                return Err(ImportError::GaveUp {
                    line,
                    seconds: self.give_up_after.as_secs(),
                    problem: format!("{path}: {:?}: {}", status.code(), status.message()),
                });
            }
            sleep(pause.max(at_least)).await;
            pause = (pause * 2).min(Self::LONGEST_PAUSE);
        }
    }

    async fn attempt(&self, path: &PathAndQuery, body: Bytes) -> Result<Bytes, Status> {
        let mut request = Request::new(body);
        request.set_timeout(Self::CALL);
        if let Some(token) = &self.token {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        let call = async {
            client
                .ready()
                .await
                .map_err(|error| Status::from_error(error.into()))?;
            client.unary(request, path.clone(), Raw).await
        };
        // The server keeps the deadline; this is for one that does not answer at all.
        timeout(Self::CALL + Duration::from_secs(5), call)
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer")))
            .map(tonic::Response::into_inner)
    }
}

fn outcome_of(status: &Status, reason: Option<String>) -> Outcome {
    let message = status.message().to_owned();
    match reason {
        Some(reason) => Outcome::Refused(reason, message),
        None => Outcome::Failed(format!("{:?}", status.code()), message),
    }
}

/// Messages as bytes: what a request means is the server's to say.
#[derive(Clone, Copy)]
pub(super) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
