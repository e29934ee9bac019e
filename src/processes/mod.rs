//! Processes (sagas): events of one service become commands of another.
//!
//! ```text
//!   log of a service ──subscribe──> batch ──by stream, in order──> handle ──> commands
//!                                                                     │
//!                       position committed after the commands <───────┘ or parked, with the stream's later events
//! ```
//!
//! At least once, with request ids that follow from the event: once in effect. A crash anywhere repeats the batch.
//! Does not: keep a state of its own beside the position, the timers and what is parked.

mod lane;
mod parked;
mod process;
mod runner;
mod settle;
mod store;
#[cfg(test)]
mod tests;

pub use process::{Process, ProcessError, Source};
pub use runner::{ProcessStatus, Processes};
pub use settle::LONGEST_CHAIN;
pub use store::{ParkedEvent, ProcessStore, StoreError, Timer};
