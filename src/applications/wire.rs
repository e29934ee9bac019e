//! An application's events as stored: flat JSON, personal data under `personal`.
//!
//! Storage structs are not the domain's types: they change only by adding, and every version ever written stays
//! readable (`tests/golden/<EventType>.v<n>.json`). All are at version 1.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Application, Event, Ids, Listing, Profile, Submission};
use crate::kernel::{
    DomainEvent as _, EventShape, Moment, Stored, Terms, WireError, read_json, write_json,
};

/// The version of every type of this room so far.
pub(super) const VERSION: u32 = 1;

macro_rules! shape {
    ($name:literal, [$($field:literal),*], [$($personal:literal),*]) => {
        EventShape {
            event_type: $name,
            fields: &["application_id", "student_id", "internship_id", $($field),*],
            personal: &[$($personal),*],
        }
    };
}

/// A submission's fields are those of the candidacy's registration too.
pub(super) const SUBMITTED: EventShape = shape!(
    "ApplicationSubmitted",
    ["employer_id", "title", "employer_name", "description"],
    ["student_name", "email", "statement"]
);

/// For the types that carry nothing else.
#[derive(Serialize, Deserialize)]
struct Bare {
    #[serde(flatten)]
    ids: Ids,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredSubmission {
    #[serde(flatten)]
    ids: Ids,
    employer_id: Uuid,
    title: String,
    employer_name: String,
    description: String,
    #[serde(default)]
    personal: StoredProfile,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct StoredProfile {
    student_name: String,
    email: String,
    statement: String,
}

#[derive(Serialize, Deserialize)]
struct Scheduled {
    #[serde(flatten)]
    ids: Ids,
    scheduled_at: Moment,
}

#[derive(Serialize, Deserialize)]
struct Interviewed {
    #[serde(flatten)]
    ids: Ids,
    #[serde(default)]
    personal: StoredNotes,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct StoredNotes {
    notes: String,
}

#[derive(Serialize, Deserialize)]
struct Offered {
    #[serde(flatten)]
    ids: Ids,
    valid_until: Moment,
    terms: Terms,
}

#[derive(Serialize, Deserialize)]
struct Accepted {
    #[serde(flatten)]
    ids: Ids,
    placement_id: Uuid,
    employer_id: Uuid,
    title: String,
    employer_name: String,
    terms: Terms,
    #[serde(default)]
    personal: StoredName,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct StoredName {
    student_name: String,
}

#[derive(Serialize, Deserialize)]
struct Expired {
    #[serde(flatten)]
    ids: Ids,
    valid_until: Moment,
}

#[derive(Serialize, Deserialize)]
struct Closed {
    #[serde(flatten)]
    ids: Ids,
    accepted_application_id: Uuid,
}

#[derive(Serialize, Deserialize)]
struct Rescinded {
    #[serde(flatten)]
    ids: Ids,
    placement_id: Uuid,
    cause: String,
}

impl Stored for Application {
    const SHAPES: &'static [EventShape] = &[
        SUBMITTED,
        shape!("ApplicationShortlisted", [], []),
        shape!("InterviewScheduled", ["scheduled_at"], []),
        shape!("InterviewCompleted", [], ["notes"]),
        shape!("OfferMade", ["valid_until", "terms"], []),
        shape!(
            "OfferAccepted",
            [
                "placement_id",
                "employer_id",
                "title",
                "employer_name",
                "terms"
            ],
            ["student_name"]
        ),
        shape!("OfferDeclined", [], []),
        shape!("OfferExpired", ["valid_until"], []),
        shape!("ApplicationWithdrawn", [], []),
        shape!("ApplicationRejected", [], []),
        shape!("ApplicationClosed", ["accepted_application_id"], []),
        shape!("AcceptanceRescinded", ["placement_id", "cause"], []),
    ];

    fn encode(event: &Event) -> Result<(u32, Vec<u8>), WireError> {
        let name = event.event_type();
        match event {
            Event::ApplicationSubmitted(submission) => {
                write_json(name, VERSION, &StoredSubmission::from(submission))
            }
            Event::ApplicationShortlisted(ids)
            | Event::OfferDeclined(ids)
            | Event::ApplicationWithdrawn(ids)
            | Event::ApplicationRejected(ids) => write_json(name, VERSION, &Bare { ids: *ids }),
            Event::InterviewScheduled { ids, scheduled_at } => write_json(
                name,
                VERSION,
                &Scheduled {
                    ids: *ids,
                    scheduled_at: *scheduled_at,
                },
            ),
            Event::InterviewCompleted { ids, notes } => write_json(
                name,
                VERSION,
                &Interviewed {
                    ids: *ids,
                    personal: StoredNotes {
                        notes: notes.clone(),
                    },
                },
            ),
            Event::OfferMade {
                ids,
                valid_until,
                terms,
            } => write_json(
                name,
                VERSION,
                &Offered {
                    ids: *ids,
                    valid_until: *valid_until,
                    terms: terms.clone(),
                },
            ),
            Event::OfferAccepted {
                ids,
                placement_id,
                employer_id,
                title,
                employer_name,
                terms,
                student_name,
            } => write_json(
                name,
                VERSION,
                &Accepted {
                    ids: *ids,
                    placement_id: *placement_id,
                    employer_id: *employer_id,
                    title: title.clone(),
                    employer_name: employer_name.clone(),
                    terms: terms.clone(),
                    personal: StoredName {
                        student_name: student_name.clone(),
                    },
                },
            ),
            Event::OfferExpired { ids, valid_until } => write_json(
                name,
                VERSION,
                &Expired {
                    ids: *ids,
                    valid_until: *valid_until,
                },
            ),
            Event::ApplicationClosed {
                ids,
                accepted_application_id,
            } => write_json(
                name,
                VERSION,
                &Closed {
                    ids: *ids,
                    accepted_application_id: *accepted_application_id,
                },
            ),
            Event::AcceptanceRescinded {
                ids,
                placement_id,
                cause,
            } => write_json(
                name,
                VERSION,
                &Rescinded {
                    ids: *ids,
                    placement_id: *placement_id,
                    cause: cause.clone(),
                },
            ),
        }
    }

    fn decode(event_type: &str, version: u32, data: &[u8]) -> Result<Event, WireError> {
        WireError::refuse_newer(event_type, version, VERSION)?;
        Ok(match event_type {
            "ApplicationSubmitted" => {
                Event::ApplicationSubmitted(read_json::<StoredSubmission>(event_type, data)?.into())
            }
            "ApplicationShortlisted" => Event::ApplicationShortlisted(bare(event_type, data)?),
            "InterviewScheduled" => {
                let stored: Scheduled = read_json(event_type, data)?;
                Event::InterviewScheduled {
                    ids: stored.ids,
                    scheduled_at: stored.scheduled_at,
                }
            }
            "InterviewCompleted" => {
                let stored: Interviewed = read_json(event_type, data)?;
                Event::InterviewCompleted {
                    ids: stored.ids,
                    notes: stored.personal.notes,
                }
            }
            "OfferMade" => {
                let stored: Offered = read_json(event_type, data)?;
                Event::OfferMade {
                    ids: stored.ids,
                    valid_until: stored.valid_until,
                    terms: stored.terms,
                }
            }
            "OfferAccepted" => read_json::<Accepted>(event_type, data)?.into(),
            "OfferDeclined" => Event::OfferDeclined(bare(event_type, data)?),
            "OfferExpired" => {
                let stored: Expired = read_json(event_type, data)?;
                Event::OfferExpired {
                    ids: stored.ids,
                    valid_until: stored.valid_until,
                }
            }
            "ApplicationWithdrawn" => Event::ApplicationWithdrawn(bare(event_type, data)?),
            "ApplicationRejected" => Event::ApplicationRejected(bare(event_type, data)?),
            "ApplicationClosed" => {
                let stored: Closed = read_json(event_type, data)?;
                Event::ApplicationClosed {
                    ids: stored.ids,
                    accepted_application_id: stored.accepted_application_id,
                }
            }
            "AcceptanceRescinded" => {
                let stored: Rescinded = read_json(event_type, data)?;
                Event::AcceptanceRescinded {
                    ids: stored.ids,
                    placement_id: stored.placement_id,
                    cause: stored.cause,
                }
            }
            unknown => return Err(WireError::UnknownType(unknown.to_owned())),
        })
    }
}

fn bare(event_type: &str, data: &[u8]) -> Result<Ids, WireError> {
    read_json::<Bare>(event_type, data).map(|stored| stored.ids)
}

impl From<&Submission> for StoredSubmission {
    fn from(submission: &Submission) -> Self {
        let (listing, profile) = (&submission.listing, &submission.profile);
        Self {
            ids: submission.ids,
            employer_id: listing.employer_id,
            title: listing.title.clone(),
            employer_name: listing.employer_name.clone(),
            description: listing.description.clone(),
            personal: StoredProfile {
                student_name: profile.name.clone(),
                email: profile.email.clone(),
                statement: profile.statement.clone(),
            },
        }
    }
}

impl From<StoredSubmission> for Submission {
    fn from(stored: StoredSubmission) -> Self {
        Self {
            ids: stored.ids,
            listing: Listing {
                employer_id: stored.employer_id,
                title: stored.title,
                employer_name: stored.employer_name,
                description: stored.description,
            },
            profile: Profile {
                name: stored.personal.student_name,
                email: stored.personal.email,
                statement: stored.personal.statement,
            },
        }
    }
}

impl From<Accepted> for Event {
    fn from(stored: Accepted) -> Self {
        Self::OfferAccepted {
            ids: stored.ids,
            placement_id: stored.placement_id,
            employer_id: stored.employer_id,
            title: stored.title,
            employer_name: stored.employer_name,
            terms: stored.terms,
            student_name: stored.personal.student_name,
        }
    }
}
