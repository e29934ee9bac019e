//! Tasks are assigned, work is handed in and reviewed.

use super::*;

#[test]
fn a_task_is_assigned_once_and_not_backdated() {
    given([opened()])
        .when(&assign(1, true), &at("2024-01-02"))
        .then([assigned(1, true)]);
    given([opened(), assigned(1, true)])
        .when(&assign(1, false), &at("2024-01-02"))
        .refused("TASK_EXISTS");
    given([opened()])
        .when(&assign(1, true), &at("2024-01-11"))
        .refused("TASK_BACKDATED");
}

#[test]
fn work_is_late_after_the_task_was_due_and_accepted_all_the_same() {
    let past = || [opened(), assigned(1, false)];
    given(past())
        .when(&submit(1, 1), &at("2024-01-10"))
        .then([submitted(1, 1, false, true)]);
    let second_later = context(Role::Student, "2024-01-10T12:00:00.000001Z");
    given(past())
        .when(&submit(1, 1), &second_later)
        .then([submitted(1, 1, true, true)]);
}

#[test]
fn a_revision_is_a_new_submission() {
    given([opened(), assigned(1, false), submitted(1, 1, false, true)])
        .when(&submit(2, 1), &at("2024-01-03"))
        .then([submitted(2, 1, false, false)]);
}

#[test]
fn work_for_an_unknown_task_or_with_a_used_id_is_refused() {
    let past = || {
        [
            opened(),
            assigned(1, false),
            assigned(2, false),
            submitted(1, 1, false, true),
        ]
    };
    given(past())
        .when(&submit(2, 3), &at("2024-01-03"))
        .refused("TASK_UNKNOWN");
    for to in [1, 2] {
        given(past())
            .when(&submit(1, to), &at("2024-01-03"))
            .refused("SUBMISSION_EXISTS");
    }
}

#[test]
fn a_submission_is_reviewed_once() {
    let past = || vec![opened(), assigned(1, false), submitted(1, 1, false, true)];
    given(past())
        .when(&review(1, 80), &at("2024-01-03"))
        .then([reviewed(1, 1, 80)]);
    given(past())
        .when(&review(2, 80), &at("2024-01-03"))
        .refused("SUBMISSION_UNKNOWN");
    let mut past = past();
    past.push(reviewed(1, 1, 80));
    given(past)
        .when(&review(1, 90), &at("2024-01-03"))
        .refused("SUBMISSION_REVIEWED");
}

#[test]
fn a_score_is_at_most_100() {
    assert!(Score::new(100).is_some());
    for score in [101, 256, u32::MAX] {
        assert!(Score::new(score).is_none(), "{score}");
    }
}
