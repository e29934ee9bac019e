//! Which events each service writes, and how its streams become states: what read models are checked against, and
//! what auditors look back with.

use std::sync::Arc;

use serde::Serialize;

use super::AssemblyError;
use super::logs::Logs;
use crate::applications::{Application, Candidacy};
use crate::attendance::Register;
use crate::audit::{self, Viewers, aggregate_view};
use crate::certificates::Certification;
use crate::evaluations::Evaluation;
use crate::kernel::{Aggregate as _, Stored};
use crate::placements::Placement;
use crate::projection::Catalogue;
use crate::tasks::Worklist;

/// Every event type of every service.
#[must_use]
pub fn catalogue() -> Catalogue {
    Catalogue::default()
        .with("applications", Application::SHAPES)
        .with("applications", Candidacy::SHAPES)
        .with("placements", Placement::SHAPES)
        .with("attendance", Register::SHAPES)
        .with("tasks", Worklist::SHAPES)
        .with("evaluations", Evaluation::SHAPES)
        .with("certificates", Certification::SHAPES)
        .with("audit", audit::SHAPES)
}

/// The categories of the streams of `service`; none for what is no service.
pub(super) fn categories(service: &str) -> &'static [&'static str] {
    match service {
        "applications" => &[Application::CATEGORY, Candidacy::CATEGORY],
        "placements" => &[Placement::CATEGORY],
        "attendance" => &[Register::CATEGORY],
        "tasks" => &[Worklist::CATEGORY],
        "evaluations" => &[Evaluation::CATEGORY],
        "certificates" => &[Certification::CATEGORY],
        "audit" => &[audit::CATEGORY],
        _ => &[],
    }
}

/// Every kind of stream, with its log.
pub(super) fn viewers(logs: &Logs) -> Result<Viewers, AssemblyError> {
    let viewers = Viewers::default();
    let viewers = viewer::<Application>(viewers, logs, "applications")?;
    let viewers = viewer::<Candidacy>(viewers, logs, "applications")?;
    let viewers = viewer::<Placement>(viewers, logs, "placements")?;
    let viewers = viewer::<Register>(viewers, logs, "attendance")?;
    let viewers = viewer::<Worklist>(viewers, logs, "tasks")?;
    let viewers = viewer::<Evaluation>(viewers, logs, "evaluations")?;
    viewer::<Certification>(viewers, logs, "certificates")
}

fn viewer<A: Stored + Serialize>(
    viewers: Viewers,
    logs: &Logs,
    service: &'static str,
) -> Result<Viewers, AssemblyError> {
    let log = logs.get(service).ok_or(AssemblyError::NoLog(service))?;
    Ok(viewers.with(A::CATEGORY, Arc::clone(log), aggregate_view::<A>()))
}
