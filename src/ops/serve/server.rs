//! The socket: started when all parts stand, stopped before any of them goes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic_health::server::HealthReporter;
use tonic_reflection::server::Builder;

use super::assembly::{Assembly, AssemblyError};
use super::door::{Door, DoorError};
use super::esdb::{Esdb, EsdbError};
use super::health;
use crate::grpc::auth::AuthLayer;
use crate::grpc::limits::{Limits, LimitsLayer};
use crate::log::wire::{Together, accept};
use crate::ops::client::{CallError, Methods};
use crate::ops::config::Config;
use crate::proto::DESCRIPTORS;

/// A client that says nothing for so long is asked whether it is still there...
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
/// ...and has so long to answer before its connection is closed.
const KEEPALIVE_WAIT: Duration = Duration::from_secs(20);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The door stays shut.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The parts do not fit together.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    /// The logs are not served to `EventStoreDB` tools.
    #[error(transparent)]
    Esdb(#[from] EsdbError),
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {cause}; choose another with --listen")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The reflection service cannot read the descriptors.
    #[error("descriptors cannot be served: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// Likewise.
    #[error(transparent)]
    Descriptors(CallError),
    /// Certificates that do not fit, or a socket that failed.
    #[error("{}", deepest(.0))]
    Transport(#[from] tonic::transport::Error),
    /// The serving task ended in a panic, which was logged.
    #[error("the server ended abnormally")]
    Aborted,
}

/// The library's own text is only "transport error"; what happened is at the bottom.
fn deepest(error: &tonic::transport::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
    reporting: JoinHandle<()>,
    reporter: HealthReporter,
    assembly: Assembly,
    esdb: Option<Esdb>,
    drain: Duration,
    _door: Door,
}

impl Server {
    /// Starts on `config`; returns when connections are accepted.
    pub async fn start(config: &Config) -> Result<Self, ServeError> {
        let door = Door::hang(config)?;
        let address = config.server.listen;
        let listen = |cause| ServeError::Listen { address, cause };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let assembly = Assembly::open(config).await?;
        let esdb = match config.server.esdb_listen {
            Some(address) => {
                let tokens = door.tokens.clone();
                Some(Esdb::start(address, assembly.logs(), tokens, assembly.access()?).await?)
            }
            None => None,
        };
        let (reporter, health) = tonic_health::server::health_reporter();
        let routes = assembly.routes()?.add_service(health);
        let routes = reflect(routes)?.prepare();

        let mut builder = builder(config)
            .layer(LimitsLayer::new(limits(config)))
            .layer(AuthLayer::new(door.tokens.clone()));
        if let Some(tls) = &door.tls {
            builder = builder.tls_config(tls.clone())?;
        }
        let (stop, mut stopped) = watch::channel(false);
        let serving = builder.add_routes(routes).serve_with_incoming_shutdown(
            incoming(listener),
            async move {
                // An error means that the server value is gone: then stopping is right, too.
                let _ = stopped.wait_for(|stop| *stop).await;
            },
        );
        Ok(Self {
            address,
            stop,
            serving: tokio::spawn(serving),
            reporting: health::report(reporter.clone(), assembly.logs()),
            reporter,
            assembly,
            esdb,
            drain: config.server.drain,
            _door: door,
        })
    }

    /// Where it listens; the port is the real one where 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where the logs are served to `EventStoreDB` tools, if they are.
    #[must_use]
    pub fn esdb_addr(&self) -> Option<SocketAddr> {
        self.esdb.as_ref().map(Esdb::local_addr)
    }

    /// Returns when it ended by itself, which it does only on an error.
    pub async fn ended(&mut self) -> Result<(), ServeError> {
        (&mut self.serving)
            .await
            .map_err(|_| ServeError::Aborted)?
            .map_err(ServeError::from)
    }

    /// Takes no new requests, lets those under way finish for at most the drain timeout, then lets go of everything.
    pub async fn stop(mut self) -> Result<(), ServeError> {
        self.reporting.abort();
        health::stopping(&self.reporter, self.assembly.logs()).await;
        // No receiver left means that serving has ended already.
        let _ = self.stop.send(true);
        let drained = tokio::time::timeout(self.drain, &mut self.serving).await;
        if drained.is_err() {
            tracing::warn!(timeout = ?self.drain, "requests still under way at the drain timeout are cut off");
            self.serving.abort();
        }
        if let Some(esdb) = self.esdb.take() {
            esdb.stop().await;
        }
        self.assembly.close().await;
        match drained {
            Ok(Ok(ended)) => Ok(ended?),
            Ok(Err(_panicked)) => Err(ServeError::Aborted),
            Err(_elapsed) => Ok(()),
        }
    }
}

fn builder(config: &Config) -> tonic::transport::Server {
    // Our own check answers with a reason; HTTP/2's bound only keeps what is far beyond it out of memory.
    let headers = u32::try_from(config.limits.metadata_bytes).unwrap_or(u32::MAX);
    tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_AFTER))
        .http2_keepalive_timeout(Some(KEEPALIVE_WAIT))
        .http2_max_header_list_size(headers.saturating_mul(4).saturating_add(16_384))
        .max_concurrent_streams(config.limits.connection_streams)
}

fn limits(config: &Config) -> Limits {
    Limits {
        metadata_bytes: config.limits.metadata_bytes,
        concurrent_requests: config.limits.concurrent_requests,
        default_deadline: config.limits.default_deadline,
        max_deadline: config.limits.max_deadline,
    }
}

/// The connections that come in. The library's own stream would try again at once after a failure, for ever and in silence.
fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<Together<TcpStream>>> {
    futures::stream::unfold(listener, |listener| async {
        let (socket, _) = accept(&listener).await;
        Some((Ok(Together::new(socket)), listener))
    })
}

/// Adds reflection in both versions that clients speak, with the details that errors carry.
fn reflect(routes: Routes) -> Result<Routes, ServeError> {
    // The protocol of EventStoreDB is described there, too, and is not served here.
    let methods = Methods::load().map_err(ServeError::Descriptors)?;
    let names: Vec<String> = methods
        .services()
        .map(|service| service.full_name().to_owned())
        .filter(|name| !name.starts_with("event_store."))
        .collect();
    let configured = || {
        let builder = Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        let names = names.iter();
        names.fold(builder, Builder::with_service_name)
    };
    Ok(routes
        .add_service(configured().build_v1()?)
        .add_service(configured().build_v1alpha()?))
}
