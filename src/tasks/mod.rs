//! The worklist of a placement: tasks, submissions, reviews.
//!
//! ```text
//! (none) -OpenWorklist-> open -FreezeWorklist-> frozen -ReopenWorklist-> open
//!                        open | frozen -CloseWorklist-> closed
//!
//! task:        assigned -SubmitWork-> submitted (each further submission is a revision)
//! submission:  submitted -ReviewSubmission-> reviewed (accepted, or needs revision)
//! ```
//!
//! Does: keep what was assigned, handed in and reviewed, none of which is ever edited; tell late work; report the
//! figures once, and afterwards every change of the mandatory ones. Does not: keep files, or know whether a placement
//! is complete. Nothing is assigned, handed in or reviewed while the placement is on hold or over.

mod decide;
mod events;
mod refused;
mod rpc;
mod state;
#[cfg(test)]
mod tests;
mod wire;

pub use decide::{Command, NewSubmission, NewTask, Review};
pub use events::{Artifact, ArtifactKind, Event, Verdict, WorkFigures};
pub use refused::Refused;
pub use rpc::Tasks;
pub use state::{Phase, Score, Submission, Task, Worklist};
