//! One way for every command: read, evolve, decide, append.
//!
//! Does: keep hot aggregates ([`hot`]), bring them up to date, decide, append with the expected revision, decide again on a
//! conflict, remember request ids. Does not: authenticate, parse, speak gRPC.
//!
//! Two rules keep memory from ever being mistaken for truth: what is written is checked by the log against the
//! expected revision, and what is refused is refused only after the stream's new events were read.

mod consider;
mod error;
mod handler;
mod hot;
mod hydrated;
mod order;
mod record;
#[cfg(test)]
mod tests;

pub use error::CommandError;
pub use handler::Handler;
pub use order::{Cause, Committed, Order, Ownership, RequestDigest, Written};
