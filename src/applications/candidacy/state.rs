//! What a candidacy is after its events.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::{Cause, Event};
use crate::kernel::Moment;

/// A student's applications and placements, as far as the student's one-at-a-time rules need them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Candidacy {
    /// Whose; none before the first event.
    pub student_id: Option<Uuid>,
    /// The applications, by id. Ever: one per internship, withdrawn ones included.
    pub applications: BTreeMap<Uuid, Registered>,
    /// The placement that the student holds.
    pub held: Option<Held>,
    /// Placements that ended: a repeated claim of one is an old one.
    pub ended: BTreeMap<Uuid, Ended>,
}

/// An application as its candidacy knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Registered {
    /// To which internship.
    pub internship_id: Uuid,
    /// Not known to be over. It may be: a withdrawal is not told here.
    pub open: bool,
}

/// A claim that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The placement.
    pub placement_id: Uuid,
    /// The application whose offer was accepted.
    pub application_id: Uuid,
    /// From when on.
    pub since: Moment,
}

/// A claim that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// The application whose offer was accepted.
    pub application_id: Uuid,
    /// Held from here,
    pub since: Moment,
    /// to here.
    pub until: Moment,
}

impl Candidacy {
    /// Whether this claim stands.
    #[must_use]
    pub fn holds(&self, placement_id: Uuid, application_id: Uuid) -> bool {
        self.held.is_some_and(|held| {
            held.placement_id == placement_id && held.application_id == application_id
        })
    }

    /// The placement that the student held at a time that has passed, where it has ended since.
    #[must_use]
    pub fn held_then(&self, at: Moment) -> Option<Uuid> {
        self.ended
            .iter()
            .find(|(_, ended)| (ended.since..=ended.until).contains(&at))
            .map(|(placement_id, _)| *placement_id)
    }

    /// The applications other than `accepted` that may still be open.
    pub fn open_besides(&self, accepted: Uuid) -> impl Iterator<Item = Uuid> {
        self.applications
            .iter()
            .filter(move |(id, registered)| registered.open && **id != accepted)
            .map(|(id, _)| *id)
    }

    /// The state after `event`.
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::ApplicationRegistered(submission) => {
                self.student_id = Some(submission.ids.student_id);
                let registered = Registered {
                    internship_id: submission.ids.internship_id,
                    open: true,
                };
                self.applications
                    .insert(submission.ids.application_id, registered);
            }
            Event::ApplicationAbandoned { ids, .. } => {
                self.applications.remove(&ids.application_id);
            }
            Event::PlacementClaimed {
                student_id,
                application_id,
                placement_id,
                since,
            } => {
                self.student_id = Some(*student_id);
                self.held = Some(Held {
                    placement_id: *placement_id,
                    application_id: *application_id,
                    since: *since,
                });
            }
            Event::PlacementReleased {
                placement_id,
                cause,
                until,
                ..
            } => self.release(*placement_id, *cause, *until),
        }
    }

    fn release(&mut self, placement_id: Uuid, cause: Cause, until: Moment) {
        let Some(held) = self.held.take_if(|held| held.placement_id == placement_id) else {
            return;
        };
        let ended = Ended {
            application_id: held.application_id,
            since: held.since,
            until,
        };
        match cause {
            // The acceptance was never written: the offer stands, and may be accepted with the same placement.
            Cause::Refused => {}
            Cause::Rescinded => {
                self.ended.insert(placement_id, ended);
                self.over(held.application_id);
            }
            // A placement that ran has closed all applications before it; none is added while it is held.
            Cause::Completed | Cause::Terminated => {
                self.ended.insert(placement_id, ended);
                for registered in self.applications.values_mut() {
                    registered.open = false;
                }
            }
        }
    }

    fn over(&mut self, application_id: Uuid) {
        if let Some(registered) = self.applications.get_mut(&application_id) {
            registered.open = false;
        }
    }
}
