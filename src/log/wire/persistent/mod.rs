//! Persistent subscriptions: groups of consumers whose progress the server keeps.
//!
//! ```text
//!   feed.rs     the group's events in order: what is there, then what comes; links followed
//!      │
//!   group/      one task a group: buffer ──> consumers ──> acknowledged | again | parked
//!      │        checkpoint: everything below the lowest that is not done
//!   registry.rs the groups by name; their settings in $persistentSubscriptionConfig
//!      │
//!   rpc.rs      the calls; what they ask for in requests.rs, a consumer's in consume.rs
//! ```
//!
//! All state lies in ordinary streams of the log, named as the official server names them: a group goes on after a
//! restart where its checkpoint stands. Delivery is at least once.

mod consume;
mod consumers;
mod feed;
mod group;
mod info;
mod parked;
mod registry;
mod requests;
mod rpc;
mod settings;

pub(super) use registry::{Registry, restart};
pub(super) use rpc::{SERVED, add};
