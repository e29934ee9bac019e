//! The generated code of `proto/`, nested by package, and its descriptor set.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated; the protos carry the documentation"
)]

include!(concat!(env!("OUT_DIR"), "/protos.rs"));

/// Every file of `proto/` with its imports, for reflection and for requests given as JSON.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
