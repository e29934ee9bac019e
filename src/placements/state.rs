//! What a placement is after its events.

use serde::Serialize;

use super::{Criterion, Event, MandatoryTasks, Start};
use crate::kernel::{Date, Figures, Ratings, day};

/// Where a placement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// It runs.
    Active,
    /// It rests.
    OnHold,
    /// All criteria held. Final.
    Completed,
    /// It was ended. Final.
    Terminated,
}

impl Status {
    /// Whether it can still change.
    #[must_use]
    pub const fn is_running(self) -> bool {
        match self {
            Self::Active | Self::OnHold => true,
            Self::Completed | Self::Terminated => false,
        }
    }

    /// As people say it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::OnHold => "on hold",
            Self::Completed => "completed",
            Self::Terminated => "terminated",
        }
    }
}

/// A placement; nothing before its start.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Placement {
    /// What is known of it.
    pub known: Option<Known>,
}

/// What is known of a placement that started.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Known {
    /// How it started.
    #[serde(flatten)]
    pub start: Start,
    /// Where it stands.
    pub status: Status,
    /// Its last day, once it has one.
    #[serde(serialize_with = "optional_day")]
    pub end_date: Option<Date>,
    /// The final figures and ratings, once the evaluation is recorded.
    pub evaluated: Option<Evaluated>,
    /// The mandatory tasks, as last told.
    #[serde(flatten)]
    pub tasks: MandatoryTasks,
    /// The last assessment that did not hold.
    pub assessed: Vec<Criterion>,
}

/// What the evaluation settled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Evaluated {
    /// The figures, final.
    #[serde(flatten)]
    pub figures: Figures,
    /// What the employer rated.
    pub ratings: Ratings,
}

impl Placement {
    /// The state after `event`. What comes before a start is none of ours and changes nothing.
    pub(super) fn apply(&mut self, event: &Event) {
        if let Event::PlacementStarted(start) = event {
            self.known = Some(Known::started(start));
        }
        if let Some(known) = &mut self.known {
            known.apply(event);
        }
    }
}

impl Known {
    fn started(start: &Start) -> Self {
        Self {
            start: start.clone(),
            status: Status::Active,
            end_date: None,
            evaluated: None,
            tasks: MandatoryTasks::default(),
            assessed: Vec::new(),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::PlacementStarted(_) | Event::PlacementResumed(_) => {
                self.status = Status::Active;
            }
            Event::PlacementHeld(_) => self.status = Status::OnHold,
            Event::PlacementTerminated { end_date, .. } => {
                self.status = Status::Terminated;
                self.end_date = Some(*end_date);
            }
            Event::KpisNoted {
                figures,
                tasks,
                ratings,
                ..
            } => {
                self.evaluated = Some(Evaluated {
                    figures: *figures,
                    ratings: *ratings,
                });
                self.tasks = self.tasks.or_later(*tasks);
            }
            Event::MandatoryTasksNoted { tasks, .. } => self.tasks = self.tasks.or_later(*tasks),
            Event::CompletionAssessed { criteria, .. } => self.assessed.clone_from(criteria),
            Event::PlacementCompleted(completion) => {
                self.status = Status::Completed;
                self.end_date = Some(completion.end_date);
            }
        }
    }
}

impl MandatoryTasks {
    /// Both figures only grow, so the larger ones are the later ones, whichever way they came.
    pub(super) fn or_later(self, other: Self) -> Self {
        Self {
            assigned: self.assigned.max(other.assigned),
            submitted: self.submitted.max(other.submitted),
        }
    }
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn optional_day<S: serde::Serializer>(
    date: &Option<Date>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match date {
        Some(date) => day::serialize(date, serializer),
        None => serializer.serialize_none(),
    }
}
