//! Offers, and what is answered to them.

use super::*;

#[test]
fn an_offer_must_be_valid_for_a_while() {
    given::<Application>(up_to(Status::InterviewCompleted))
        .when(
            &Command::MakeOffer {
                valid_until: noon().occurred_at,
                terms: terms(),
            },
            &noon(),
        )
        .refused("INVALID_ARGUMENT");
}

#[test]
fn an_offer_is_valid_to_its_last_moment_and_not_longer() {
    let last = context(Role::Student, VALID_UNTIL);
    let late = context(Role::Student, "2024-02-10T00:00:00.000001Z");
    given::<Application>(up_to(Status::Offered))
        .when(&accept(), &last)
        .events();
    given::<Application>(up_to(Status::Offered))
        .when(&accept(), &late)
        .refused("OFFER_EXPIRED");
    given::<Application>(up_to(Status::Offered))
        .when(&Command::ExpireOffer, &last)
        .refused("APPLICATION_STATE");
    let expired = Event::OfferExpired {
        ids: ids(),
        valid_until: at(VALID_UNTIL),
    };
    given::<Application>(up_to(Status::Offered))
        .when(&Command::ExpireOffer, &late)
        .then([expired.clone()]);
    let mut past = up_to(Status::Offered);
    past.push(expired);
    given::<Application>(past.clone())
        .when(&accept(), &late)
        .refused("OFFER_EXPIRED");
    given::<Application>(past)
        .when(&Command::ExpireOffer, &late)
        .then_nothing();
}

#[test]
fn an_acceptance_repeated_for_its_placement_changes_nothing() {
    given::<Application>(up_to(Status::Accepted))
        .when(&accept(), &noon())
        .then_nothing();
    given::<Application>(up_to(Status::Accepted))
        .when(
            &Command::Accept {
                placement_id: Uuid::from_u128(21),
            },
            &noon(),
        )
        .refused("APPLICATION_STATE");
}

#[test]
fn only_the_acceptance_of_that_placement_is_rescinded() {
    let rescind = |placement_id| Command::RescindAcceptance {
        placement_id,
        cause: "taken".to_owned(),
    };
    given::<Application>(up_to(Status::Accepted))
        .when(&rescind(Uuid::from_u128(21)), &noon())
        .then_nothing();
    let rescinded = given::<Application>(up_to(Status::Accepted))
        .when(&rescind(placement()), &noon())
        .then([Event::AcceptanceRescinded {
            ids: ids(),
            placement_id: placement(),
            cause: "taken".to_owned(),
        }]);
    assert_eq!(rescinded.known.unwrap().status, Status::Rescinded);
}
