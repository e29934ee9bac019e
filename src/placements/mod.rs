//! Placements: the life of one internship of one student.
//!
//! ```text
//! active <─> on hold            (employer or admin, with a reason)
//!    │ └───────┴─> terminated   (employer or admin, with a reason)
//!    └─> completed              (when all criteria hold; nobody can force it)
//! ```
//!
//! Does: hold the terms, take note of the final figures, complete the placement in the same decision in which the
//! last criterion comes to hold. Does not: count days or tasks; it is told.

mod criteria;
mod decide;
mod events;
mod refusal;
mod rpc;
mod state;
#[cfg(test)]
mod tests;
mod wire;

pub use criteria::{Criterion, Progress, criteria};
pub use decide::{Command, Start};
pub use events::{Completion, Event, MandatoryTasks};
pub use refusal::Refusal;
pub use rpc::Placements;
pub use state::{Evaluated, Known, Placement, Status};
