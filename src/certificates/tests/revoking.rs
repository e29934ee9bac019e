//! A certificate is revoked for good, and replaced by another one.

use super::*;

#[test]
fn a_revocation_has_a_reason_and_is_final() {
    given([eligible(), issued(1)])
        .when(&revoke(1), &admin())
        .then([revoked(1)]);
    given([eligible(), issued(1)])
        .when(&revoke(1), &without_reason())
        .refused("REASON_REQUIRED");
    given([eligible(), issued(1)])
        .when(&revoke(2), &admin())
        .refused("CERTIFICATE_UNKNOWN");
    given([eligible(), issued(1), revoked(1)])
        .when(&revoke(1), &admin())
        .refused("CERTIFICATE_REVOKED");
}

#[test]
fn a_replacement_refers_to_the_revoked_certificate() {
    let past = || vec![eligible(), issued(1), revoked(1)];
    given(past())
        .when(&replace(1, 2), &admin())
        .then([replaced(1, 2)]);
    given(past())
        .when(&replace(1, 2), &without_reason())
        .refused("REASON_REQUIRED");
    given(past())
        .when(&replace(3, 2), &admin())
        .refused("CERTIFICATE_UNKNOWN");
    given(past())
        .when(&replace(1, 1), &admin())
        .refused("ID_TAKEN");
    given([eligible(), issued(1)])
        .when(&replace(1, 2), &admin())
        .refused("CERTIFICATE_ALREADY_ISSUED");
}

#[test]
fn a_certificate_is_replaced_once_and_its_replacement_can_be_replaced() {
    let past = || vec![eligible(), issued(1), revoked(1), replaced(1, 2)];
    given(past())
        .when(&replace(1, 3), &admin())
        .refused("CERTIFICATE_ALREADY_ISSUED");
    given(past())
        .when(&replace(2, 3), &admin())
        .refused("CERTIFICATE_ALREADY_ISSUED");
    let again = past().into_iter().chain([revoked(2)]);
    given(again)
        .when(&replace(2, 3), &admin())
        .then([replaced(2, 3)]);
}
