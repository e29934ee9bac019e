//! `annals import`: sends a file of commands, one JSON line each, through the gRPC API.
//!
//! Does: keep the lines of one key in order and send those of different keys side by side, wait where a process must
//! act first, try again while the server is away, count what was accepted, repeated and refused, resume. Does not:
//! judge a command, know a room, or hold more of the file than [`window::Window::ROOM_KIB`].
//!
//! A line: `{"key":"11391","service":"tasks","method":"SubmitWork","request":{...}}`; `request` is proto JSON.
//!
//! ```text
//! file -> reader thread -> window (a queue a key) -> workers -> gRPC, a few connections
//!                             |                         |
//!                             safe point -> state file  tally -> report
//! ```

mod args;
mod catalog;
mod error;
mod lines;
mod report;
mod run;
mod sender;
mod state;
mod status;
mod window;

#[cfg(test)]
mod tests;

pub use args::ImportArgs;
pub use error::ImportError;
pub use report::{Malformed, MethodCounts, Report};
pub use run::{import, run};
