//! What completion depends on. Pure, so that the decision and the readiness that is shown are the same sums.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Known;
use crate::kernel::Date;

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

/// Every criterion as of a day, in a fixed order. Figures that only the evaluation settles are 0 before it, and do
/// not hold even where 0 is asked for.
#[must_use]
pub fn criteria(known: &Known, as_of: Date) -> Vec<Criterion> {
    let terms = &known.start.terms;
    let evaluated = known.evaluated.as_ref();
    let settled = |criterion: Criterion| Criterion {
        holds: criterion.holds && evaluated.is_some(),
        ..criterion
    };
    let attendance = evaluated.map_or(0.0, |evaluated| evaluated.figures.attendance_rate);
    let mut all = vec![
        Criterion::at_least(
            "MINIMUM_DAYS",
            days_between(terms.start_date, as_of),
            f64::from(terms.minimum_days),
        ),
        settled(Criterion::at_least(
            "ATTENDANCE_RATE",
            attendance,
            terms.required_attendance_rate,
        )),
        Criterion::at_least(
            "MANDATORY_TASKS",
            task_share(known),
            terms.required_task_share,
        ),
        Criterion::at_least(
            "EVALUATION_RECORDED",
            f64::from(u8::from(evaluated.is_some())),
            1.0,
        ),
    ];
    for target in terms.kpis.iter().filter(|target| target.mandatory) {
        let figure = evaluated.map_or(0.0, |evaluated| evaluated.figures.of(target.kpi));
        let name = format!("KPI_{}", target.kpi.as_str());
        all.push(settled(Criterion::at_least(name, figure, target.target)));
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
fn task_share(known: &Known) -> f64 {
    if known.tasks.assigned == 0 {
        return 1.0;
    }
    f64::from(known.tasks.submitted) / f64::from(known.tasks.assigned)
}
