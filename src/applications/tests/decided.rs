//! Whatever is asked, what is decided stays decided.

use proptest::prelude::*;

use super::*;

fn any_command() -> impl Strategy<Value = Command> {
    let placements = (20_u128..23).prop_map(Uuid::from_u128);
    prop_oneof![
        Just(Command::Submit(submission())),
        Just(Command::CompleteSubmission(submission())),
        Just(Command::Shortlist),
        Just(Command::ScheduleInterview {
            scheduled_at: at("2024-02-02T00:00:00Z")
        }),
        Just(Command::CompleteInterview {
            notes: String::new()
        }),
        Just(Command::MakeOffer {
            valid_until: at(VALID_UNTIL),
            terms: terms()
        }),
        placements
            .clone()
            .prop_map(|placement_id| Command::Accept { placement_id }),
        Just(Command::Decline),
        Just(Command::Withdraw),
        Just(Command::Reject),
        Just(Command::ExpireOffer),
        Just(Command::CloseApplication {
            accepted_application_id: Uuid::from_u128(30)
        }),
        placements.prop_map(|placement_id| Command::RescindAcceptance {
            placement_id,
            cause: String::new()
        }),
    ]
}

proptest! {
    /// Guards against a way back into life, and against a second acceptance.
    #[test]
    fn what_is_decided_stays_decided(commands in prop::collection::vec((any_command(), 0_i64..20), 0..60)) {
        let mut application = Application::default();
        let mut accepted = 0;
        for (command, day) in commands {
            let mut context = because("any", &noon());
            context.occurred_at = context.occurred_at.plus_seconds(day * 86_400);
            let before = application.known.as_ref().map(|known| known.status);
            let Ok(events) = application.decide(&command, &context) else {
                continue;
            };
            for event in &events {
                accepted += usize::from(matches!(event, Event::OfferAccepted { .. }));
                application.evolve(event);
            }
            let after = application.known.as_ref().map(|known| known.status);
            if let Some(before) = before.filter(|status| !status.is_open()) {
                let rescinded = before == Status::Accepted && after == Some(Status::Rescinded);
                prop_assert!(rescinded || after == Some(before));
            }
        }
        prop_assert!(accepted <= 1);
    }
}
