//! The log in an `EventStoreDB`, over real connections: to our own server of the protocol, and to any other that the
//! variable `ANNALS_TEST_ESDB` names.

mod contract;
mod copy;
mod deploy;
mod faults;
mod given_up;
mod rude;
mod sandbox;
mod serve;
mod slow;
mod takeover;
mod tls;

use std::sync::Arc;

use annals::log::EventLog;
use annals::log::eventstoredb::{Cluster, EsdbLog, Options};
use annals::log::wire;
use tokio::sync::oneshot;

/// A log served on a port of its own, until it is dropped.
pub struct Served {
    pub address: std::net::SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Served {
    pub async fn start(log: Arc<dyn EventLog>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let stopped = async { stopped.await.unwrap_or(()) };
            wire::serve(log, listener, wire::Options::default(), stopped)
                .await
                .unwrap();
        });
        Self {
            address,
            _stop: stop,
        }
    }

    pub fn url(&self) -> String {
        format!("esdb://{}?tls=false", self.address)
    }
}

/// A log at `url`.
pub async fn connect(url: &str, options: Options) -> EsdbLog {
    EsdbLog::new(Cluster::connect(url).await.unwrap(), options)
}
