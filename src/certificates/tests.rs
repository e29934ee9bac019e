//! The certification's rules as sentences.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::kernel::given::{self, Given, because, context};
use crate::kernel::{
    Actor, Aggregate as _, Context, Figures, PlacementIds, Ratings, Role, golden, parse_date,
};

const IDS: PlacementIds = PlacementIds {
    placement_id: Uuid::from_u128(10),
    student_id: Uuid::from_u128(11),
    internship_id: Uuid::from_u128(12),
};
const EMPLOYER: Uuid = Uuid::from_u128(13);
const PARTNER: Uuid = Uuid::from_u128(14);
const FIGURES: Figures = Figures {
    attendance_rate: 0.95,
    on_time_rate: 0.75,
    completion_rate: 0.8,
    mean_score: 82.5,
    mean_rating: 4.0,
};
const RATINGS: Ratings = Ratings {
    quality: 5,
    reliability: 4,
    initiative: 3,
    teamwork: 4,
    communication: 4,
};
const DELEGATED: Event = Event::IssuingDelegated {
    ids: IDS,
    partner_id: PARTNER,
};
const WITHDRAWN: Event = Event::DelegationWithdrawn {
    ids: IDS,
    partner_id: PARTNER,
};

fn given(past: impl IntoIterator<Item = Event>) -> Given<Certification> {
    given::given(past)
}

fn certificate(number: u128) -> Uuid {
    Uuid::from_u128(100 + number)
}

fn attested() -> Attested {
    Attested {
        title: "Data engineering".to_owned(),
        employer_name: "Northwind".to_owned(),
        start_date: parse_date("2024-01-01").unwrap(),
        end_date: parse_date("2024-06-30").unwrap(),
        student_name: "Zoë Ngata".to_owned(),
    }
}

fn eligible() -> Event {
    Event::EligibilityEstablished {
        ids: IDS,
        employer_id: EMPLOYER,
        attested: attested(),
        figures: FIGURES,
        ratings: RATINGS,
    }
}

fn establish() -> Command {
    Command::EstablishEligibility {
        ids: IDS,
        employer_id: EMPLOYER,
        attested: attested(),
        figures: FIGURES,
        ratings: RATINGS,
    }
}

fn to_issue(number: u128) -> Issue {
    Issue {
        certificate_id: certificate(number),
        issuer_name: "Annals Institute".to_owned(),
        code: code(number),
    }
}

fn code(number: u128) -> VerificationCode {
    VerificationCode::from_random([u8::try_from(number).unwrap(); 26])
}

fn issue(number: u128) -> Command {
    Command::IssueCertificate(to_issue(number))
}

fn as_issued(number: u128) -> Issued {
    Issued {
        certificate_id: certificate(number),
        code: code(number),
        issuer_name: "Annals Institute".to_owned(),
        attested: attested(),
    }
}

fn issued(number: u128) -> Event {
    Event::CertificateIssued {
        ids: IDS,
        issued: as_issued(number),
    }
}

fn reissue(number: u128) -> Command {
    Command::ReissueCertificate {
        certificate_id: certificate(number),
        wording: "New branding".to_owned(),
    }
}

fn reissued(number: u128, version: u32) -> Event {
    Event::CertificateReissued {
        ids: IDS,
        certificate_id: certificate(number),
        version,
        wording: "New branding".to_owned(),
    }
}

fn revoke(number: u128) -> Command {
    Command::RevokeCertificate {
        certificate_id: certificate(number),
    }
}

fn revoked(number: u128) -> Event {
    Event::CertificateRevoked {
        ids: IDS,
        certificate_id: certificate(number),
    }
}

fn replace(old: u128, new: u128) -> Command {
    Command::ReplaceCertificate {
        revoked_certificate_id: certificate(old),
        issue: to_issue(new),
    }
}

fn replaced(old: u128, new: u128) -> Event {
    Event::CertificateReplaced {
        ids: IDS,
        revoked_certificate_id: certificate(old),
        issued: as_issued(new),
    }
}

fn admin() -> Context {
    because(
        "a misspelt name",
        &context(Role::Admin, "2024-07-01T09:00:00Z"),
    )
}

fn partner() -> Context {
    let context = admin();
    Context {
        actor: Actor {
            id: PARTNER,
            role: Role::Partner,
        },
        ..context
    }
}

fn without_reason() -> Context {
    context(Role::Admin, "2024-07-01T09:00:00Z")
}

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

#[test]
fn the_stored_events_are_read_as_they_were_written() {
    golden::holds::<Certification>();
}

fn any_command() -> impl Strategy<Value = Command> {
    (0..5_u128, 0..5_u128, 0..8_u8).prop_map(|(a, b, kind)| match kind {
        0 => establish(),
        1 => issue(a),
        2 => reissue(a),
        3 | 4 => revoke(a),
        5 => Command::DelegateIssuing {
            partner_id: PARTNER,
        },
        _ => replace(a, b),
    })
}

proptest! {
    /// Guards against two certificates of one placement that both hold.
    #[test]
    fn at_most_one_certificate_of_a_placement_holds_and_none_comes_back(
        commands in prop::collection::vec(any_command(), 1..60)
    ) {
        let mut certification = Certification::default();
        certification.evolve(&eligible());
        let mut dead = std::collections::BTreeSet::new();
        for command in commands {
            for event in certification.decide(&command, &admin()).unwrap_or_default() {
                certification.evolve(&event);
            }
            let (gone, standing): (Vec<_>, Vec<_>) =
                certification.certificates.iter().partition(|known| known.revoked);
            prop_assert!(standing.len() <= 1);
            dead.extend(gone.iter().map(|known| known.certificate_id));
            prop_assert!(standing.iter().all(|known| !dead.contains(&known.certificate_id)));
            let ids: std::collections::BTreeSet<_> =
                certification.certificates.iter().map(|known| known.certificate_id).collect();
            prop_assert_eq!(ids.len(), certification.certificates.len());
        }
    }
}
