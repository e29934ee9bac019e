//! What a process is, and how its work can fail.

use async_trait::async_trait;

use crate::command::CommandError;
use crate::kernel::Moment;
use crate::log::RecordedEvent;

/// What a process listens to: these event types of one service's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The service.
    pub service: &'static str,
    /// Whole event types.
    pub event_types: &'static [&'static str],
}

/// Why an event was not handled.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It may go through later, unchanged: it is tried again until it does.
    #[error("{0}")]
    Transient(String),
    /// It will not: the event is parked for an operator.
    #[error("{0}")]
    Permanent(String),
}

impl From<CommandError> for ProcessError {
    fn from(error: CommandError) -> Self {
        let text = error.to_string();
        if error.is_transient() {
            Self::Transient(text)
        } else {
            Self::Permanent(text)
        }
    }
}

impl From<serde_json::Error> for ProcessError {
    fn from(error: serde_json::Error) -> Self {
        Self::Permanent(format!("event cannot be read: {error}"))
    }
}

/// Turns events of one service into commands of others.
#[async_trait]
pub trait Process: Send + Sync + 'static {
    /// Its name: part of the request ids that it makes, so it never changes.
    fn name(&self) -> &'static str;

    /// What it listens to.
    fn sources(&self) -> &'static [Source];

    /// Whether handling an event does nothing but note something in this server's own store. Where several servers share
    /// a log, such a process runs on each of them, and the tick alone is left to the one that runs the others.
    fn is_local(&self) -> bool {
        false
    }

    /// Sends the commands that follow from `event`. May be called again for the same event.
    ///
    /// # Errors
    /// A refusal that the domain foresees is not one: it is compensated here.
    async fn handle(
        &self,
        service: &'static str,
        event: &RecordedEvent,
        now: Moment,
    ) -> Result<(), ProcessError>;

    /// Called about once a second, for what follows from time passing.
    ///
    /// # Errors
    /// Logged; the next call tries again.
    async fn tick(&self, _now: Moment) -> Result<(), ProcessError> {
        Ok(())
    }
}
