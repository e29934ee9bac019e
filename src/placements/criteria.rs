//! What completion depends on. Pure, so that the decision and the readiness that is shown are the same sums.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Known, MandatoryTasks};
use crate::kernel::{Date, Figures, Kpi, Terms};

/// One condition of completion. The JSON names are stored in events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// `MINIMUM_DAYS`, `ATTENDANCE_RATE`, `MANDATORY_TASKS`, `EVALUATION_RECORDED`, or `KPI_<name>`.
    pub name: Cow<'static, str>,
    /// The figure now.
    pub figure: f64,
    /// The figure asked for.
    pub required: f64,
    /// Whether it holds.
    pub holds: bool,
}

impl Criterion {
    fn at_least(name: impl Into<Cow<'static, str>>, figure: f64, required: f64) -> Self {
        Self {
            name: name.into(),
            figure,
            required,
            holds: figure >= required,
        }
    }
}

/// All that the criteria are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// What the placement is held to.
    pub terms: &'a Terms,
    /// The day on which it is judged.
    pub as_of: Date,
    /// The mandatory tasks so far.
    pub tasks: MandatoryTasks,
    /// Whether the evaluation is recorded.
    pub evaluated: bool,
    /// The figures: final ones, or (for readiness) as they are so far. Without any, what is judged by them is 0 and does
    /// not hold, even where 0 is asked for.
    pub figures: Option<Figures>,
}

/// The criteria as the placement itself knows them: by final figures only.
pub(super) fn criteria_of(known: &Known, as_of: Date) -> Vec<Criterion> {
    criteria(&Progress {
        terms: &known.start.terms,
        as_of,
        tasks: known.tasks,
        evaluated: known.evaluated.is_some(),
        figures: known.evaluated.map(|evaluated| evaluated.figures),
    })
}

/// Every criterion, in a fixed order.
#[must_use]
pub fn criteria(progress: &Progress<'_>) -> Vec<Criterion> {
    let terms = progress.terms;
    let figure = |kpi| progress.figures.map_or(0.0, |figures| figures.of(kpi));
    let known = |criterion: Criterion| Criterion {
        holds: criterion.holds && progress.figures.is_some(),
        ..criterion
    };
    let mut all = vec![
        Criterion::at_least(
            "MINIMUM_DAYS",
            days_between(terms.start_date, progress.as_of),
            f64::from(terms.minimum_days),
        ),
        known(Criterion::at_least(
            "ATTENDANCE_RATE",
            figure(Kpi::AttendanceRate),
            terms.required_attendance_rate,
        )),
        Criterion::at_least(
            "MANDATORY_TASKS",
            task_share(progress.tasks),
            terms.required_task_share,
        ),
        Criterion::at_least(
            "EVALUATION_RECORDED",
            f64::from(u8::from(progress.evaluated)),
            1.0,
        ),
    ];
    for target in terms.kpis.iter().filter(|target| target.mandatory) {
        let name = format!("KPI_{}", target.kpi.as_str());
        all.push(known(Criterion::at_least(
            name,
            figure(target.kpi),
            target.target,
        )));
    }
    all
}

/// Days from the first day to `as_of`; 0 before the first day.
fn days_between(start: Date, as_of: Date) -> f64 {
    let days = (as_of - start).whole_days().max(0);
    // A calendar of 9,999 years has fewer than 4,000,000 days.
    f64::from(u32::try_from(days).unwrap_or(u32::MAX))
}

/// The share of mandatory tasks that were submitted; 1 where there is none.
fn task_share(tasks: MandatoryTasks) -> f64 {
    if tasks.assigned == 0 {
        return 1.0;
    }
    f64::from(tasks.submitted) / f64::from(tasks.assigned)
}
