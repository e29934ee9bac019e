//! The state of a worklist. It keeps what decisions need, not the texts.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::events::{Event, WorkFigures};
use crate::kernel::{Moment, PlacementIds};

/// Where a worklist stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// No placement started it.
    #[default]
    None,
    /// It takes tasks and work.
    Open,
    /// The placement is on hold.
    Frozen,
    /// The placement ended.
    Closed,
}

/// 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Score(u8);

impl Score {
    /// The best.
    pub const MAX: u8 = 100;

    /// The worst.
    pub const ZERO: Self = Self(0);

    /// A score within bounds.
    #[must_use]
    pub fn new(score: u32) -> Option<Self> {
        let score = u8::try_from(score).ok()?;
        (score <= Self::MAX).then_some(Self(score))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// Work handed in after this is late.
    pub due_at: Moment,
    /// Completion of the placement depends on it.
    pub mandatory: bool,
    /// How often work was handed in.
    pub submissions: u32,
    /// The first submission was late.
    pub first_late: bool,
    /// The last review's score.
    pub last_score: Option<Score>,
}

/// A submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Submission {
    /// For which task.
    pub task_id: Uuid,
    /// It was reviewed.
    pub reviewed: bool,
}

/// The worklist of one placement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Worklist {
    /// Where it stands.
    pub(super) phase: Phase,
    /// Whose it is.
    #[serde(flatten)]
    pub(super) ids: PlacementIds,
    /// Whose internship it is.
    pub(super) employer_id: Uuid,
    /// By id.
    pub(super) tasks: BTreeMap<Uuid, Task>,
    /// By id.
    pub(super) submissions: BTreeMap<Uuid, Submission>,
    /// The figures were reported.
    pub(super) reported: bool,
}

impl Worklist {
    /// The figures as they are now.
    #[must_use]
    pub fn figures(&self) -> WorkFigures {
        let submitted = |task: &&Task| task.submissions > 0;
        let count = |test: &dyn Fn(&&Task) -> bool| counted(self.tasks.values().filter(test));
        WorkFigures {
            tasks_assigned: counted(self.tasks.values()),
            tasks_submitted: count(&submitted),
            tasks_on_time: count(&|task| submitted(task) && !task.first_late),
            mandatory_assigned: count(&|task| task.mandatory),
            mandatory_submitted: count(&|task| task.mandatory && submitted(task)),
            mean_score: self.mean_score(),
        }
    }

    fn mean_score(&self) -> f64 {
        let scores = || self.tasks.values().filter_map(|task| task.last_score);
        let reviewed = counted(scores());
        if reviewed == 0 {
            return 0.0;
        }
        let sum: u32 = scores().map(|score| u32::from(score.get())).sum();
        f64::from(sum) / f64::from(reviewed)
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::WorklistOpened {
                ids, employer_id, ..
            } => {
                self.phase = Phase::Open;
                self.ids = *ids;
                self.employer_id = *employer_id;
            }
            Event::TaskAssigned {
                task_id,
                due_at,
                mandatory,
                ..
            } => {
                let task = Task {
                    due_at: *due_at,
                    mandatory: *mandatory,
                    submissions: 0,
                    first_late: false,
                    last_score: None,
                };
                self.tasks.insert(*task_id, task);
            }
            Event::WorkSubmitted {
                task_id,
                submission_id,
                late,
                first,
                ..
            } => self.submit(*task_id, *submission_id, *first && *late),
            Event::SubmissionReviewed {
                task_id,
                submission_id,
                score,
                ..
            } => self.review(*task_id, *submission_id, *score),
            Event::WorklistFrozen { .. } => self.phase = Phase::Frozen,
            Event::WorklistReopened { .. } => self.phase = Phase::Open,
            Event::WorklistClosed { .. } => self.phase = Phase::Closed,
            Event::WorkReported { .. } => self.reported = true,
            // What it tells is in the tasks already.
            Event::MandatoryTasksProgressed { .. } => {}
        }
    }

    fn submit(&mut self, task_id: Uuid, submission_id: Uuid, first_late: bool) {
        if let Some(task) = self.tasks.get_mut(&task_id) {
            task.submissions += 1;
            task.first_late |= first_late;
        }
        let submission = Submission {
            task_id,
            reviewed: false,
        };
        self.submissions.insert(submission_id, submission);
    }

    fn review(&mut self, task_id: Uuid, submission_id: Uuid, score: Score) {
        if let Some(task) = self.tasks.get_mut(&task_id) {
            task.last_score = Some(score);
        }
        if let Some(submission) = self.submissions.get_mut(&submission_id) {
            submission.reviewed = true;
        }
    }
}

fn counted<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}
