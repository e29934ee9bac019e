//! Disks that fill up, fail and lie, under real servers. Guards against: an error that names no cause, a service that never
//! comes back, one that goes on after a failed sync, and an acknowledged event that was not kept.
//!
//! `fault.c` is built with the machine's compiler and preloaded; the small disk is a tmpfs, which takes root.

mod disks;
mod log;
mod service;
mod start;

use std::time::Duration;

/// How long it may take until a server that is well again says so.
const HEALS_WITHIN: Duration = Duration::from_secs(20);
