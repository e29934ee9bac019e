//! A placement is completed as soon as every criterion holds.

use super::*;

#[test]
fn a_placement_is_completed_as_soon_as_every_criterion_holds() {
    given::<Placement>(started())
        .when(&note(figures(), tasks(2, 2)), &last_day())
        .then([noted(tasks(2, 2)), completed("2024-03-31")]);
}

#[test]
fn each_criterion_alone_keeps_a_placement_from_completion() {
    let too_early = context(Role::System, "2024-03-30T23:59:59Z");
    let low = |change: fn(&mut Figures)| {
        let mut figures = figures();
        change(&mut figures);
        figures
    };
    let cases = [
        ("MINIMUM_DAYS", figures(), tasks(2, 2), too_early),
        (
            "ATTENDANCE_RATE",
            low(|f| f.attendance_rate = 0.79),
            tasks(2, 2),
            last_day(),
        ),
        ("MANDATORY_TASKS", figures(), tasks(2, 1), last_day()),
        (
            "KPI_MEAN_SCORE",
            low(|f| f.mean_score = 49.9),
            tasks(2, 2),
            last_day(),
        ),
    ];
    for (name, figures, tasks, context) in cases {
        let (state, events) = given::<Placement>(started())
            .when(&note(figures, tasks), &context)
            .events();
        let Some(Event::CompletionAssessed { criteria, .. }) = events.last() else {
            panic!("{name}: {events:?}");
        };
        let failing: Vec<_> = criteria.iter().filter(|c| !c.holds).collect();
        assert_eq!(failing.len(), 1);
        assert_eq!(failing[0].name, name);
        assert_eq!(state.known.unwrap().status, Status::Active);
    }
}

#[test]
fn a_kpi_that_is_not_mandatory_is_no_criterion() {
    let placement = given::<Placement>(started()).state().known.unwrap();
    let names: Vec<_> = criteria_of(&placement, date("2024-03-01"))
        .into_iter()
        .map(|c| (c.name.into_owned(), c.holds))
        .collect();
    assert_eq!(
        names,
        [
            ("MINIMUM_DAYS".to_owned(), false),
            ("ATTENDANCE_RATE".to_owned(), false),
            ("MANDATORY_TASKS".to_owned(), true),
            ("EVALUATION_RECORDED".to_owned(), false),
            ("KPI_MEAN_SCORE".to_owned(), false),
        ]
    );
}

#[test]
fn a_mandatory_task_that_comes_after_the_evaluation_completes_the_placement() {
    let (after, _) = given::<Placement>(started())
        .when(&note(figures(), tasks(2, 1)), &last_day())
        .events();
    let events = after
        .decide(&Command::NoteTasks { tasks: tasks(2, 2) }, &last_day())
        .unwrap();
    assert_eq!(
        events,
        [
            Event::MandatoryTasksNoted {
                ids: ids(),
                tasks: tasks(2, 2)
            },
            completed("2024-03-31")
        ]
    );
}

#[test]
fn tasks_told_before_the_figures_are_not_forgotten() {
    let told = Event::MandatoryTasksNoted {
        ids: ids(),
        tasks: tasks(3, 3),
    };
    let mut past = started();
    past.push(told);
    given::<Placement>(past)
        .when(&note(figures(), tasks(3, 2)), &last_day())
        .then([noted(tasks(3, 2)), completed("2024-03-31")]);
}

#[test]
fn what_comes_to_hold_on_hold_takes_effect_when_it_is_resumed() {
    let after = given::<Placement>(on_hold())
        .when(&note(figures(), tasks(0, 0)), &last_day())
        .then([noted(tasks(0, 0))]);
    assert_eq!(
        after.decide(&Command::Resume, &reasoned()).unwrap(),
        [Event::PlacementResumed(ids()), completed("2024-03-31")]
    );
}

#[test]
fn figures_are_final_and_what_comes_after_the_end_changes_nothing() {
    let (after, _) = given::<Placement>(started())
        .when(&note(figures(), tasks(2, 1)), &last_day())
        .events();
    let better = Figures {
        mean_score: 100.0,
        ..figures()
    };
    assert_eq!(
        after.decide(&note(better, tasks(2, 2)), &last_day()),
        Ok(vec![])
    );
    for end in [terminated(), completed("2024-03-31")] {
        let mut past = started();
        past.push(end);
        for command in [
            note(figures(), tasks(2, 2)),
            Command::NoteTasks { tasks: tasks(9, 9) },
        ] {
            given::<Placement>(past.clone())
                .when(&command, &last_day())
                .then_nothing();
        }
    }
}
