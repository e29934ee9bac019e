//! What processes share: the handlers of the rooms, how an event is read, and how a refusal is told from a fault.

use std::sync::Arc;

use super::process::ProcessError;
use crate::applications::{Application, Candidacy, Coordinator};
use crate::attendance::Register;
use crate::certificates::Certification;
use crate::command::{Cause, CommandError, Committed, Handler, Order};
use crate::evaluations::Evaluation;
use crate::kernel::{Refusal, Stored};
use crate::log::RecordedEvent;
use crate::placements::Placement;
use crate::tasks::Worklist;

/// The handlers that processes send commands to: the same that serve clients, so that both share the hot aggregates.
#[derive(Clone)]
pub struct Rooms {
    /// Applications and candidacies.
    pub coordinator: Coordinator,
    /// Placements.
    pub placements: Arc<Handler<Placement>>,
    /// Registers of attendance.
    pub registers: Arc<Handler<Register>>,
    /// Worklists.
    pub worklists: Arc<Handler<Worklist>>,
    /// Evaluations.
    pub evaluations: Arc<Handler<Evaluation>>,
    /// Certifications.
    pub certifications: Arc<Handler<Certification>>,
}

impl Rooms {
    /// The applications' handler.
    pub(super) fn applications(&self) -> &Handler<Application> {
        self.coordinator.applications()
    }

    /// The candidacies' handler.
    pub(super) fn candidacies(&self) -> &Handler<Candidacy> {
        self.coordinator.candidacies()
    }
}

/// An event as its room states it, and as the cause of what follows.
pub(super) fn read<A: Stored>(
    process: &'static str,
    event: &RecordedEvent,
) -> Result<(Cause, A::Event), ProcessError> {
    let cause = Cause::new(process, event)?;
    let version = cause.metadata().schema_version;
    let fact = A::decode(&event.event_type, version, &event.data)
        .map_err(|error| ProcessError::Permanent(error.to_string()))?;
    Ok((cause, fact))
}

/// Sends a command that the domain may refuse: the refusal is an answer, only a fault is an error.
pub(super) async fn ask<A: Stored>(
    handler: &Handler<A>,
    order: Order<A::Command>,
) -> Result<Result<Committed, Box<dyn Refusal>>, ProcessError> {
    match handler.execute(&order).await {
        Ok(committed) => Ok(Ok(committed)),
        Err(CommandError::Refused(refusal)) => Ok(Err(refusal)),
        Err(error) => Err(error.into()),
    }
}

/// Sends a command that the domain never refuses here: a refusal parks the event.
pub(super) async fn send<A: Stored>(
    handler: &Handler<A>,
    order: Order<A::Command>,
) -> Result<(), ProcessError> {
    handler.execute(&order).await?;
    Ok(())
}
