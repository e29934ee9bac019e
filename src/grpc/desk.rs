//! Where a command is received: role, fields, then the command path, then the reply. One shape for every room.

use std::collections::HashSet;
use std::sync::Arc;

use prost::Message;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::caller::Caller;
use super::fields::{Fields, moment_of};
use super::policy::{self, Grant};
use super::status;
use crate::command::{CommandError, Committed, Handler, Order, Ownership, RequestDigest};
use crate::kernel::{ConsistencyToken, Context, Moment, Role, Stored};
use crate::proto::annals::common::v1::{CommandReply, WrittenEvent};

/// The server's clock, handed in so that the edge reads no clock of its own.
pub type Clock = fn() -> Moment;

/// The event types that a process reacts to: what `processes_pending` is told by.
pub type Follow = Arc<HashSet<&'static str>>;

/// The fields that every command request has.
#[derive(Debug)]
pub struct Options {
    /// A UUID (AIP-155).
    pub request_id: String,
    /// The pinned revision.
    pub expected_revision: Option<u64>,
    /// Change nothing (AIP-163).
    pub validate_only: bool,
    /// When it happened, for the import role.
    pub occurred_at: Option<prost_types::Timestamp>,
}

/// A request of a command.
pub trait CommandRequest: Message + Send + 'static {
    /// The common fields, clearing those that may differ between a request and its retry.
    fn take_options(&mut self) -> Options;
}

/// Receives the commands of one aggregate.
pub struct Desk<A: Stored> {
    service: &'static str,
    handler: Arc<Handler<A>>,
    clock: Clock,
    follow: Follow,
}

impl<A: Stored> Clone for Desk<A> {
    fn clone(&self) -> Self {
        Self {
            service: self.service,
            handler: Arc::clone(&self.handler),
            clock: self.clock,
            follow: Arc::clone(&self.follow),
        }
    }
}

impl<A: Stored> Desk<A> {
    /// A desk of `service`, whose log the handler writes.
    #[must_use]
    pub fn new(
        service: &'static str,
        handler: Arc<Handler<A>>,
        clock: Clock,
        follow: Follow,
    ) -> Self {
        Self {
            service,
            handler,
            clock,
            follow,
        }
    }

    /// The handler behind it.
    #[must_use]
    pub fn handler(&self) -> &Arc<Handler<A>> {
        &self.handler
    }

    /// Receives, executes, replies. `read` turns the request into the aggregate's id and a command.
    ///
    /// # Errors
    /// Role, fields, ownership, then what the command path says.
    pub async fn run<R: CommandRequest>(
        &self,
        action: &'static str,
        request: Request<R>,
        read: impl FnOnce(&R, &mut Fields) -> (Uuid, A::Command),
    ) -> Result<Response<CommandReply>, Status> {
        let order = self.admit(action, request, read)?;
        let outcome = self.handler.execute(&order).await;
        self.reply(outcome)
    }

    /// The first half of [`Self::run`], for commands that touch two streams.
    ///
    /// # Errors
    /// Role, then every wrong field.
    pub fn admit<R: CommandRequest, C>(
        &self,
        action: &'static str,
        request: Request<R>,
        read: impl FnOnce(&R, &mut Fields) -> (Uuid, C),
    ) -> Result<Order<C>, Status> {
        let caller = Caller::of(request.extensions())?;
        let ownership = match policy::authorise(action, caller)? {
            Grant::Any => Ownership::Any,
            Grant::Own | Grant::Deny => Ownership::Own,
        };
        let now = (self.clock)();
        let mut message = request.into_inner();
        let options = message.take_options();
        let mut fields = Fields::default();
        let request_id = fields.uuid("request_id", &options.request_id);
        let occurred_at = occurred_at(options.occurred_at.as_ref(), caller, now, &mut fields);
        let (id, command) = read(&message, &mut fields);
        let reason = fields.check()?;
        Ok(Order {
            id,
            command,
            context: Context {
                actor: caller.actor,
                request_id,
                correlation_id: request_id,
                causation_id: None,
                reason,
                occurred_at: occurred_at.unwrap_or(now),
                now,
                imported: occurred_at.is_some(),
            },
            digest: RequestDigest::of(&[action.as_bytes(), &message.encode_to_vec()]),
            expected: options.expected_revision,
            validate_only: options.validate_only,
            ownership,
        })
    }

    /// The second half of [`Self::run`].
    ///
    /// # Errors
    /// What the command path says.
    pub fn reply(
        &self,
        outcome: Result<Committed, CommandError>,
    ) -> Result<Response<CommandReply>, Status> {
        let committed = outcome.map_err(|error| status::from_command_error(&error))?;
        Ok(Response::new(CommandReply {
            stream: committed.stream.to_string(),
            revision: committed.revision.unwrap_or_default(),
            processes_pending: committed
                .events
                .iter()
                .any(|event| self.follow.contains(event.event_type)),
            events: committed
                .events
                .iter()
                .map(|event| WrittenEvent {
                    event_id: event.id.to_string(),
                    r#type: event.event_type.to_owned(),
                    revision: event.revision,
                })
                .collect(),
            consistency_token: ConsistencyToken::new(self.service, committed.position).to_string(),
            repeated: committed.repeated,
        }))
    }
}

/// Only the import role may say when something happened, and only of the past.
fn occurred_at(
    told: Option<&prost_types::Timestamp>,
    caller: Caller,
    now: Moment,
    fields: &mut Fields,
) -> Option<Moment> {
    const FIELD: &str = "occurred_at";
    let told = told?;
    if caller.actor.role != Role::Import {
        fields.violation(FIELD, "may be set by the import role only");
        return None;
    }
    match moment_of(told) {
        Some(at) if at <= now => return Some(at),
        Some(_) => fields.violation(FIELD, "must not lie in the future"),
        None => fields.violation(FIELD, "must be an instant between the years 1 and 9999"),
    }
    None
}
