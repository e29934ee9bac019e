//! Real processes over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::items_after_statements,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    unreachable_pub,
    reason = "a test that cannot go on says so by panicking"
)]

mod acceptance;
mod certificate;
#[cfg(feature = "failpoints")]
mod crash;
#[cfg(feature = "failpoints")]
mod crash_life;
#[cfg(feature = "failpoints")]
mod crash_reads;
mod disk;
mod door;
mod esdb;
mod handles;
mod import_tls;
mod kill;
mod log_scavenge;
mod log_verbs;
mod operations;
mod oulad;
mod policy;
mod restored;
mod rubbish;
#[path = "../support/mod.rs"]
mod support;
mod wire_answers;
mod wire_audit;
mod wire_between;
mod wire_client;
mod wire_consumer;
mod wire_faithful;
mod wire_filters;
mod wire_groups;
mod wire_process;
mod wire_reads;
mod wire_scavenge;
mod wire_streams;
mod world;
