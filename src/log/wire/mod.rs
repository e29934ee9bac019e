//! `EventStoreDB`'s gRPC protocol, served from a log of ours.
//!
//! ```text
//!   client ── HTTP/2 ──> server.rs ──┬── streams.rs ── append.rs, batch.rs, delete.rs ──> EventLog
//!                        (deadline,  │             └── request.rs ── read.rs, subscribe.rs <── EventLog
//!                         /gossip)   ├── persistent/   groups of consumers, their state in streams of the log
//!                            │       ├── operations.rs scavenges.rs, shutdown; users/
//!                         front.rs   └── features.rs   what is served, gossip, statistics
//!              (which of several logs, who may)
//! ```
//!
//! What reads and subscriptions reply goes from `encode.rs` to the socket as bytes, many events to a chunk (`replies.rs`).
//!
//! Does: Streams, `PersistentSubscriptions`, `ServerFeatures`, Gossip, Operations, Monitoring and Users of one insecure
//! node, and the HTTP pages that clients and tools ask for; several logs behind one address, read-only, for those whom a gate admits. What is not served answers `UNIMPLEMENTED`. Does not:
//! look at credentials otherwise (ACLs are kept, not judged), run projections, or know what the events mean.
//! DIFFERENCES.md has every answer that is not the official server's, with the reason.
//!
//! Positions are the log's times 256, commit and prepare alike. Where the official server hangs, crashes or answers
//! nonsense with an unforeseen failure, this one says that the argument is invalid.
//!
//! `$ce-<category>` and `$et-<type>` are **derived** as they are read, not written: link events of the log would double it,
//! could not be had from a log that is served read-only, and would be missing where nobody had switched a projection on. A
//! stream of that name that somebody did write is served as it is.

mod accept;
mod append;
mod batch;
mod body;
mod decimal;
mod delete;
mod derived;
mod encode;
mod errors;
mod features;
mod filter;
mod front;
mod links;
mod messages;
mod node;
mod operations;
mod pages;
mod persistent;
mod prompt;
mod protobuf;
mod read;
mod replies;
mod request;
mod scavenges;
mod server;
mod streams;
mod subscribe;
mod together;
mod users;

pub(crate) use accept::accept;
pub use errors::access_denied;
pub use front::Gate;
pub use node::Options;
pub use scavenges::Scavenger;
pub use server::{ServeError, serve, serve_several};
pub(crate) use together::Together;
