//! Running Annals: the command line, configuration, the server put together. Knows everything; nothing knows it.

pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod import;
pub mod keys;
pub mod operations;
pub mod serve;
pub mod telemetry;
pub mod verbs;
