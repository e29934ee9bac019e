//! Decisions as sentences: `given(events).when(command, &context).then(events)`, or `.refused(reason)`.

use std::fmt::Debug;

use uuid::Uuid;

use super::{Actor, Aggregate, Context, Moment, Refusal, Role};

/// Step one: what happened before.
pub(crate) struct Given<A: Aggregate>(A);

/// Step two: the decision that was taken.
pub(crate) struct Decided<A: Aggregate> {
    before: A,
    outcome: Result<Vec<A::Event>, A::Refusal>,
}

/// Starts a sentence with the stream's past.
pub(crate) fn given<A: Aggregate>(past: impl IntoIterator<Item = A::Event>) -> Given<A> {
    let mut state = A::default();
    for event in past {
        state.evolve(&event);
    }
    Given(state)
}

impl<A: Aggregate> Given<A> {
    /// Decides `command`.
    pub(crate) fn when(self, command: &A::Command, context: &Context) -> Decided<A> {
        Decided {
            outcome: self.0.decide(command, context),
            before: self.0,
        }
    }

    /// The state itself, for a question that is no command.
    pub(crate) fn state(self) -> A {
        self.0
    }
}

impl<A: Aggregate> Decided<A>
where
    A::Event: PartialEq + Debug,
{
    /// Exactly these events follow. Hands back the state after them.
    pub(crate) fn then(self, expected: impl IntoIterator<Item = A::Event>) -> A {
        let expected: Vec<_> = expected.into_iter().collect();
        let events = self.events();
        assert_eq!(events.1, expected);
        events.0
    }

    /// Nothing changes, and that is success.
    pub(crate) fn then_nothing(self) {
        self.then([]);
    }

    /// The state and the events that follow, where a sentence looks at a part of them only.
    pub(crate) fn events(self) -> (A, Vec<A::Event>) {
        let events = self.outcome.expect("the command was refused");
        let mut state = self.before;
        for event in &events {
            state.evolve(event);
        }
        (state, events)
    }

    /// It is refused with this reason.
    pub(crate) fn refused(self, reason: &str) {
        let refusal = self.outcome.expect_err("the command was not refused");
        assert_eq!(refusal.reason(), reason, "{refusal}");
    }
}

/// A context of `role` (actor 1) at `at` (RFC 3339), which is also the server's clock; not imported, no reason.
pub(crate) fn context(role: Role, at: &str) -> Context {
    let now = Moment::parse(at).expect("an instant");
    Context {
        actor: Actor {
            id: Uuid::from_u128(1),
            role,
        },
        request_id: Uuid::from_u128(2),
        correlation_id: Uuid::from_u128(3),
        causation_id: None,
        reason: None,
        occurred_at: now,
        now,
        imported: false,
    }
}

/// The same with a reason.
pub(crate) fn because(reason: &str, context: &Context) -> Context {
    Context {
        reason: Some(reason.to_owned()),
        ..context.clone()
    }
}

/// The harness on the smallest aggregate: a door that opens once, for a reason.
mod tests {
    use super::*;
    use crate::kernel::{DomainEvent, Owners, RefusalKind};

    #[derive(Debug, Clone, PartialEq)]
    struct Opened;

    impl DomainEvent for Opened {
        fn event_type(&self) -> &'static str {
            "Opened"
        }
    }

    #[derive(Debug)]
    struct NoReason;

    impl std::fmt::Display for NoReason {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no reason was given")
        }
    }

    impl Refusal for NoReason {
        fn reason(&self) -> &'static str {
            "REASON_REQUIRED"
        }
        fn kind(&self) -> RefusalKind {
            RefusalKind::Argument
        }
        fn remedy(&self) -> &'static str {
            "give one"
        }
    }

    #[derive(Default, Clone)]
    struct Door {
        open: bool,
    }

    impl Aggregate for Door {
        type Command = ();
        type Event = Opened;
        type Refusal = NoReason;
        const CATEGORY: &'static str = "door";

        fn decide(&self, (): &(), context: &Context) -> Result<Vec<Opened>, NoReason> {
            if context.reason.is_none() {
                return Err(NoReason);
            }
            Ok(if self.open { vec![] } else { vec![Opened] })
        }
        fn evolve(&mut self, _: &Opened) {
            self.open = true;
        }
        fn owners(&self) -> Owners {
            Owners::default()
        }
    }

    #[test]
    fn a_sentence_reads_its_three_steps() {
        let plain = context(Role::Admin, "2024-01-01T00:00:00Z");
        given::<Door>([])
            .when(&(), &plain)
            .refused("REASON_REQUIRED");
        let because = because("fresh air", &plain);
        assert!(given::<Door>([]).when(&(), &because).then([Opened]).open);
        given::<Door>([Opened]).when(&(), &because).then_nothing();
        assert!(given::<Door>([Opened]).state().open);
    }
}
