//! The certification's rules as sentences, and the words that they are made of.

mod issuing;
mod revoking;
mod standing;

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
fn the_stored_events_are_read_as_they_were_written() {
    golden::holds::<Certification>();
}
