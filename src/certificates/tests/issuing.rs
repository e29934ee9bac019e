//! A completed placement makes eligible; a certificate attests it, and a partner issues it where that was delegated.

use super::*;

#[test]
fn a_completed_placement_is_eligible_once() {
    let state = given([]).when(&establish(), &admin()).then([eligible()]);
    assert!(state.owners().includes(Role::Student, IDS.student_id));
    assert!(!state.owners().includes(Role::Partner, PARTNER));
    given([eligible(), issued(1)])
        .when(&establish(), &admin())
        .then_nothing();
}

#[test]
fn nothing_is_certified_before_the_placement_is_completed() {
    let delegate = Command::DelegateIssuing {
        partner_id: PARTNER,
    };
    let withdraw = Command::WithdrawDelegation {
        partner_id: PARTNER,
    };
    for command in [issue(1), replace(1, 2), delegate, withdraw] {
        given([]).when(&command, &admin()).refused("NOT_ELIGIBLE");
    }
    for command in [reissue(1), revoke(1)] {
        given([])
            .when(&command, &admin())
            .refused("CERTIFICATE_UNKNOWN");
    }
}

#[test]
fn a_certificate_is_issued_once_and_attests_the_snapshot() {
    given([eligible()])
        .when(&issue(1), &without_reason())
        .then([issued(1)]);
    for number in [1, 2] {
        given([eligible(), issued(1)])
            .when(&issue(number), &admin())
            .refused("CERTIFICATE_ALREADY_ISSUED");
        given([eligible(), issued(1), revoked(1)])
            .when(&issue(number), &admin())
            .refused("CERTIFICATE_ALREADY_ISSUED");
    }
}

#[test]
fn a_partner_issues_only_while_it_is_delegated() {
    let past = || vec![eligible(), DELEGATED];
    let state = given(past()).when(&issue(1), &partner()).then([issued(1)]);
    assert!(state.owners().includes(Role::Partner, PARTNER));
    given([eligible()])
        .when(&issue(1), &partner())
        .refused("NOT_DELEGATED");
    given([eligible(), DELEGATED, WITHDRAWN])
        .when(&issue(1), &partner())
        .refused("NOT_DELEGATED");
    given([eligible(), issued(1)])
        .when(&reissue(1), &partner())
        .refused("NOT_DELEGATED");
}

#[test]
fn a_delegation_is_given_once_and_withdrawn_with_a_reason() {
    let delegate = Command::DelegateIssuing {
        partner_id: PARTNER,
    };
    let withdraw = Command::WithdrawDelegation {
        partner_id: PARTNER,
    };
    given([eligible()])
        .when(&delegate, &without_reason())
        .then([DELEGATED]);
    given([eligible(), DELEGATED])
        .when(&delegate, &admin())
        .then_nothing();
    given([eligible(), DELEGATED])
        .when(&withdraw, &admin())
        .then([WITHDRAWN]);
    given([eligible(), DELEGATED])
        .when(&withdraw, &without_reason())
        .refused("REASON_REQUIRED");
    given([eligible()])
        .when(&withdraw, &admin())
        .refused("NOT_DELEGATED");
}

#[test]
fn a_reissue_is_a_new_version_of_the_same_certificate() {
    given([eligible(), issued(1)])
        .when(&reissue(1), &admin())
        .then([reissued(1, 2)]);
    given([eligible(), issued(1), reissued(1, 2)])
        .when(&reissue(1), &admin())
        .then([reissued(1, 3)]);
    given([eligible(), issued(1)])
        .when(&reissue(1), &without_reason())
        .refused("REASON_REQUIRED");
    given([eligible(), issued(1)])
        .when(&reissue(2), &admin())
        .refused("CERTIFICATE_UNKNOWN");
    given([eligible(), issued(1), revoked(1)])
        .when(&reissue(1), &admin())
        .refused("CERTIFICATE_REVOKED");
}
