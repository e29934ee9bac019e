//! The register of a placement: who was there on which day.
//!
//! ```text
//! (none) -OpenRegister-> open -FreezeRegister-> frozen -ReopenRegister-> open
//!                        open | frozen -CloseRegister-> closed
//! ```
//!
//! Does: keep one answer per day (there, or not), record gaps as absences, correct by new events that refer to the
//! corrected ones, and report the attendance rate once. Does not: know whether a placement is complete.
//!
//! A gap is a run of working days (Monday to Friday) that nothing was recorded of, outside the times on hold. It is
//! recorded when a later day is, when the attendance is reported, and when the register closes: up to the day before,
//! since today is not over.

mod decide;
mod events;
mod gaps;
mod refused;
mod rpc;
mod spans;
mod state;
#[cfg(test)]
mod tests;
mod wire;

pub use decide::Command;
pub use events::{AbsenceCause, Event};
pub use refused::Refused;
pub use rpc::Attendance;
pub use state::{Mark, Phase, Register};
