//! `annals log scavenge`: removes what stream metadata hides and tombstones ended. A log that is served belongs to its server.

use clap::Args;
use serde_json::json;

use super::place::Place;
use super::progress::Progress;
use crate::log::EventLog as _;
use crate::log::sqlite::{OpenError, Options, SqliteLog, stat};
use crate::ops::cli::Failure;
use crate::ops::verbs::print;

/// Arguments of `annals log scavenge`.
#[derive(Debug, Args)]
pub(super) struct ScavengeArgs {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Scavenges, and prints what that gave.
pub(super) async fn run(args: &ScavengeArgs, data: Option<&str>) -> Result<(), Failure> {
    let directory = args.place.directory(data)?;
    let before = stat(&directory)?.file_bytes;
    let log = SqliteLog::open(&directory, Options::default()).map_err(taken)?;
    let progress = Progress::count("removed");
    let done = log.scavenge(|done| progress.done(done.events)).await?;
    log.close().await;
    drop(progress);
    let after = stat(&directory)?.file_bytes;
    let freed = before.saturating_sub(after);
    Ok(print(&if args.json {
        let value = json!({"streams": done.streams, "events": done.events, "freed_bytes": freed});
        format!("{value:#}\n")
    } else {
        format!(
            "{} events of {} streams removed, {freed} bytes given back\n",
            done.events, done.streams
        )
    })?)
}

/// What to do where somebody else has the log.
pub(super) fn taken(error: OpenError) -> Failure {
    let locked = matches!(error, OpenError::Locked { .. });
    let mut failure = Failure::from(error);
    if locked {
        failure.0 +=
            ": stop that process first (stat, verify, dump and copying from it work meanwhile)";
    }
    failure
}
