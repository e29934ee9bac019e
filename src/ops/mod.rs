//! Running Annals: the command line, configuration, the server put together. Knows everything; nothing knows it.

pub mod clock;
pub mod config;
pub mod telemetry;
