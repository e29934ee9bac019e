//! From the evaluation to the completion.
//!
//! ```text
//! EvaluationRecorded ─> register: ReportAttendance ─> AttendanceReported ─> evaluation: NoteAttendance ─┐
//!                  └──> worklist: ReportWork ───────> WorkReported ───────> evaluation: NoteWork ───────┤
//!                                                                                                       v
//!                                        placement: NoteKpis <───────────────────────────────── KpisFinalised
//! MandatoryTasksProgressed (after the report) ──────> placement: NoteTasks
//! ```

use std::sync::Arc;

use async_trait::async_trait;

use super::process::{Process, ProcessError, Source};
use super::rooms::{Rooms, read, send};
use crate::kernel::Moment;
use crate::log::RecordedEvent;
use crate::placements::MandatoryTasks;
use crate::{attendance, evaluations, placements, tasks};

const NAME: &str = "final_kpis";
pub(super) const SOURCES: &[Source] = &[
    Source {
        service: "evaluations",
        event_types: &["EvaluationRecorded", "KpisFinalised"],
    },
    Source {
        service: "attendance",
        event_types: &["AttendanceReported"],
    },
    Source {
        service: "tasks",
        event_types: &["WorkReported", "MandatoryTasksProgressed"],
    },
];

/// See the module.
pub struct FinalKpis {
    rooms: Arc<Rooms>,
}

impl FinalKpis {
    /// Sends its commands to `rooms`.
    #[must_use]
    pub const fn new(rooms: Arc<Rooms>) -> Self {
        Self { rooms }
    }
}

#[async_trait]
impl Process for FinalKpis {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sources(&self) -> &'static [Source] {
        SOURCES
    }

    async fn handle(
        &self,
        service: &'static str,
        event: &RecordedEvent,
        now: Moment,
    ) -> Result<(), ProcessError> {
        match service {
            "evaluations" => self.evaluated(event, now).await,
            "attendance" => self.attended(event, now).await,
            "tasks" => self.worked(event, now).await,
            // No other source is named above.
            _ => Ok(()),
        }
    }
}

impl FinalKpis {
    async fn evaluated(&self, event: &RecordedEvent, now: Moment) -> Result<(), ProcessError> {
        let rooms = &self.rooms;
        let (cause, fact) = read::<evaluations::Evaluation>(NAME, event)?;
        if let evaluations::Event::EvaluationRecorded { ids, .. } = fact {
            let id = ids.placement_id;
            let as_of = cause.metadata().occurred_at.date();
            let attendance = attendance::Command::ReportAttendance { as_of };
            let work = tasks::Command::ReportWork;
            tokio::try_join!(
                send(
                    &rooms.registers,
                    cause.order("report", id, attendance, None, now)
                ),
                send(&rooms.worklists, cause.order("report", id, work, None, now)),
            )?;
        } else if let evaluations::Event::KpisFinalised {
            ids,
            figures,
            mandatory_assigned,
            mandatory_submitted,
            ratings,
        } = fact
        {
            fail::fail_point!("final_kpis::before_note");
            let note = placements::Command::NoteKpis {
                figures,
                tasks: MandatoryTasks {
                    assigned: mandatory_assigned,
                    submitted: mandatory_submitted,
                },
                ratings,
            };
            let order = cause.order("note_kpis", ids.placement_id, note, None, now);
            send(&rooms.placements, order).await?;
        }
        Ok(())
    }

    async fn attended(&self, event: &RecordedEvent, now: Moment) -> Result<(), ProcessError> {
        let (cause, fact) = read::<attendance::Register>(NAME, event)?;
        let attendance::Event::AttendanceReported {
            ids,
            days_present,
            days_absent,
            attendance_rate,
        } = fact
        else {
            return Ok(());
        };
        let figures = evaluations::AttendanceFigures {
            days_present,
            days_absent,
            attendance_rate,
        };
        let note = evaluations::Command::NoteAttendance(figures);
        let order = cause.order("note", ids.placement_id, note, None, now);
        send(&self.rooms.evaluations, order).await
    }

    async fn worked(&self, event: &RecordedEvent, now: Moment) -> Result<(), ProcessError> {
        let (cause, fact) = read::<tasks::Worklist>(NAME, event)?;
        if let tasks::Event::WorkReported { ids, figures } = fact {
            let figures = evaluations::WorkFigures {
                tasks_assigned: figures.tasks_assigned,
                tasks_submitted: figures.tasks_submitted,
                tasks_on_time: figures.tasks_on_time,
                mandatory_assigned: figures.mandatory_assigned,
                mandatory_submitted: figures.mandatory_submitted,
                mean_score: figures.mean_score,
            };
            let note = evaluations::Command::NoteWork(figures);
            let order = cause.order("note", ids.placement_id, note, None, now);
            return send(&self.rooms.evaluations, order).await;
        }
        if let tasks::Event::MandatoryTasksProgressed {
            ids,
            mandatory_assigned,
            mandatory_submitted,
        } = fact
        {
            let tasks = MandatoryTasks {
                assigned: mandatory_assigned,
                submitted: mandatory_submitted,
            };
            let note = placements::Command::NoteTasks { tasks };
            let order = cause.order("note_tasks", ids.placement_id, note, None, now);
            return send(&self.rooms.placements, order).await;
        }
        Ok(())
    }
}
