//! A worklist is opened, put on hold and closed with its placement.

use super::*;

#[test]
fn the_placement_opens_its_worklist_once() {
    let open = Command::OpenWorklist {
        ids: IDS,
        employer_id: EMPLOYER,
        start_date: parse_date("2024-01-01").unwrap(),
    };
    let state = given([]).when(&open, &at("2024-01-01")).then([opened()]);
    assert!(state.owners().includes(Role::Student, IDS.student_id));
    assert!(state.owners().includes(Role::Employer, EMPLOYER));
    given([opened(), CLOSED])
        .when(&open, &at("2024-01-01"))
        .then_nothing();
}

#[test]
fn nothing_is_assigned_handed_in_or_reviewed_unless_the_placement_is_active() {
    let past = [assigned(1, true), submitted(1, 1, false, true)];
    for phase in [
        vec![],
        vec![opened(), FROZEN],
        vec![opened(), FROZEN, CLOSED],
    ] {
        for command in [assign(2, true), submit(2, 1), review(1, 50)] {
            let past = phase.iter().cloned().chain(past.clone());
            given(past)
                .when(&command, &at("2024-01-02"))
                .refused("PLACEMENT_NOT_ACTIVE");
        }
    }
}

#[test]
fn freezing_reopening_and_closing_take_effect_once() {
    let today = at("2024-01-02");
    let (freeze, reopen, close) = (
        Command::FreezeWorklist,
        Command::ReopenWorklist,
        Command::CloseWorklist,
    );
    given([opened()]).when(&freeze, &today).then([FROZEN]);
    given([opened(), FROZEN])
        .when(&freeze, &today)
        .then_nothing();
    given([opened(), FROZEN])
        .when(&reopen, &today)
        .then([REOPENED]);
    given([opened()]).when(&reopen, &today).then_nothing();
    given([opened(), FROZEN])
        .when(&close, &today)
        .then([CLOSED]);
    for command in [freeze, reopen, close] {
        given([opened(), CLOSED])
            .when(&command, &today)
            .then_nothing();
        given([])
            .when(&command, &today)
            .refused("PLACEMENT_NOT_ACTIVE");
    }
}
