//! What a candidacy can be asked, and the rules: one application per internship, one placement at a time.
//!
//! All commands are the system's, sent on the way of a student's submission or acceptance. What already took
//! effect yields no event; but a second registration of an application is refused, because its words may differ.

use uuid::Uuid;

use super::super::{Ids, Submission};
use super::{Candidacy, Cause, Event};
use crate::kernel::{self, Aggregate, Context, Owners, RefusalKind};

/// What a candidacy can be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The student applies.
    Register(Submission),
    /// The application's stream refused the registration.
    Abandon {
        /// Which application.
        application_id: Uuid,
    },
    /// The student wants to hold this placement.
    Claim {
        /// The application whose offer is accepted.
        application_id: Uuid,
        /// The placement.
        placement_id: Uuid,
    },
    /// The student holds it no longer.
    Release {
        /// The placement.
        placement_id: Uuid,
        /// Why.
        cause: Cause,
    },
}

/// Why a candidacy says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// One application per internship, ever.
    #[error("the student applied to this internship before, with application {application_id}")]
    AlreadyApplied {
        /// The application that is there.
        application_id: Uuid,
    },
    /// One placement at a time.
    #[error("the student holds placement {placement_id}")]
    ActivePlacementExists {
        /// The placement that is held.
        placement_id: Uuid,
    },
    /// The id stands for something else of this student.
    #[error("{id} is used already")]
    IdTaken {
        /// The id.
        id: Uuid,
    },
    /// The application is not this student's.
    #[error("the student has no application {application_id}")]
    ApplicationUnknown {
        /// The id.
        application_id: Uuid,
    },
}

impl kernel::Refusal for Refusal {
    fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyApplied { .. } => "ALREADY_APPLIED",
            Self::ActivePlacementExists { .. } => "ACTIVE_PLACEMENT_EXISTS",
            Self::IdTaken { .. } => "ID_TAKEN",
            Self::ApplicationUnknown { .. } => "APPLICATION_UNKNOWN",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::AlreadyApplied { .. } | Self::IdTaken { .. } => RefusalKind::AlreadyExists,
            Self::ActivePlacementExists { .. } => RefusalKind::State,
            Self::ApplicationUnknown { .. } => RefusalKind::NotFound,
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::AlreadyApplied { .. } => "Follow the application that is there.",
            Self::ActivePlacementExists { .. } => {
                "Wait until the placement is completed or terminated."
            }
            Self::IdTaken { .. } => "Choose a new random UUID.",
            Self::ApplicationUnknown { .. } => "Check the application id.",
        }
    }
}

impl Aggregate for Candidacy {
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    const CATEGORY: &'static str = "candidacy";

    fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::Register(submission) => self.register(submission, context),
            Command::Abandon { application_id } => Ok(self.abandon(*application_id)),
            Command::Claim {
                application_id,
                placement_id,
            } => self.claim(*application_id, *placement_id, context),
            Command::Release {
                placement_id,
                cause,
            } => Ok(self.release_of(*placement_id, *cause, context)),
        }
    }

    fn evolve(&mut self, event: &Event) {
        self.apply(event);
    }

    fn owners(&self) -> Owners {
        Owners {
            student: self.student_id,
            ..Owners::default()
        }
    }

    fn claims(command: &Command) -> Owners {
        match command {
            Command::Register(submission) => Owners {
                student: Some(submission.ids.student_id),
                ..Owners::default()
            },
            Command::Abandon { .. } | Command::Claim { .. } | Command::Release { .. } => {
                Owners::default()
            }
        }
    }
}

type Decision = Result<Vec<Event>, Refusal>;

impl Candidacy {
    fn register(&self, submission: &Submission, context: &Context) -> Decision {
        let ids = submission.ids;
        if let Some((application_id, _)) = self
            .applications
            .iter()
            .find(|(_, registered)| registered.internship_id == ids.internship_id)
        {
            return Err(Refusal::AlreadyApplied {
                application_id: *application_id,
            });
        }
        if self.applications.contains_key(&ids.application_id) {
            return Err(Refusal::IdTaken {
                id: ids.application_id,
            });
        }
        if let Some(placement_id) = self.in_the_way(context) {
            return Err(Refusal::ActivePlacementExists { placement_id });
        }
        Ok(vec![Event::ApplicationRegistered(submission.clone())])
    }

    fn abandon(&self, application_id: Uuid) -> Vec<Event> {
        let (Some(student_id), Some(registered)) =
            (self.student_id, self.applications.get(&application_id))
        else {
            return vec![];
        };
        vec![Event::ApplicationAbandoned {
            ids: Ids {
                application_id,
                student_id,
                internship_id: registered.internship_id,
            },
            cause: Cause::Refused,
        }]
    }

    fn claim(&self, application_id: Uuid, placement_id: Uuid, context: &Context) -> Decision {
        let (Some(student_id), Some(_)) = (self.student_id, self.applications.get(&application_id))
        else {
            return Err(Refusal::ApplicationUnknown { application_id });
        };
        if self.holds(placement_id, application_id) {
            return Ok(vec![]);
        }
        match self.ended.get(&placement_id) {
            // This claim had its time.
            Some(ended) if ended.application_id == application_id => return Ok(vec![]),
            Some(_) => return Err(Refusal::IdTaken { id: placement_id }),
            None => {}
        }
        if let Some(placement_id) = self.in_the_way(context) {
            return Err(Refusal::ActivePlacementExists { placement_id });
        }
        Ok(vec![Event::PlacementClaimed {
            student_id,
            application_id,
            placement_id,
            since: context.occurred_at,
        }])
    }

    /// The placement that the student holds, or held when it happened: records of the past are judged by their own
    /// time, so that sending them again is refused as it was the first time, although that placement has ended.
    fn in_the_way(&self, context: &Context) -> Option<Uuid> {
        let then = context.imported.then_some(context.occurred_at);
        self.held
            .map(|held| held.placement_id)
            .or_else(|| self.held_then(then?))
    }

    fn release_of(&self, placement_id: Uuid, cause: Cause, context: &Context) -> Vec<Event> {
        let Some(student_id) = self.student_id else {
            return vec![];
        };
        if self
            .held
            .is_none_or(|held| held.placement_id != placement_id)
        {
            return vec![];
        }
        vec![Event::PlacementReleased {
            student_id,
            placement_id,
            cause,
            until: context.occurred_at,
        }]
    }
}
