//! A candidacy's events as stored. See the room's `wire` for the rules.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::Ids;
use super::super::wire::{SUBMITTED, StoredSubmission, VERSION};
use super::{Candidacy, Cause, Event};
use crate::kernel::{
    DomainEvent as _, EventShape, Moment, Stored, WireError, read_json, write_json,
};

#[derive(Serialize, Deserialize)]
struct Abandoned {
    #[serde(flatten)]
    ids: Ids,
    cause: Cause,
}

#[derive(Serialize, Deserialize)]
struct Claimed {
    student_id: Uuid,
    application_id: Uuid,
    placement_id: Uuid,
    since: Moment,
}

#[derive(Serialize, Deserialize)]
struct Released {
    student_id: Uuid,
    placement_id: Uuid,
    cause: Cause,
    until: Moment,
}

impl Stored for Candidacy {
    const SHAPES: &'static [EventShape] = &[
        EventShape {
            event_type: "ApplicationRegistered",
            ..SUBMITTED
        },
        EventShape {
            event_type: "ApplicationAbandoned",
            fields: &["student_id", "application_id", "internship_id", "cause"],
            personal: &[],
        },
        EventShape {
            event_type: "PlacementClaimed",
            fields: &["student_id", "application_id", "placement_id", "since"],
            personal: &[],
        },
        EventShape {
            event_type: "PlacementReleased",
            fields: &["student_id", "placement_id", "cause", "until"],
            personal: &[],
        },
    ];

    fn encode(event: &Event) -> Result<(u32, Vec<u8>), WireError> {
        let name = event.event_type();
        match event {
            Event::ApplicationRegistered(submission) => {
                write_json(name, VERSION, &StoredSubmission::from(submission))
            }
            Event::ApplicationAbandoned { ids, cause } => {
                let stored = Abandoned {
                    ids: *ids,
                    cause: *cause,
                };
                write_json(name, VERSION, &stored)
            }
            Event::PlacementClaimed {
                student_id,
                application_id,
                placement_id,
                since,
            } => {
                let stored = Claimed {
                    student_id: *student_id,
                    application_id: *application_id,
                    placement_id: *placement_id,
                    since: *since,
                };
                write_json(name, VERSION, &stored)
            }
            Event::PlacementReleased {
                student_id,
                placement_id,
                cause,
                until,
            } => {
                let stored = Released {
                    student_id: *student_id,
                    placement_id: *placement_id,
                    cause: *cause,
                    until: *until,
                };
                write_json(name, VERSION, &stored)
            }
        }
    }

    fn decode(event_type: &str, version: u32, data: &[u8]) -> Result<Event, WireError> {
        WireError::refuse_newer(event_type, version, VERSION)?;
        Ok(match event_type {
            "ApplicationRegistered" => Event::ApplicationRegistered(
                read_json::<StoredSubmission>(event_type, data)?.into(),
            ),
            "ApplicationAbandoned" => {
                let stored: Abandoned = read_json(event_type, data)?;
                Event::ApplicationAbandoned {
                    ids: stored.ids,
                    cause: stored.cause,
                }
            }
            "PlacementClaimed" => {
                let stored: Claimed = read_json(event_type, data)?;
                Event::PlacementClaimed {
                    student_id: stored.student_id,
                    application_id: stored.application_id,
                    placement_id: stored.placement_id,
                    since: stored.since,
                }
            }
            "PlacementReleased" => {
                let stored: Released = read_json(event_type, data)?;
                Event::PlacementReleased {
                    student_id: stored.student_id,
                    placement_id: stored.placement_id,
                    cause: stored.cause,
                    until: stored.until,
                }
            }
            unknown => return Err(WireError::UnknownType(unknown.to_owned())),
        })
    }
}
