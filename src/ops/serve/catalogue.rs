//! Which events each service writes: what read models are checked against.

use crate::applications::{Application, Candidacy};
use crate::attendance::Register;
use crate::evaluations::Evaluation;
use crate::kernel::Stored;
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
}
