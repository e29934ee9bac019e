//! The socket: connections, HTTP versions, deadlines, going down.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::body::Body;
use tower::ServiceExt as _;

use super::accept::accept;
use super::body::{self, Whole};
use super::front::{Front, Gate, Served};
use super::node::{Node, Options};
use super::prompt::{FIRST_WORDS, Prompt};
use super::together::Together;
use super::{features, operations, pages, persistent, replies, streams, users};
use crate::log::EventLog;
use crate::log::memory::MemoryLog;

/// Keep-alive of the official server: a ping every ten seconds, ten to answer it.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Bytes in flight of one call: a read of small events is not held up by the round trip.
const CALL_WINDOW_BYTES: u32 = 1024 * 1024;

/// Bytes in flight of one connection: eight calls' worth.
const CONNECTION_WINDOW_BYTES: u32 = 8 * CALL_WINDOW_BYTES;

/// How long calls under way may take to end when the server goes down.
const DRAIN: Duration = Duration::from_secs(5);

/// The official server's timers know no shorter one: a call without any time is answered if that takes none.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(5);

/// Why a log could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener has no address.
    #[error("listener: {0}")]
    Listener(#[from] std::io::Error),
}

/// Serves `log` on `listener` until `shutdown` is done; then subscriptions end with UNAVAILABLE, and other calls
/// have some seconds to end by themselves.
///
/// # Errors
/// The listener is broken.
pub async fn serve(
    log: Arc<dyn EventLog>,
    listener: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (close, closing) = watch::channel(false);
    let served = served(log, options, &listener, closing)?;
    run(Front::One(served), listener, close, shutdown).await;
    Ok(())
}

/// Serves `logs` by name, read-only, to those whom `gate` admits: the user of a connection names the log.
///
/// # Errors
/// The listener is broken.
pub async fn serve_several(
    logs: BTreeMap<String, Arc<dyn EventLog>>,
    gate: Arc<dyn Gate>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (close, closing) = watch::channel(false);
    let options = Options {
        read_only: true,
        ..Options::default()
    };
    let of = |log| served(log, options.clone(), &listener, closing.clone());
    let front = Front::Several {
        any: of(Arc::new(MemoryLog::new()))?,
        logs: logs
            .into_iter()
            .map(|(name, log)| Ok((name, of(log)?)))
            .collect::<Result<_, ServeError>>()?,
        gate,
    };
    run(front, listener, close, shutdown).await;
    Ok(())
}

fn served(
    log: Arc<dyn EventLog>,
    options: Options,
    listener: &TcpListener,
    closing: watch::Receiver<bool>,
) -> Result<Served, ServeError> {
    let node = Arc::new(Node::new(log, options, listener.local_addr()?, closing));
    let routes = features::add(streams::routes(&node), &node);
    let routes = operations::add(routes, &node);
    let routes = users::add(routes, &node);
    let routes = persistent::add(routes, &node).prepare();
    Ok(Served { node, routes })
}

async fn run(
    front: Front,
    listener: TcpListener,
    close: watch::Sender<bool>,
    shutdown: impl Future<Output = ()>,
) {
    let front = Arc::new(front);
    let connections = GracefulShutdown::new();
    tokio::pin!(shutdown);
    loop {
        let (socket, peer) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener) => accepted,
        };
        begin(&front, &connections, socket, peer);
    }
    close.send_replace(true);
    // Whoever does not end in time is cut off when the runtime goes.
    let _ = tokio::time::timeout(DRAIN, connections.shutdown()).await;
}

fn begin(front: &Arc<Front>, connections: &GracefulShutdown, socket: TcpStream, peer: SocketAddr) {
    let front = Arc::clone(front);
    let service = hyper::service::service_fn(move |request| answer(Arc::clone(&front), request));
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .initial_stream_window_size(CALL_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(None);
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(FIRST_WORDS);
    let connection =
        http.serve_connection(TokioIo::new(Together::new(Prompt::new(socket))), service);
    let watched = connections.watch(connection.into_owned());
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, %peer, "connection ended");
        }
    });
}

/// When a call's `grpc-timeout` runs out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(pub(super) Instant);

async fn answer(
    front: Arc<Front>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Body>, Infallible> {
    if request.method() == http::Method::GET {
        return Ok(pages::page(&front.any().node, request.uri().path()).await);
    }
    let whole = Whole::default();
    let request = request.map(|body| body::Watched::new(body, whole.clone()));
    if !is_grpc(request.headers()) {
        let kind = request.headers().get(http::header::CONTENT_TYPE).cloned();
        drop(request);
        whole.said().await;
        return Ok(pages::not_grpc(kind.as_ref()));
    }
    let chosen = front.choose(request.uri().path(), request.headers()).await;
    let routes = match chosen {
        Ok(served) => served.routes.clone(),
        Err(status) => {
            drop(request);
            whole.said().await;
            return Ok(status.into_http());
        }
    };
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(whole.clone());
    let timeout = request
        .headers_mut()
        .remove("grpc-timeout")
        .and_then(|value| parse_timeout(value.to_str().ok()?))
        .map(|timeout| timeout.max(SHORTEST_TIMEOUT));
    if let Some(deadline) = timeout.and_then(|timeout| Instant::now().checked_add(timeout)) {
        request.extensions_mut().insert(Deadline(deadline));
    }
    let mut response = routes.oneshot(request).await?;
    if say_unimplemented(response.headers_mut()) {
        whole.said().await;
    }
    Ok(replies::embody(response))
}

/// The library answers a method or service that it does not know with the bare code. Says whether this is such an answer.
fn say_unimplemented(headers: &mut http::HeaderMap) -> bool {
    let unimplemented = i32::from(tonic::Code::Unimplemented).to_string();
    let bare = headers
        .get(tonic::Status::GRPC_STATUS)
        .is_some_and(|code| code.as_bytes() == unimplemented.as_bytes())
        && !headers.contains_key(tonic::Status::GRPC_MESSAGE);
    if bare {
        let text = http::HeaderValue::from_static("Method is unimplemented.");
        headers.insert(tonic::Status::GRPC_MESSAGE, text);
    }
    bare
}

fn is_grpc(headers: &http::HeaderMap) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// `grpc-timeout`: at most eight digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(count.saturating_mul(3600))),
        'M' => Some(Duration::from_secs(count.saturating_mul(60))),
        'S' => Some(Duration::from_secs(count)),
        'm' => Some(Duration::from_millis(count)),
        'u' => Some(Duration::from_micros(count)),
        'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_in_every_unit() {
        assert_eq!(parse_timeout("3S"), Some(Duration::from_secs(3)));
        assert_eq!(parse_timeout("2M"), Some(Duration::from_mins(2)));
        assert_eq!(parse_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse_timeout("7x"), None);
        assert_eq!(parse_timeout(""), None);
    }
}
