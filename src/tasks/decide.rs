//! What a worklist can be asked.

use uuid::Uuid;

use super::events::{Artifact, Event, Verdict};
use super::refused::Refused;
use super::state::{Phase, Score, Worklist};
use crate::kernel::{Aggregate, Context, Date, Moment, Owners, PlacementIds};

/// A task to be assigned.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Its id.
    pub task_id: Uuid,
    /// What is to be done.
    pub title: String,
    /// In detail.
    pub description: String,
    /// Work handed in after this is late.
    pub due_at: Moment,
    /// Completion of the placement depends on it.
    pub mandatory: bool,
}

/// Work to be handed in.
#[derive(Debug, Clone)]
pub struct NewSubmission {
    /// For which task.
    pub task_id: Uuid,
    /// Its id.
    pub submission_id: Uuid,
    /// What is handed in.
    pub artifacts: Vec<Artifact>,
    /// What the student says of it.
    pub comment: String,
}

/// A review of a submission.
#[derive(Debug, Clone)]
pub struct Review {
    /// Of which.
    pub submission_id: Uuid,
    /// Accepted, or not yet.
    pub verdict: Verdict,
    /// How good.
    pub score: Score,
    /// What the employer says of it.
    pub feedback: String,
}

/// What a worklist can be asked.
#[derive(Debug, Clone)]
pub enum Command {
    /// The placement started.
    OpenWorklist {
        /// Whose.
        ids: PlacementIds,
        /// Whose internship it is.
        employer_id: Uuid,
        /// The placement's first day.
        start_date: Date,
    },
    /// The employer assigns a task.
    AssignTask(NewTask),
    /// The student hands work in.
    SubmitWork(NewSubmission),
    /// The employer reviews a submission.
    ReviewSubmission(Review),
    /// The placement is on hold.
    FreezeWorklist,
    /// The placement goes on.
    ReopenWorklist,
    /// The placement ended.
    CloseWorklist,
    /// The figures for the final KPIs.
    ReportWork,
}

impl Aggregate for Worklist {
    type Command = Command;
    type Event = Event;
    type Refusal = Refused;

    const CATEGORY: &'static str = "worklist";

    fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Refused> {
        match command {
            Command::OpenWorklist {
                ids,
                employer_id,
                start_date,
            } => Ok(self.open(*ids, *employer_id, *start_date)),
            Command::AssignTask(task) => self.assign(task, context.occurred_at),
            Command::SubmitWork(work) => self.hand_in(work, context.occurred_at),
            Command::ReviewSubmission(review) => self.judge(review),
            Command::FreezeWorklist => self.turn(Phase::Open, |ids| Event::WorklistFrozen { ids }),
            Command::ReopenWorklist => {
                self.turn(Phase::Frozen, |ids| Event::WorklistReopened { ids })
            }
            Command::CloseWorklist => self.close(),
            Command::ReportWork => self.report(),
        }
    }

    fn evolve(&mut self, event: &Event) {
        self.apply(event);
    }

    fn owners(&self) -> Owners {
        if self.phase == Phase::None {
            return Owners::default();
        }
        Owners {
            student: Some(self.ids.student_id),
            employer: Some(self.employer_id),
            partners: Vec::new(),
        }
    }
}

impl Worklist {
    fn open(&self, ids: PlacementIds, employer_id: Uuid, start_date: Date) -> Vec<Event> {
        if self.phase != Phase::None {
            return Vec::new();
        }
        vec![Event::WorklistOpened {
            ids,
            employer_id,
            start_date,
        }]
    }

    fn assign(&self, task: &NewTask, now: Moment) -> Result<Vec<Event>, Refused> {
        self.active()?;
        if self.tasks.contains_key(&task.task_id) {
            return Err(Refused::TaskExists(task.task_id));
        }
        if task.due_at < now {
            return Err(Refused::Backdated {
                assigned_at: now,
                due_at: task.due_at,
            });
        }
        let assigned = Event::TaskAssigned {
            ids: self.ids,
            task_id: task.task_id,
            title: task.title.clone(),
            description: task.description.clone(),
            due_at: task.due_at,
            mandatory: task.mandatory,
        };
        Ok(self.with_progress(assigned, task.mandatory))
    }

    /// Also for a task whose work was accepted: a student may hand in something better.
    fn hand_in(&self, work: &NewSubmission, now: Moment) -> Result<Vec<Event>, Refused> {
        self.active()?;
        let Some(task) = self.tasks.get(&work.task_id) else {
            return Err(Refused::TaskUnknown(work.task_id));
        };
        if self.submissions.contains_key(&work.submission_id) {
            return Err(Refused::SubmissionExists(work.submission_id));
        }
        let first = task.submissions == 0;
        let submitted = Event::WorkSubmitted {
            ids: self.ids,
            task_id: work.task_id,
            submission_id: work.submission_id,
            artifacts: work.artifacts.clone(),
            late: now > task.due_at,
            first,
            comment: work.comment.clone(),
        };
        Ok(self.with_progress(submitted, task.mandatory && first))
    }

    fn judge(&self, review: &Review) -> Result<Vec<Event>, Refused> {
        self.active()?;
        let Some(submission) = self.submissions.get(&review.submission_id) else {
            return Err(Refused::SubmissionUnknown(review.submission_id));
        };
        if submission.reviewed {
            return Err(Refused::SubmissionReviewed(review.submission_id));
        }
        Ok(vec![Event::SubmissionReviewed {
            ids: self.ids,
            task_id: submission.task_id,
            submission_id: review.submission_id,
            verdict: review.verdict,
            score: review.score,
            feedback: review.feedback.clone(),
        }])
    }

    /// `event`, and after the report what it changes in the mandatory figures.
    fn with_progress(&self, event: Event, mandatory: bool) -> Vec<Event> {
        if !self.reported || !mandatory {
            return vec![event];
        }
        let mut after = self.clone();
        after.apply(&event);
        let figures = after.figures();
        let progressed = Event::MandatoryTasksProgressed {
            ids: self.ids,
            mandatory_assigned: figures.mandatory_assigned,
            mandatory_submitted: figures.mandatory_submitted,
        };
        vec![event, progressed]
    }

    /// Freezes what is open and reopens what is frozen; anything else has happened already, or ended.
    fn turn(&self, from: Phase, event: fn(PlacementIds) -> Event) -> Result<Vec<Event>, Refused> {
        match self.phase {
            Phase::None => Err(Refused::NotActive(self.phase)),
            phase if phase == from => Ok(vec![event(self.ids)]),
            Phase::Open | Phase::Frozen | Phase::Closed => Ok(Vec::new()),
        }
    }

    fn close(&self) -> Result<Vec<Event>, Refused> {
        match self.phase {
            Phase::None => Err(Refused::NotActive(self.phase)),
            Phase::Open | Phase::Frozen => Ok(vec![Event::WorklistClosed { ids: self.ids }]),
            Phase::Closed => Ok(Vec::new()),
        }
    }

    /// Reports also on hold and after the end: a placement may end while its evaluation is under way.
    fn report(&self) -> Result<Vec<Event>, Refused> {
        if self.phase == Phase::None {
            return Err(Refused::NotActive(self.phase));
        }
        if self.reported {
            return Ok(Vec::new());
        }
        Ok(vec![Event::WorkReported {
            ids: self.ids,
            figures: self.figures(),
        }])
    }

    fn active(&self) -> Result<(), Refused> {
        match self.phase {
            Phase::Open => Ok(()),
            Phase::None | Phase::Frozen | Phase::Closed => Err(Refused::NotActive(self.phase)),
        }
    }
}
