//! Whose facts they are: the three ids that every event about a placement carries.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A placement, its student and its internship. The JSON names are stored in events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PlacementIds {
    /// The placement.
    pub placement_id: Uuid,
    /// Who holds it.
    pub student_id: Uuid,
    /// What was applied for.
    pub internship_id: Uuid,
}

impl PlacementIds {
    /// Their names in stored events.
    pub const FIELDS: &[&str] = &["placement_id", "student_id", "internship_id"];
}
