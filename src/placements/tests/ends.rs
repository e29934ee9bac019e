//! Whatever is asked, completion is earned and an end is final.

use proptest::prelude::*;

use super::*;

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Start(start())),
        Just(Command::Hold),
        Just(Command::Resume),
        Just(Command::Terminate),
        (0_u32..4, 0_u32..4).prop_map(|(a, b)| note(figures(), tasks(a.max(b), b))),
        (0_u32..4, 0_u32..4).prop_map(|(a, b)| Command::NoteTasks {
            tasks: tasks(a.max(b), b)
        }),
    ]
}

proptest! {
    /// Guards against a forced completion and against life after the end.
    #[test]
    fn completion_is_earned_and_an_end_is_final(
        commands in prop::collection::vec((any_command(), 0_i64..60), 0..60)
    ) {
        let mut placement = Placement::default();
        let mut ended = false;
        for (command, day) in commands {
            let mut context = reasoned();
            context.occurred_at = context.occurred_at.plus_seconds((day - 30) * 86_400);
            let Ok(events) = placement.decide(&command, &context) else {
                continue;
            };
            prop_assert!(!ended || events.is_empty());
            for event in &events {
                if let Event::PlacementCompleted(completion) = event {
                    let known = placement.known.clone().unwrap();
                    prop_assert!(known.status == Status::Active);
                    prop_assert!(criteria_of(&known, completion.end_date).iter().all(|c| c.holds));
                }
                placement.evolve(event);
            }
            ended = placement.known.as_ref().is_some_and(|known| !known.status.is_running());
        }
    }
}
