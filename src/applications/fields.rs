//! The larger parts of requests, read into values.

use std::ops::RangeInclusive;

use super::{Ids, Listing, Profile, Submission};
use crate::grpc::Fields;
use crate::kernel::{Kpi, KpiTarget, Terms};
use crate::proto::annals::applications::v1::{
    Internship, Profile as ProfileMessage, SubmitApplicationRequest,
};
use crate::proto::annals::common::v1::{Kpi as KpiMessage, KpiDefinition, PlacementTerms};
use uuid::Uuid;

/// Titles and names, in characters.
const NAME_CHARS: RangeInclusive<usize> = 1..=200;
/// A listing's description, a student's statement, in characters.
const FREE_TEXT_CHARS: RangeInclusive<usize> = 0..=4_000;
/// `x@y` to the longest path of RFC 5321.
const EMAIL_CHARS: RangeInclusive<usize> = 3..=254;
/// Ten years and a little.
const MAX_MINIMUM_DAYS: u32 = 3_660;

/// A whole submission.
pub(super) fn submission(m: &SubmitApplicationRequest, fields: &mut Fields) -> Submission {
    let application_id = fields.uuid("application_id", &m.application_id);
    let student_id = fields.uuid("student_id", &m.student_id);
    let (internship_id, listing) = fields.message("internship", m.internship.as_ref(), listing);
    Submission {
        ids: Ids {
            application_id,
            student_id,
            internship_id,
        },
        listing,
        profile: fields.message("profile", m.profile.as_ref(), profile),
    }
}

fn listing(m: &Internship, fields: &mut Fields) -> (Uuid, Listing) {
    let internship_id = fields.uuid("internship_id", &m.internship_id);
    let listing = Listing {
        employer_id: fields.uuid("employer_id", &m.employer_id),
        title: fields.text("title", &m.title, NAME_CHARS),
        employer_name: fields.text("employer_name", &m.employer_name, NAME_CHARS),
        description: fields.text("description", &m.description, FREE_TEXT_CHARS),
    };
    (internship_id, listing)
}

fn profile(m: &ProfileMessage, fields: &mut Fields) -> Profile {
    Profile {
        name: fields.text("name", &m.name, NAME_CHARS),
        email: email(&m.email, fields),
        statement: fields.text("statement", &m.statement, FREE_TEXT_CHARS),
    }
}

/// Whether an address is one is known only by writing to it; one `@` with something on both sides is all we ask.
fn email(text: &str, fields: &mut Fields) -> String {
    let email = fields.text("email", text, EMAIL_CHARS);
    let parts: Vec<&str> = email.split('@').collect();
    let well_formed = parts.len() == 2 && parts.iter().all(|part| !part.is_empty());
    if EMAIL_CHARS.contains(&email.chars().count()) && !well_formed {
        fields.violation("email", "must have one @ with text on both sides");
    }
    email
}

/// The terms of an offer.
pub(super) fn terms(m: &PlacementTerms, fields: &mut Fields) -> Terms {
    let terms = Terms {
        start_date: fields.date("start_date", &m.start_date),
        minimum_days: fields.number("minimum_days", m.minimum_days, 0..=MAX_MINIMUM_DAYS),
        required_attendance_rate: fields
            .rate("required_attendance_rate", m.required_attendance_rate),
        required_task_share: fields.rate("required_task_share", m.required_task_share),
        kpis: m
            .kpis
            .iter()
            .enumerate()
            .map(|(index, definition)| {
                fields.within(&format!("kpis[{index}]"), |fields| kpi(definition, fields))
            })
            .collect(),
    };
    let mut names: Vec<Kpi> = terms.kpis.iter().map(|target| target.kpi).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < terms.kpis.len() {
        fields.violation("kpis", "must name each KPI at most once");
    }
    terms
}

fn kpi(m: &KpiDefinition, fields: &mut Fields) -> KpiTarget {
    let kpi = fields.choice("kpi", m.kpi, Kpi::AttendanceRate, kpi_of);
    let bounds = match kpi {
        Kpi::AttendanceRate | Kpi::OnTimeRate | Kpi::CompletionRate => 0.0..=1.0,
        Kpi::MeanScore => 0.0..=100.0,
        Kpi::MeanRating => 1.0..=5.0,
    };
    KpiTarget {
        kpi,
        target: fields.figure("target", m.target, bounds),
        mandatory: m.mandatory,
    }
}

fn kpi_of(value: i32) -> Option<Kpi> {
    match KpiMessage::try_from(value).ok()? {
        KpiMessage::Unspecified => None,
        KpiMessage::AttendanceRate => Some(Kpi::AttendanceRate),
        KpiMessage::OnTimeRate => Some(Kpi::OnTimeRate),
        KpiMessage::CompletionRate => Some(Kpi::CompletionRate),
        KpiMessage::MeanScore => Some(Kpi::MeanScore),
        KpiMessage::MeanRating => Some(Kpi::MeanRating),
    }
}
