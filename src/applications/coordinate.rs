//! The two commands that touch both streams: first the student's candidacy, then the application.
//!
//! ```text
//!   check (nothing written) ─> candidacy: Register or Claim ─> application: ApplicationSubmitted or OfferAccepted
//!                                        │                              │ refused
//!                                        │ crash                        └─> candidacy: Abandon or Release
//!                                        └─> the process `submission` does the rest, as the same request
//! ```
//!
//! Both streams remember the client's request id. Whoever does the second half, the client or the process, writes
//! the same events with the same ids, so that doing it twice is doing it once.

use std::sync::Arc;

use uuid::Uuid;

use super::candidacy::{self, Candidacy, Cause};
use super::{Application, Command, Submission};
use crate::command::{CommandError, Committed, Handler, Order};
use crate::kernel::derived_id;

/// The handlers of both streams.
#[derive(Clone)]
pub struct Coordinator {
    applications: Arc<Handler<Application>>,
    candidacies: Arc<Handler<Candidacy>>,
}

/// The new placement that an acceptance names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acceptance {
    /// The new placement.
    pub placement_id: Uuid,
}

impl Coordinator {
    /// Over these two.
    #[must_use]
    pub const fn new(
        applications: Arc<Handler<Application>>,
        candidacies: Arc<Handler<Candidacy>>,
    ) -> Self {
        Self {
            applications,
            candidacies,
        }
    }

    /// The applications' handler.
    #[must_use]
    pub const fn applications(&self) -> &Arc<Handler<Application>> {
        &self.applications
    }

    /// The candidacies' handler.
    #[must_use]
    pub const fn candidacies(&self) -> &Arc<Handler<Candidacy>> {
        &self.candidacies
    }

    /// A student applies. Answers what the application's stream answers.
    pub async fn submit(&self, order: &Order<Submission>) -> Result<Committed, CommandError> {
        let submission = &order.command;
        let checked = self
            .check(order, Command::Submit(submission.clone()))
            .await?;
        if checked.repeated {
            return Ok(checked);
        }
        let register = candidacy::Command::Register(submission.clone());
        let student = submission.ids.student_id;
        let registered = |state: &Candidacy| {
            state
                .applications
                .contains_key(&submission.ids.application_id)
        };
        let begun = self
            .first(&order.with(student, register), registered)
            .await?;
        if order.validate_only {
            return Ok(checked);
        }
        fail::fail_point!("applications::between_streams");
        let finished = self.finish_submission(order).await?;
        Ok(told_by_whom_began(finished, begun))
    }

    /// The second half of a submission, or its compensation.
    pub async fn finish_submission(
        &self,
        order: &Order<Submission>,
    ) -> Result<Committed, CommandError> {
        let submission = &order.command;
        let complete = order.with(order.id, Command::CompleteSubmission(submission.clone()));
        let outcome = self.applications.execute(&complete).await;
        if outcome.as_ref().is_err_and(is_final) {
            let abandon = candidacy::Command::Abandon {
                application_id: order.id,
            };
            self.compensate(order, submission.ids.student_id, abandon)
                .await?;
        }
        outcome
    }

    /// A student accepts an offer. Answers what the application's stream answers.
    pub async fn accept(&self, order: &Order<Acceptance>) -> Result<Committed, CommandError> {
        let placement_id = order.command.placement_id;
        let checked = self.check(order, Command::Accept { placement_id }).await?;
        if checked.repeated || checked.events.is_empty() {
            return Ok(checked);
        }
        let claim = candidacy::Command::Claim {
            application_id: order.id,
            placement_id,
        };
        let student = self.student(order.id).await?;
        let claimed = |state: &Candidacy| state.holds(placement_id, order.id);
        let begun = self.first(&order.with(student, claim), claimed).await?;
        if order.validate_only {
            return Ok(checked);
        }
        fail::fail_point!("applications::between_streams");
        let finished = self.finish_acceptance(order, student).await?;
        Ok(told_by_whom_began(finished, begun))
    }

    /// The second half of an acceptance, or its compensation.
    pub async fn finish_acceptance(
        &self,
        order: &Order<Acceptance>,
        student: Uuid,
    ) -> Result<Committed, CommandError> {
        let placement_id = order.command.placement_id;
        let mut accept = order.with(order.id, Command::Accept { placement_id });
        accept.expected = order.expected;
        let outcome = self.applications.execute(&accept).await;
        if outcome.as_ref().is_err_and(is_final) {
            let release = candidacy::Command::Release {
                placement_id,
                cause: Cause::Refused,
            };
            self.compensate(order, student, release).await?;
        }
        outcome
    }

    /// What the application would answer: ownership, request id, pinned revision and state, before anything is written.
    async fn check<C>(
        &self,
        order: &Order<C>,
        command: Command,
    ) -> Result<Committed, CommandError> {
        let mut check = order.with(order.id, command);
        check.validate_only = true;
        check.expected = order.expected;
        check.ownership = order.ownership;
        self.applications.execute(&check).await
    }

    /// The candidacy's half. Its stream may remember the request although what it did was compensated since; then
    /// it is decided anew, under an id of this attempt. Answers whether this attempt wrote it.
    async fn first(
        &self,
        order: &Order<candidacy::Command>,
        in_effect: impl Fn(&Candidacy) -> bool,
    ) -> Result<bool, CommandError> {
        let outcome = self.candidacies.execute(order).await?;
        if !outcome.repeated || order.validate_only {
            return Ok(!outcome.repeated);
        }
        let state = self.candidacies.state(order.id).await?;
        if state.as_ref().is_some_and(in_effect) {
            return Ok(false);
        }
        let mut again = order.clone();
        again.context.request_id = of_this_attempt(b"again", order);
        self.candidacies.execute(&again).await?;
        Ok(true)
    }

    async fn compensate<C>(
        &self,
        order: &Order<C>,
        student: Uuid,
        command: candidacy::Command,
    ) -> Result<(), CommandError> {
        fail::fail_point!("applications::before_compensation");
        let mut compensation = order.with(student, command);
        compensation.context.request_id = of_this_attempt(b"compensate", order);
        self.candidacies.execute(&compensation).await.map(drop)
    }

    async fn student(&self, application: Uuid) -> Result<Uuid, CommandError> {
        let known = self.applications.state(application).await?;
        known
            .and_then(|state| state.known)
            .map(|known| known.ids.student_id)
            .ok_or_else(|| CommandError::Refused(Box::new(super::Refusal::Unknown)))
    }
}

/// The process may be quicker with the second half; whoever began a command now is told that it was done now.
fn told_by_whom_began(finished: Committed, begun: bool) -> Committed {
    Committed {
        repeated: finished.repeated && !begun,
        ..finished
    }
}

/// Whether the application said no for good. A fault of the machinery leaves the half open: the process closes it.
fn is_final(error: &CommandError) -> bool {
    match error {
        CommandError::Refused(_)
        | CommandError::NotOwner(_)
        | CommandError::RequestIdReused(_)
        | CommandError::Conflict { .. } => true,
        CommandError::Contended { .. }
        | CommandError::Append(_)
        | CommandError::Read(_)
        | CommandError::Unreadable(_) => false,
    }
}

/// Differs from attempt to attempt, so that an attempt is never taken for one before it. What it does is idempotent by
/// state.
fn of_this_attempt<C>(step: &[u8], order: &Order<C>) -> Uuid {
    let context = &order.context;
    derived_id(&[
        step,
        context.request_id.as_bytes(),
        &context.now.unix_micros().to_be_bytes(),
    ])
}
