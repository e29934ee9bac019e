//! The stored form of the register's events. Every struct here is version 1 and may never change.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::events::{AbsenceCause, Event};
use super::state::Register;
use crate::kernel::{
    Date, DomainEvent as _, EventShape, PlacementIds, Stored, WireError, day, read_json, write_json,
};

/// The only version so far, of every type.
const V1: u32 = 1;

#[derive(Serialize, Deserialize)]
struct RegisterOpenedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    employer_id: Uuid,
    #[serde(with = "day")]
    start_date: Date,
}

/// Clocked in, clocked out, frozen, reopened, closed: something on a day. The ids are named one by one: most events of
/// the longest streams have this form, and a flattened struct is read by way of a copy of everything.
#[derive(Serialize, Deserialize)]
struct OnDayV1 {
    placement_id: Uuid,
    student_id: Uuid,
    internship_id: Uuid,
    #[serde(with = "day")]
    date: Date,
}

#[derive(Serialize, Deserialize)]
struct AbsenceRecordedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    #[serde(with = "day")]
    date: Date,
    #[serde(with = "day")]
    to_date: Date,
    days: u32,
    cause: CauseV1,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum CauseV1 {
    Gap,
    Reported,
}

#[derive(Serialize, Deserialize)]
struct AttendanceCorrectedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    #[serde(with = "day")]
    date: Date,
    present: bool,
    corrects_revision: u64,
}

#[derive(Serialize, Deserialize)]
struct AttendanceReportedV1 {
    #[serde(flatten)]
    ids: PlacementIds,
    days_present: u32,
    days_absent: u32,
    attendance_rate: f64,
}

const ON_DAY: &[&str] = &["placement_id", "student_id", "internship_id", "date"];

impl Stored for Register {
    const SHAPES: &'static [EventShape] = &[
        EventShape::of(
            "RegisterOpened",
            &[
                "placement_id",
                "student_id",
                "internship_id",
                "employer_id",
                "start_date",
            ],
            &[],
        ),
        EventShape::of("ClockedIn", ON_DAY, &[]),
        EventShape::of("ClockedOut", ON_DAY, &[]),
        EventShape::of(
            "AbsenceRecorded",
            &[
                "placement_id",
                "student_id",
                "internship_id",
                "date",
                "to_date",
                "days",
                "cause",
            ],
            &[],
        ),
        EventShape::of(
            "AttendanceCorrected",
            &[
                "placement_id",
                "student_id",
                "internship_id",
                "date",
                "present",
                "corrects_revision",
            ],
            &[],
        ),
        EventShape::of("RegisterFrozen", ON_DAY, &[]),
        EventShape::of("RegisterReopened", ON_DAY, &[]),
        EventShape::of("RegisterClosed", ON_DAY, &[]),
        EventShape::of(
            "AttendanceReported",
            &[
                "placement_id",
                "student_id",
                "internship_id",
                "days_present",
                "days_absent",
                "attendance_rate",
            ],
            &[],
        ),
    ];

    fn encode(event: &Event) -> Result<(u32, Vec<u8>), WireError> {
        let name = event.event_type();
        match *event {
            Event::RegisterOpened {
                ids,
                employer_id,
                start_date,
            } => write_json(
                name,
                V1,
                &RegisterOpenedV1 {
                    ids,
                    employer_id,
                    start_date,
                },
            ),
            Event::ClockedIn { ids, date }
            | Event::ClockedOut { ids, date }
            | Event::RegisterFrozen { ids, date }
            | Event::RegisterReopened { ids, date }
            | Event::RegisterClosed { ids, date } => {
                let stored = OnDayV1 {
                    placement_id: ids.placement_id,
                    student_id: ids.student_id,
                    internship_id: ids.internship_id,
                    date,
                };
                write_json(name, V1, &stored)
            }
            Event::AbsenceRecorded {
                ids,
                date,
                to_date,
                days,
                cause,
            } => write_json(
                name,
                V1,
                &AbsenceRecordedV1 {
                    ids,
                    date,
                    to_date,
                    days,
                    cause: match cause {
                        AbsenceCause::Gap => CauseV1::Gap,
                        AbsenceCause::Reported => CauseV1::Reported,
                    },
                },
            ),
            Event::AttendanceCorrected {
                ids,
                date,
                present,
                corrects_revision,
            } => write_json(
                name,
                V1,
                &AttendanceCorrectedV1 {
                    ids,
                    date,
                    present,
                    corrects_revision,
                },
            ),
            Event::AttendanceReported {
                ids,
                days_present,
                days_absent,
                attendance_rate,
            } => write_json(
                name,
                V1,
                &AttendanceReportedV1 {
                    ids,
                    days_present,
                    days_absent,
                    attendance_rate,
                },
            ),
        }
    }

    fn decode(event_type: &str, schema_version: u32, data: &[u8]) -> Result<Event, WireError> {
        WireError::refuse_newer(event_type, schema_version, V1)?;
        match event_type {
            "RegisterOpened" => read_json::<RegisterOpenedV1>(event_type, data).map(Into::into),
            "ClockedIn" => on_day(event_type, data, |ids, date| Event::ClockedIn { ids, date }),
            "ClockedOut" => on_day(event_type, data, |ids, date| Event::ClockedOut {
                ids,
                date,
            }),
            "AbsenceRecorded" => read_json::<AbsenceRecordedV1>(event_type, data).map(Into::into),
            "AttendanceCorrected" => {
                read_json::<AttendanceCorrectedV1>(event_type, data).map(Into::into)
            }
            "RegisterFrozen" => on_day(event_type, data, |ids, date| Event::RegisterFrozen {
                ids,
                date,
            }),
            "RegisterReopened" => on_day(event_type, data, |ids, date| Event::RegisterReopened {
                ids,
                date,
            }),
            "RegisterClosed" => on_day(event_type, data, |ids, date| Event::RegisterClosed {
                ids,
                date,
            }),
            "AttendanceReported" => {
                read_json::<AttendanceReportedV1>(event_type, data).map(Into::into)
            }
            unknown => Err(WireError::UnknownType(unknown.to_owned())),
        }
    }
}

