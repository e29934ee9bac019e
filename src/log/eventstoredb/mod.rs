//! The log in an `EventStoreDB` or `KurrentDB`, one node or a cluster, through the official `eventstore` crate.
//!
//! ```text
//!   EsdbLog (a service's) ─┐                  ┌ calls, each in a task of its own, repeated until answered
//!   EsdbLog (a service's) ─┼── Cluster ───────┤
//!   EsdbLog (a service's) ─┘   one connection └ the tail: one subscription, shared by all that have caught up
//! ```
//!
//! Does: the contract of [`log`](super), over a connection that breaks, to servers that die and change their leader.
//! Appends are repeated with the same event ids and the same expectation, which the server knows for what they
//! are; subscriptions go on after the last event they examined. What the crate does where a connection or a server is not as it
//! should be (panics, dead clients, calls that never end) stays in here, and comes out as a typed error.
//!
//! Does not: keep streams of different services in different logs. A log sees what belongs to its [`Options::scope`],
//! and shares positions and their end with everybody else on the server.
//!
//! What is where: a position is the event's commit position, the time of recording is the server's `created` (or the
//! one that a copied event keeps, see [`convert`]), and the digest is computed from what was read.
//!
//! [`Appended::repeated`](super::Appended::repeated) is told of what this process has seen before: a repeat of what
//! another process wrote a moment ago may pass for new.

mod call;
mod circles;
mod cluster;
pub mod convert;
mod copy;
mod engine;
mod everything;
mod feed;
mod filter;
mod handshake;
mod hub;
mod line;
mod provider;
mod read;
mod scavenge;
mod subscribe;
mod trouble;
mod url;
mod write;

pub use call::PATIENCE;
pub use cluster::{Cluster, ConnectError};
pub use engine::{EsdbLog, Options};
pub use handshake::{Answers, answers};
pub use provider::{ProviderError, install_provider};
pub use scavenge::{ScavengeError, ScavengeOutcome};
pub use url::{UrlError, is_esdb, shown};
