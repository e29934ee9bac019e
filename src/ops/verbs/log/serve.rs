//! `annals log serve`: one log of any streams, over EventStoreDB's protocol.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::place::existing_or_new;
use crate::log::EventLog;
use crate::log::memory::MemoryLog;
use crate::log::sqlite::{self, SqliteLog};
use crate::log::wire;
use crate::ops::cli::Failure;
use crate::ops::verbs::print;

/// Where clients of EventStoreDB look.
const DEFAULT_LISTEN: &str = "127.0.0.1:2113";

/// Arguments of `annals log serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Keep the log in memory only: --data is not looked at
    #[arg(long)]
    memory: bool,
    /// Refuse everything that writes
    #[arg(long)]
    read_only: bool,
    /// The address that clients are told to connect to, where it is not the one listened on
    #[arg(long, value_name = "IP:PORT")]
    advertise: Option<SocketAddr>,
}

/// Serves the log in `data` on `listen` until told to stop.
pub(super) async fn run(
    args: ServeArgs,
    data: Option<String>,
    listen: Option<String>,
) -> Result<(), Failure> {
    let (log, scavenger) = open(args.memory, data.as_deref())?;
    let address = listen.as_deref().unwrap_or(DEFAULT_LISTEN);
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|cause| {
        Failure(format!(
            "cannot listen on {address}: {cause}; choose another with --listen"
        ))
    })?;
    if let (Some(dir), Some(_), false) = (&data, &scavenger, args.read_only) {
        SqliteLog::announce(Path::new(dir), listener.local_addr()?)?;
    }
    let asked = Arc::new(Notify::new());
    // Whoever reads the line may say that it is enough.
    let told = stop(Arc::clone(&asked))?;
    print(&format!("listening on {}\n", listener.local_addr()?))?;
    let options = wire::Options {
        read_only: args.read_only,
        advertise: args.advertise,
        scavenger,
        stop: Some(asked),
    };
    let served = wire::serve(Arc::clone(&log), listener, options, told).await;
    log.close().await;
    Ok(served?)
}

type Opened = (Arc<dyn EventLog>, Option<Arc<dyn wire::Scavenger>>);

fn open(memory: bool, data: Option<&str>) -> Result<Opened, Failure> {
    if memory {
        return Ok((Arc::new(MemoryLog::new()), None));
    }
    let dir = data.ok_or_else(|| {
        Failure("where the log is must be said: --data DIR, or --memory".to_owned())
    })?;
    let dir = existing_or_new(Path::new(dir))?;
    let log = SqliteLog::open(dir, sqlite::Options::default())?;
    let log = Arc::new(log);
    Ok((Arc::<SqliteLog>::clone(&log), Some(log)))
}

/// Done on SIGINT, on SIGTERM, or when a client `asked` for it.
fn stop(asked: Arc<Notify>) -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = asked.notified() => {}
        }
    })
}
