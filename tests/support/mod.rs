//! What tests and benchmarks share: a real server process, callers with tokens, and the way to a running placement.
#![allow(dead_code, reason = "each user takes what it needs")]

pub mod journey;
pub mod log_verbs;
pub mod proxy;
pub mod server;
pub mod tls;
