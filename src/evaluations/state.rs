//! The state of an evaluation.

use serde::Serialize;
use uuid::Uuid;

use super::events::{AttendanceFigures, Event, WorkFigures};
use crate::kernel::{Date, Figures, PlacementIds, Ratings, day};

/// Where an evaluation stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// No placement started it.
    #[default]
    None,
    /// It can be recorded.
    Open,
    /// The placement is on hold.
    Frozen,
    /// The placement ended.
    Closed,
}

/// The evaluation of one placement.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Evaluation {
    /// Where it stands.
    pub(super) phase: Phase,
    /// Whose it is.
    #[serde(flatten)]
    pub(super) ids: PlacementIds,
    /// Who evaluates.
    pub(super) employer_id: Uuid,
    /// The placement's first day.
    #[serde(serialize_with = "day::serialize_optional")]
    pub(super) start_date: Option<Date>,
    /// Days from the first day after which it can be evaluated.
    pub(super) minimum_days: u32,
    /// What the employer said.
    pub(super) ratings: Option<Ratings>,
    /// What the register reported.
    pub(super) attendance: Option<AttendanceFigures>,
    /// What the worklist reported.
    pub(super) work: Option<WorkFigures>,
    /// The final KPIs.
    pub(super) kpis: Option<Figures>,
}

impl Evaluation {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::EvaluationOpened {
                ids,
                employer_id,
                start_date,
                minimum_days,
            } => {
                self.phase = Phase::Open;
                self.ids = *ids;
                self.employer_id = *employer_id;
                self.start_date = Some(*start_date);
                self.minimum_days = *minimum_days;
            }
            Event::EvaluationRecorded { ratings, .. } => self.ratings = Some(*ratings),
            Event::AttendanceNoted { figures, .. } => self.attendance = Some(*figures),
            Event::WorkNoted { figures, .. } => self.work = Some(*figures),
            Event::KpisFinalised { figures, .. } => self.kpis = Some(*figures),
            Event::EvaluationFrozen { .. } => self.phase = Phase::Frozen,
            Event::EvaluationReopened { .. } => self.phase = Phase::Open,
            Event::EvaluationClosed { .. } => self.phase = Phase::Closed,
        }
    }
}
