//! An accepted offer becomes a placement.
//!
//! ```text
//! OfferAccepted ─> candidacy: Claim ─> placement: Start ─> the student's other open applications: Close
//!                        │ refused          │ refused
//!                        │                  └─> candidacy: Release ─┐
//!                        └─> application: RescindAcceptance <───────┘
//! ```
//!
//! The claim was made before the acceptance was written; it is asked for once more because it may have been released
//! in a race of two attempts of one request. Then another placement may be held by now, and this one must not start.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::process::{Process, ProcessError, Source};
use super::rooms::{Rooms, ask, read, send};
use crate::applications::candidacy::{self, Cause as ReleaseCause};
use crate::applications::{Application, Command, Event, Ids};
use crate::command::Cause;
use crate::kernel::{Moment, PlacementIds};
use crate::log::RecordedEvent;
use crate::placements::{self, Start};

const NAME: &str = "acceptance";
pub(super) const SOURCES: &[Source] = &[Source {
    service: "applications",
    event_types: &["OfferAccepted"],
}];

/// See the module.
pub struct Acceptance {
    rooms: Arc<Rooms>,
}

impl Acceptance {
    /// Sends its commands to `rooms`.
    #[must_use]
    pub const fn new(rooms: Arc<Rooms>) -> Self {
        Self { rooms }
    }
}

/// The acceptance that is being carried out.
struct Accepted<'a> {
    cause: &'a Cause,
    ids: Ids,
    placement_id: Uuid,
    now: Moment,
}

#[async_trait]
impl Process for Acceptance {
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
        let (cause, fact) = read::<Application>(NAME, event)?;
        let Some((ids, start)) = start_of(fact) else {
            return Ok(());
        };
        let placement_id = start.ids.placement_id;
        let accepted = Accepted {
            cause: &cause,
            ids,
            placement_id,
            now,
        };
        if let Some(why) = self.claim(&accepted).await? {
            return self.rescind(&accepted, why).await;
        }
        fail::fail_point!("acceptance::before_start");
        let order = cause.order(
            "start",
            placement_id,
            placements::Command::Start(start),
            None,
            now,
        );
        if let Err(refusal) = ask(&self.rooms.placements, order).await? {
            fail::fail_point!("acceptance::before_rescind");
            self.rescind(&accepted, refusal.to_string()).await?;
            return self.release(&accepted).await;
        }
        fail::fail_point!("acceptance::before_close");
        self.close_others(&accepted).await
    }
}

impl Acceptance {
    /// None where the claim stands (or had its time); otherwise why not.
    async fn claim(&self, accepted: &Accepted<'_>) -> Result<Option<String>, ProcessError> {
        let claim = candidacy::Command::Claim {
            application_id: accepted.ids.application_id,
            placement_id: accepted.placement_id,
        };
        let order =
            accepted
                .cause
                .order("claim", accepted.ids.student_id, claim, None, accepted.now);
        let outcome = ask(self.rooms.candidacies(), order).await?;
        Ok(outcome.err().map(|refusal| refusal.to_string()))
    }

    async fn rescind(&self, accepted: &Accepted<'_>, why: String) -> Result<(), ProcessError> {
        let rescind = Command::RescindAcceptance {
            placement_id: accepted.placement_id,
            cause: why.clone(),
        };
        let id = accepted.ids.application_id;
        let order = accepted
            .cause
            .order("rescind", id, rescind, Some(why), accepted.now);
        send(self.rooms.applications(), order).await
    }

    async fn release(&self, accepted: &Accepted<'_>) -> Result<(), ProcessError> {
        let release = candidacy::Command::Release {
            placement_id: accepted.placement_id,
            cause: ReleaseCause::Rescinded,
        };
        let student = accepted.ids.student_id;
        let order = accepted
            .cause
            .order("release", student, release, None, accepted.now);
        send(self.rooms.candidacies(), order).await
    }

    /// Only while the placement is held, when the student cannot apply anew: delivered again after its end, this must
    /// not close what was opened since.
    async fn close_others(&self, accepted: &Accepted<'_>) -> Result<(), ProcessError> {
        let student = accepted.ids.student_id;
        let accepted_application_id = accepted.ids.application_id;
        let Some(candidacy) = self.rooms.candidacies().state(student).await? else {
            return Ok(());
        };
        if !candidacy.holds(accepted.placement_id, accepted_application_id) {
            return Ok(());
        }
        for application in candidacy.open_besides(accepted_application_id) {
            let close = Command::CloseApplication {
                accepted_application_id,
            };
            let order = accepted
                .cause
                .order("close", application, close, None, accepted.now);
            if let Err(refusal) = ask(self.rooms.applications(), order).await? {
                // Registered, and its own stream not written yet: the process `submission` is about to.
                return Err(ProcessError::Transient(format!(
                    "application {application}: {refusal}"
                )));
            }
        }
        Ok(())
    }
}

fn start_of(event: Event) -> Option<(Ids, Start)> {
    let Event::OfferAccepted {
        ids,
        placement_id,
        employer_id,
        title,
        employer_name,
        terms,
        student_name,
    } = event
    else {
        return None;
    };
    let start = Start {
        ids: PlacementIds {
            placement_id,
            student_id: ids.student_id,
            internship_id: ids.internship_id,
        },
        employer_id,
        application_id: ids.application_id,
        title,
        employer_name,
        terms,
        student_name,
    };
    Some((ids, start))
}
