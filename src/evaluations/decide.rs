//! What an evaluation can be asked.

use uuid::Uuid;

use super::events::{AttendanceFigures, Event, WorkFigures};
use super::refused::Refused;
use super::state::{Evaluation, Phase};
use crate::kernel::{Aggregate, Context, Date, Figures, Owners, PlacementIds, Ratings};

/// What an evaluation can be asked.
#[derive(Debug, Clone)]
pub enum Command {
    /// The placement started.
    OpenEvaluation {
        /// Whose.
        ids: PlacementIds,
        /// Who evaluates.
        employer_id: Uuid,
        /// The placement's first day.
        start_date: Date,
        /// Days from the first day after which it can be evaluated.
        minimum_days: u32,
    },
    /// The employer evaluates.
    RecordEvaluation {
        /// Every category's rating.
        ratings: Ratings,
        /// In words.
        comments: String,
    },
    /// The register reported.
    NoteAttendance(AttendanceFigures),
    /// The worklist reported.
    NoteWork(WorkFigures),
    /// The placement is on hold.
    FreezeEvaluation,
    /// The placement goes on.
    ReopenEvaluation,
    /// The placement ended.
    CloseEvaluation,
}

impl Aggregate for Evaluation {
    type Command = Command;
    type Event = Event;
    type Refusal = Refused;

    const CATEGORY: &'static str = "evaluation";

    fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Refused> {
        match command {
            Command::OpenEvaluation {
                ids,
                employer_id,
                start_date,
                minimum_days,
            } => Ok(self.open(*ids, *employer_id, *start_date, *minimum_days)),
            Command::RecordEvaluation { ratings, comments } => {
                self.record(*ratings, comments, context.occurred_at.date())
            }
            Command::NoteAttendance(figures) => self.note_attendance(*figures),
            Command::NoteWork(figures) => self.note_work(*figures),
            Command::FreezeEvaluation => {
                self.turn(Phase::Open, |ids| Event::EvaluationFrozen { ids })
            }
            Command::ReopenEvaluation => {
                self.turn(Phase::Frozen, |ids| Event::EvaluationReopened { ids })
            }
            Command::CloseEvaluation => self.close(),
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

impl Evaluation {
    fn open(
        &self,
        ids: PlacementIds,
        employer_id: Uuid,
        start_date: Date,
        minimum_days: u32,
    ) -> Vec<Event> {
        if self.phase != Phase::None {
            return Vec::new();
        }
        vec![Event::EvaluationOpened {
            ids,
            employer_id,
            start_date,
            minimum_days,
        }]
    }

    /// A second evaluation is told so whatever became of the placement since.
    fn record(&self, ratings: Ratings, comments: &str, today: Date) -> Result<Vec<Event>, Refused> {
        if self.ratings.is_some() {
            return Err(Refused::AlreadyRecorded);
        }
        let (Phase::Open, Some(first)) = (self.phase, self.start_date) else {
            return Err(Refused::NotActive(self.phase));
        };
        let passed = (today - first).whole_days();
        if passed < i64::from(self.minimum_days) {
            return Err(Refused::TooEarly {
                passed,
                minimum: self.minimum_days,
            });
        }
        Ok(self.with_kpis(Event::EvaluationRecorded {
            ids: self.ids,
            ratings,
            mean_rating: ratings.mean(),
            comments: comments.to_owned(),
        }))
    }

    fn note_attendance(&self, figures: AttendanceFigures) -> Result<Vec<Event>, Refused> {
        if !self.notes()? || self.attendance.is_some() {
            return Ok(Vec::new());
        }
        let ids = self.ids;
        Ok(self.with_kpis(Event::AttendanceNoted { ids, figures }))
    }

    fn note_work(&self, figures: WorkFigures) -> Result<Vec<Event>, Refused> {
        if !self.notes()? || self.work.is_some() {
            return Ok(Vec::new());
        }
        let ids = self.ids;
        Ok(self.with_kpis(Event::WorkNoted { ids, figures }))
    }

    /// Reports are noted on hold too, since they only follow from a recorded evaluation. A placement that ended
    /// without KPIs was terminated: it gets none any more.
    fn notes(&self) -> Result<bool, Refused> {
        match self.phase {
            Phase::None => Err(Refused::NotActive(self.phase)),
            Phase::Open | Phase::Frozen => Ok(true),
            Phase::Closed => Ok(false),
        }
    }

    /// `event`, and the KPIs where it is the last of the three that they are made from.
    fn with_kpis(&self, event: Event) -> Vec<Event> {
        let mut after = self.clone();
        after.apply(&event);
        let kpis = after.kpis_now();
        std::iter::once(event).chain(kpis).collect()
    }

    fn kpis_now(&self) -> Option<Event> {
        let (ratings, attendance, work) = (self.ratings?, self.attendance?, self.work?);
        Some(Event::KpisFinalised {
            ids: self.ids,
            figures: Figures {
                attendance_rate: attendance.attendance_rate,
                on_time_rate: share(work.tasks_on_time, work.tasks_submitted),
                completion_rate: share(work.tasks_submitted, work.tasks_assigned),
                mean_score: work.mean_score,
                mean_rating: ratings.mean(),
            },
            mandatory_assigned: work.mandatory_assigned,
            mandatory_submitted: work.mandatory_submitted,
            ratings,
        })
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
            Phase::Open | Phase::Frozen => Ok(vec![Event::EvaluationClosed { ids: self.ids }]),
            Phase::Closed => Ok(Vec::new()),
        }
    }
}

/// `part` of `whole`; 1 where there was nothing, since nothing was missed.
fn share(part: u32, whole: u32) -> f64 {
    if whole == 0 {
        return 1.0;
    }
    f64::from(part) / f64::from(whole)
}
