//! What a placement's life means to the other rooms.
//!
//! | event | commands |
//! | --- | --- |
//! | `PlacementStarted` | open the register and the worklist, then the evaluation |
//! | `PlacementHeld`, `PlacementResumed` | freeze, reopen all three |
//! | `PlacementTerminated` | close all three, release the candidacy |
//! | `PlacementCompleted` | the same, and establish eligibility |
//!
//! The evaluation opens last: once it can be recorded, the register and the worklist are there to report.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::process::{Process, ProcessError, Source};
use super::rooms::{Rooms, read, send};
use crate::applications::candidacy;
use crate::command::Cause;
use crate::kernel::{Moment, PlacementIds};
use crate::log::RecordedEvent;
use crate::placements::{Completion, Event, Placement, Start};
use crate::{attendance, certificates, evaluations, tasks};

const NAME: &str = "placement_life";
pub(super) const SOURCES: &[Source] = &[Source {
    service: "placements",
    event_types: &[
        "PlacementStarted",
        "PlacementHeld",
        "PlacementResumed",
        "PlacementTerminated",
        "PlacementCompleted",
    ],
}];

/// See the module.
pub struct PlacementLife {
    rooms: Arc<Rooms>,
}

impl PlacementLife {
    /// Sends its commands to `rooms`.
    #[must_use]
    pub const fn new(rooms: Arc<Rooms>) -> Self {
        Self { rooms }
    }
}

#[async_trait]
impl Process for PlacementLife {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sources(&self) -> &'static [Source] {
        SOURCES
    }

    async fn handle(
        &self,
        _service: &'static str,
        event: &RecordedEvent,
        now: Moment,
    ) -> Result<(), ProcessError> {
        let (cause, fact) = read::<Placement>(NAME, event)?;
        match fact {
            Event::PlacementStarted(start) => self.open(&cause, &start, now).await,
            Event::PlacementHeld(ids) => {
                let freeze = (
                    attendance::Command::FreezeRegister,
                    tasks::Command::FreezeWorklist,
                    evaluations::Command::FreezeEvaluation,
                );
                self.all_three(&cause, "freeze", ids.placement_id, freeze, now)
                    .await
            }
            Event::PlacementResumed(ids) => {
                let reopen = (
                    attendance::Command::ReopenRegister,
                    tasks::Command::ReopenWorklist,
                    evaluations::Command::ReopenEvaluation,
                );
                self.all_three(&cause, "reopen", ids.placement_id, reopen, now)
                    .await
            }
            Event::PlacementTerminated { ids, .. } => {
                self.end(&cause, ids, candidacy::Cause::Terminated, now)
                    .await
            }
            Event::PlacementCompleted(completion) => {
                self.end(&cause, completion.ids, candidacy::Cause::Completed, now)
                    .await?;
                fail::fail_point!("placement_life::before_eligibility");
                self.establish(&cause, *completion, now).await
            }
            Event::KpisNoted { .. }
            | Event::MandatoryTasksNoted { .. }
            | Event::CompletionAssessed { .. } => Ok(()),
        }
    }
}

impl PlacementLife {
    async fn open(&self, cause: &Cause, start: &Start, now: Moment) -> Result<(), ProcessError> {
        let Start {
            ids, employer_id, ..
        } = *start;
        let start_date = start.terms.start_date;
        let register = attendance::Command::OpenRegister {
            ids,
            employer_id,
            start_date,
        };
        let worklist = tasks::Command::OpenWorklist {
            ids,
            employer_id,
            start_date,
        };
        let evaluation = evaluations::Command::OpenEvaluation {
            ids,
            employer_id,
            start_date,
            minimum_days: start.terms.minimum_days,
        };
        let id = ids.placement_id;
        let rooms = &self.rooms;
        tokio::try_join!(
            send(
                &rooms.registers,
                cause.order("open", id, register, None, now)
            ),
            send(
                &rooms.worklists,
                cause.order("open", id, worklist, None, now)
            ),
        )?;
        fail::fail_point!("placement_life::before_evaluation");
        let order = cause.order("open_evaluation", id, evaluation, None, now);
        send(&rooms.evaluations, order).await
    }

    /// One command to each room, side by side. The step tells their request ids apart by room.
    async fn all_three(
        &self,
        cause: &Cause,
        step: &str,
        id: Uuid,
        commands: (attendance::Command, tasks::Command, evaluations::Command),
        now: Moment,
    ) -> Result<(), ProcessError> {
        let rooms = &self.rooms;
        let (register, worklist, evaluation) = commands;
        let reason = || cause.metadata().reason.clone();
        tokio::try_join!(
            send(
                &rooms.registers,
                cause.order(step, id, register, reason(), now)
            ),
            send(
                &rooms.worklists,
                cause.order(step, id, worklist, reason(), now)
            ),
            send(
                &rooms.evaluations,
                cause.order(step, id, evaluation, reason(), now)
            ),
        )?;
        Ok(())
    }

    async fn end(
        &self,
        cause: &Cause,
        ids: PlacementIds,
        why: candidacy::Cause,
        now: Moment,
    ) -> Result<(), ProcessError> {
        let close = (
            attendance::Command::CloseRegister,
            tasks::Command::CloseWorklist,
            evaluations::Command::CloseEvaluation,
        );
        self.all_three(cause, "close", ids.placement_id, close, now)
            .await?;
        fail::fail_point!("placement_life::before_release");
        let release = candidacy::Command::Release {
            placement_id: ids.placement_id,
            cause: why,
        };
        let order = cause.order("release", ids.student_id, release, None, now);
        send(self.rooms.candidacies(), order).await
    }

    async fn establish(
        &self,
        cause: &Cause,
        completion: Completion,
        now: Moment,
    ) -> Result<(), ProcessError> {
        let id = completion.ids.placement_id;
        let command = certificates::Command::EstablishEligibility {
            ids: completion.ids,
            employer_id: completion.employer_id,
            attested: certificates::Attested {
                title: completion.title,
                employer_name: completion.employer_name,
                start_date: completion.start_date,
                end_date: completion.end_date,
                student_name: completion.student_name,
            },
            figures: completion.figures,
            ratings: completion.ratings,
        };
        let order = cause.order("establish", id, command, None, now);
        send(&self.rooms.certifications, order).await
    }
}
