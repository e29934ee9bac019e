//! Whatever is asked, figures stay within their bounds and an id means one thing.

use proptest::prelude::*;

use super::*;

fn any_command() -> impl Strategy<Value = Command> {
    let ids = (0..6_u128, 0..6_u128);
    (ids, 0..=100_u32, any::<bool>(), 0..12_u8).prop_map(|((a, b), score, mandatory, kind)| {
        match kind {
            0..=2 => assign(a, mandatory),
            3..=6 => submit(a, b),
            7..=9 => review(a, score),
            10 => Command::ReportWork,
            _ => Command::FreezeWorklist,
        }
    })
}

proptest! {
    /// Guards against figures that no reader could explain, and ids that mean two things.
    #[test]
    fn figures_stay_within_their_bounds_and_ids_are_never_reused(
        commands in prop::collection::vec(any_command(), 1..80)
    ) {
        let mut worklist = Worklist::default();
        worklist.evolve(&opened());
        let mut seen = std::collections::BTreeSet::new();
        for (step, command) in commands.iter().enumerate() {
            let context = at(&format!("2024-01-{:02}", 1 + step % 28));
            for event in worklist.decide(command, &context).unwrap_or_default() {
                if let Event::TaskAssigned { task_id: id, .. }
                | Event::WorkSubmitted { submission_id: id, .. } = &event
                {
                    prop_assert!(seen.insert(*id));
                }
                worklist.evolve(&event);
                if let Event::MandatoryTasksProgressed { mandatory_submitted, .. } = &event {
                    prop_assert_eq!(*mandatory_submitted, worklist.figures().mandatory_submitted);
                }
            }
            let figures = worklist.figures();
            prop_assert!(figures.tasks_on_time <= figures.tasks_submitted);
            prop_assert!(figures.tasks_submitted <= figures.tasks_assigned);
            prop_assert!(figures.mandatory_submitted <= figures.mandatory_assigned);
            prop_assert!(figures.mandatory_assigned <= figures.tasks_assigned);
            prop_assert!((0.0..=100.0).contains(&figures.mean_score));
        }
    }
}
