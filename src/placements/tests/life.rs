//! A placement starts, is held and resumed, and is terminated.

use super::*;

#[test]
fn a_placement_starts_once_and_its_id_is_its_own() {
    given::<Placement>([])
        .when(&Command::Start(start()), &last_day())
        .then(started());
    given::<Placement>(started())
        .when(&Command::Start(start()), &last_day())
        .then_nothing();
    let other = Start {
        application_id: Uuid::from_u128(6),
        ..start()
    };
    given::<Placement>(started())
        .when(&Command::Start(other), &last_day())
        .refused("ID_TAKEN");
}

#[test]
fn a_placement_is_held_and_resumed_with_a_reason() {
    given::<Placement>(started())
        .when(&Command::Hold, &last_day())
        .refused("REASON_REQUIRED");
    given::<Placement>(started())
        .when(&Command::Hold, &reasoned())
        .then([Event::PlacementHeld(ids())]);
    given::<Placement>(on_hold())
        .when(&Command::Hold, &reasoned())
        .refused("PLACEMENT_NOT_ACTIVE");
    given::<Placement>(on_hold())
        .when(&Command::Resume, &reasoned())
        .then([Event::PlacementResumed(ids())]);
    given::<Placement>(started())
        .when(&Command::Resume, &reasoned())
        .refused("PLACEMENT_NOT_ACTIVE");
}

#[test]
fn a_running_placement_is_terminated_once_also_before_its_first_day() {
    for past in [started(), on_hold()] {
        given::<Placement>(past)
            .when(&Command::Terminate, &reasoned())
            .then([terminated()]);
    }
    let early = because("moved", &context(Role::Employer, "2024-01-01T00:00:00Z"));
    let (_, events) = given::<Placement>(started())
        .when(&Command::Terminate, &early)
        .events();
    assert_eq!(events.len(), 1);
    let mut past = started();
    past.push(terminated());
    given::<Placement>(past)
        .when(&Command::Terminate, &reasoned())
        .refused("PLACEMENT_NOT_ACTIVE");
}

#[test]
fn what_never_started_is_not_active() {
    for command in [
        Command::Hold,
        Command::Resume,
        Command::Terminate,
        note(figures(), tasks(0, 0)),
    ] {
        given::<Placement>([])
            .when(&command, &reasoned())
            .refused("PLACEMENT_NOT_ACTIVE");
    }
}
