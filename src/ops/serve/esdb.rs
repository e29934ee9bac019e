//! The services' logs for auditors' tools, over `EventStoreDB`'s protocol: read-only, on an address of their own.
//!
//! The user of a connection names the service, its password is the auditor's token:
//! `esdb://placements:<token>@127.0.0.1:2113?tls=false`. Each reading is recorded as readings through the audit service are.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Status;

use super::logs::Logs;
use crate::audit::Access;
use crate::grpc::auth::Tokens;
use crate::grpc::{Caller, authorise};
use crate::log::EventLog;
use crate::log::wire::{self, Gate};

/// Who may read the history through the audit service may read it here.
const POLICY: &str = "audit.ListEvents";

/// Methods by which events are read.
const READINGS: [&str; 2] = [
    "/event_store.client.streams.Streams/Read",
    "/event_store.client.persistent_subscriptions.PersistentSubscriptions/Read",
];

/// Why the logs are not served.
#[derive(Debug, thiserror::Error)]
pub enum EsdbError {
    /// Tokens would be read on the way.
    #[error(
        "server.esdb_listen = {0} is not a loopback address, and tokens would be read on the way: listen on 127.0.0.1 \
         and let auditors come through a tunnel"
    )]
    Open(SocketAddr),
    /// The address is taken, or not ours.
    #[error("cannot listen on server.esdb_listen = {address}: {cause}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
}

/// The running listener.
pub(super) struct Esdb {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Esdb {
    /// Starts on `address`; returns when connections are accepted.
    pub(super) async fn start(
        address: SocketAddr,
        logs: &Logs,
        tokens: Arc<Tokens>,
        access: Access,
    ) -> Result<Self, EsdbError> {
        if !address.ip().is_loopback() {
            return Err(EsdbError::Open(address));
        }
        let listen = |cause| EsdbError::Listen { address, cause };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let logs: BTreeMap<String, Arc<dyn EventLog>> = logs
            .iter()
            .map(|(name, log)| ((*name).to_owned(), Arc::clone(log)))
            .collect();
        let gate = Arc::new(Auditors { tokens, access });
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            // A sender that is gone means that the server value is: then stopping is right, too.
            let stopped = async { stopped.await.unwrap_or_default() };
            if let Err(error) = wire::serve_several(logs, gate, listener, stopped).await {
                tracing::error!(%error, "the logs are no longer served to EventStoreDB tools");
            }
        });
        Ok(Self {
            address,
            stop,
            serving,
        })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Ends subscriptions, and returns when nobody reads any more.
    pub(super) async fn stop(self) {
        // No receiver left means that serving has ended already.
        let _ = self.stop.send(());
        let _ = self.serving.await;
    }
}

struct Auditors {
    tokens: Arc<Tokens>,
    access: Access,
}

#[tonic::async_trait]
impl Gate for Auditors {
    async fn admit(&self, log: &str, password: &str, method: &str) -> Result<(), Status> {
        let actor = self.tokens.actor(password);
        let actor = actor.map_err(|rejection| Status::unauthenticated(rejection.to_string()))?;
        let caller = Caller { actor };
        authorise(POLICY, caller).map_err(|_| wire::access_denied())?;
        if READINGS.contains(&method) {
            let recorded = self.access.record_protocol(caller, log).await;
            recorded.map_err(|error| {
                tracing::error!(%error, "a reading could not be recorded, so it was refused");
                Status::unavailable("Server Is Not Ready")
            })?;
        }
        Ok(())
    }
}
