//! Heals what dies between the two streams of a submission or an acceptance.
//!
//! ```text
//! ApplicationRegistered ─> application: CompleteSubmission   else candidacy: Abandon
//! PlacementClaimed ──────> application: Accept               else candidacy: Release
//! ```
//!
//! It does so at once and as the very request that wrote the first half, so it does not matter who comes first, the client
//! or the process: both write the same events.

use async_trait::async_trait;
use uuid::Uuid;

use super::process::{Process, ProcessError, Source};
use super::rooms::read;
use crate::applications::candidacy::Event;
use crate::applications::{Acceptance, Candidacy, Coordinator};
use crate::command::{Cause, CommandError, Committed, Order, Ownership, RequestDigest};
use crate::kernel::{Actor, Context, Moment};
use crate::log::RecordedEvent;

const NAME: &str = "submission";

/// See the module.
pub struct Submission {
    coordinator: Coordinator,
}

impl Submission {
    /// Over the applications' two streams.
    #[must_use]
    pub const fn new(coordinator: Coordinator) -> Self {
        Self { coordinator }
    }
}

#[async_trait]
impl Process for Submission {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sources(&self) -> &'static [Source] {
        &[Source {
            service: "applications",
            event_types: &["ApplicationRegistered", "PlacementClaimed"],
        }]
    }

    async fn handle(
        &self,
        _service: &'static str,
        event: &RecordedEvent,
        now: Moment,
    ) -> Result<(), ProcessError> {
        let (cause, fact) = read::<Candidacy>(NAME, event)?;
        match fact {
            Event::ApplicationRegistered(submission) => {
                let id = submission.ids.application_id;
                let order = as_the_client(&cause, id, submission, now)?;
                closed(self.coordinator.finish_submission(&order).await)
            }
            Event::PlacementClaimed {
                student_id,
                application_id,
                placement_id,
                ..
            } => {
                let acceptance = Acceptance { placement_id };
                let order = as_the_client(&cause, application_id, acceptance, now)?;
                closed(self.coordinator.finish_acceptance(&order, student_id).await)
            }
            Event::ApplicationAbandoned { .. } | Event::PlacementReleased { .. } => Ok(()),
        }
    }
}

/// A refusal was compensated by the coordinator: the command is closed either way.
fn closed(outcome: Result<Committed, CommandError>) -> Result<(), ProcessError> {
    match outcome {
        Ok(_) | Err(CommandError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The second half, as the request that wrote the first one: same actor, same times, same request id and digest.
fn as_the_client<C>(
    cause: &Cause,
    id: Uuid,
    command: C,
    now: Moment,
) -> Result<Order<C>, ProcessError> {
    let metadata = cause.metadata();
    let digest = RequestDigest::from_hex(&metadata.request_digest)
        .ok_or_else(|| ProcessError::Permanent("request_digest cannot be read".to_owned()))?;
    Ok(Order {
        id,
        command,
        context: Context {
            actor: Actor {
                id: metadata.actor,
                role: metadata.role,
            },
            request_id: metadata.request_id,
            correlation_id: metadata.correlation_id,
            causation_id: metadata.causation_id,
            reason: metadata.reason.clone(),
            occurred_at: metadata.occurred_at,
            now,
            imported: metadata.imported,
        },
        digest,
        expected: None,
        validate_only: false,
        ownership: Ownership::Any,
    })
}
