//! The employer's evaluation of a placement, and its final KPIs.
//!
//! ```text
//! (none) -OpenEvaluation-> open -FreezeEvaluation-> frozen -ReopenEvaluation-> open
//!                          open | frozen -CloseEvaluation-> closed
//!
//! evaluation recorded + attendance noted + work noted  =>  KPIs finalised, once
//! ```
//!
//! Does: take one complete and final evaluation after the minimum duration, note the figures that the register and the
//! worklist report, and finalise the KPIs in the decision that completes the three. Does not: recompute them, or know
//! whether they are good enough.

mod decide;
mod events;
mod refused;
mod rpc;
mod state;
#[cfg(test)]
mod tests;
mod wire;

pub use decide::Command;
pub use events::{AttendanceFigures, Event, WorkFigures};
pub use refused::Refused;
pub use rpc::Evaluations;
pub use state::{Evaluation, Phase};
