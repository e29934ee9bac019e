//! The shape of every aggregate: initial state, decide, evolve.

use uuid::Uuid;

use super::{Context, Role};

/// A fact, as an aggregate states it.
pub trait DomainEvent: Clone + Send + Sync + 'static {
    /// The stored type: also the name of the SQL files and the golden files.
    fn event_type(&self) -> &'static str;
}

/// Who an aggregate belongs to; what the policy's "own" is judged by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    /// The student it is about.
    pub student: Option<Uuid>,
    /// The employer whose internship it is.
    pub employer: Option<Uuid>,
    /// Partners that an admin delegated to.
    pub partners: Vec<Uuid>,
}

impl Owners {
    /// Whether `id`, acting as `role`, owns it. Roles that own nothing answer no.
    #[must_use]
    pub fn includes(&self, role: Role, id: Uuid) -> bool {
        match role {
            Role::Student => self.student == Some(id),
            Role::Employer => self.employer == Some(id),
            Role::Partner => self.partners.contains(&id),
            Role::Admin | Role::Auditor | Role::Import | Role::System => false,
        }
    }
}

/// How a refusal is answered; the room's own table (`Refusal`) says which one is which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// A field of the command is wrong in itself (`INVALID_ARGUMENT`).
    Argument,
    /// The thing named does not exist (`NOT_FOUND`).
    NotFound,
    /// It exists already (`ALREADY_EXISTS`).
    AlreadyExists,
    /// The state does not allow it (`FAILED_PRECONDITION`).
    State,
    /// The caller may not (`PERMISSION_DENIED`).
    Permission,
}

/// Why a decision said no. Its text is for the caller: it says what is wrong and with which figures.
pub trait Refusal: std::fmt::Display + std::fmt::Debug + Send + Sync + 'static {
    /// The stable reason of the domain document, `SCREAMING_SNAKE_CASE`.
    fn reason(&self) -> &'static str;
    /// How it is answered.
    fn kind(&self) -> RefusalKind;
    /// What the caller can do about it, one sentence.
    fn remedy(&self) -> &'static str;
}

/// One consistency boundary: a state that only its own stream changes.
///
/// `decide` and `evolve` are pure. `evolve` never fails: an event that was appended was decided by these rules.
pub trait Aggregate: Default + Clone + Send + Sync + 'static {
    /// What it can be asked.
    type Command: Send + Sync + 'static;
    /// What it can state.
    type Event: DomainEvent;
    /// Why it says no.
    type Refusal: Refusal;

    /// The stream is `<CATEGORY>-<uuid>`.
    const CATEGORY: &'static str;

    /// The events that follow from `command`, or why not. No event means: nothing changes, and that is success.
    ///
    /// # Errors
    /// The one rule that the command breaks.
    fn decide(
        &self,
        command: &Self::Command,
        context: &Context,
    ) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// The state after `event`.
    fn evolve(&mut self, event: &Self::Event);

    /// Who it belongs to; nobody before its first event.
    fn owners(&self) -> Owners;

    /// Who it will belong to, for a command that creates it.
    fn claims(_command: &Self::Command) -> Owners {
        Owners::default()
    }
}
