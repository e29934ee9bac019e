//! What all services of one served log share.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};
use tonic::Status;
use uuid::Uuid;

use super::derived::Derived;
use super::messages::write_between;
use super::scavenges::Scavenger;
use super::{errors, persistent};
use crate::kernel::{Position, derived_id};
use crate::log::EventLog;

/// How a log is served.
#[derive(Clone, Default)]
pub struct Options {
    /// Refuse everything that writes.
    pub read_only: bool,
    /// The address that gossip tells clients to connect to; the listener's own where none is given.
    pub advertise: Option<SocketAddr>,
    /// Gives back space when a client asks for it.
    pub scavenger: Option<Arc<dyn Scavenger>>,
    /// Told when a client asks for the node to be stopped.
    pub stop: Option<Arc<Notify>>,
}

/// One served log.
pub(super) struct Node {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) options: Options,
    /// Where clients reach it.
    pub(super) address: SocketAddr,
    /// Its identity in gossip.
    pub(super) id: Uuid,
    /// The streams that are derived.
    pub(super) derived: Derived,
    /// What was last answered where nothing was written: after which event, and how often.
    nothings: Mutex<(Position, u64)>,
    /// The persistent subscriptions.
    pub(super) groups: persistent::Registry,
    /// True once it is going down.
    pub(super) closing: watch::Receiver<bool>,
}

impl Node {
    pub(super) fn new(
        log: Arc<dyn EventLog>,
        options: Options,
        listening: SocketAddr,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let address = options.advertise.unwrap_or(listening);
        Self {
            log,
            address,
            id: derived_id(&[b"esdb-node", address.to_string().as_bytes()]),
            derived: Derived::default(),
            nothings: Mutex::default(),
            groups: persistent::Registry::default(),
            options,
            closing,
        }
    }

    /// A position for a call that wrote nothing: after the log's last event, and after those of such calls before.
    pub(super) fn position_of_nothing(&self, last: Position) -> u64 {
        let mut nothings = self.nothings.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = match &mut *nothings {
            (after, count) if *after == last => {
                *count = count.saturating_add(1);
                *count
            }
            other => {
                *other = (last, 0);
                0
            }
        };
        write_between(last, nth)
    }

    /// Refuses writes on a log that is served for reading.
    pub(super) fn check_writable(&self) -> Result<(), Status> {
        if self.options.read_only {
            return Err(errors::access_denied());
        }
        Ok(())
    }

    /// Returns when the node goes down.
    pub(super) async fn closed(&self) {
        let mut closing = self.closing.clone();
        // An error means that the server is gone altogether.
        let _ = closing.wait_for(|closing| *closing).await;
    }
}