fn on_day(
    event_type: &str,
    data: &[u8],
    event: fn(PlacementIds, Date) -> Event,
) -> Result<Event, WireError> {
    let stored: OnDayV1 = read_json(event_type, data)?;
    let ids = PlacementIds {
        placement_id: stored.placement_id,
        student_id: stored.student_id,
        internship_id: stored.internship_id,
    };
    Ok(event(ids, stored.date))
}

impl From<RegisterOpenedV1> for Event {
    fn from(stored: RegisterOpenedV1) -> Self {
        Self::RegisterOpened {
            ids: stored.ids,
            employer_id: stored.employer_id,
            start_date: stored.start_date,
        }
    }
}

impl From<AbsenceRecordedV1> for Event {
    fn from(stored: AbsenceRecordedV1) -> Self {
        Self::AbsenceRecorded {
            ids: stored.ids,
            date: stored.date,
            to_date: stored.to_date,
            days: stored.days,
            cause: match stored.cause {
                CauseV1::Gap => AbsenceCause::Gap,
                CauseV1::Reported => AbsenceCause::Reported,
            },
        }
    }
}

impl From<AttendanceCorrectedV1> for Event {
    fn from(stored: AttendanceCorrectedV1) -> Self {
        Self::AttendanceCorrected {
            ids: stored.ids,
            date: stored.date,
            present: stored.present,
            corrects_revision: stored.corrects_revision,
        }
    }
}

impl From<AttendanceReportedV1> for Event {
    fn from(stored: AttendanceReportedV1) -> Self {
        Self::AttendanceReported {
            ids: stored.ids,
            days_present: stored.days_present,
            days_absent: stored.days_absent,
            attendance_rate: stored.attendance_rate,
        }
    }
}
