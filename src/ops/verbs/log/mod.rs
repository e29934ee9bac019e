//! `annals log ...`: one log by itself, by its directory. One verb, one file.
//!
//! ```text
//!   stat, verify, dump,
//!   backup                  read beside a server that runs, on connections that cannot write
//!   copy                    reads its source likewise; its target must be nobody else's
//!   scavenge                has the log for itself, or asks the server that has it
//!   serve                   is the server
//! ```

mod backup;
mod copy;
mod dump;
mod endpoint;
mod place;
mod progress;
mod scavenge;
mod serve;
mod stat;
mod verify;

use clap::{Args, Subcommand};

use crate::log::sqlite::ToolError;
use crate::ops::cli::Failure;

/// Arguments of `annals log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    #[command(subcommand)]
    verb: LogVerb,
}

#[derive(Debug, Subcommand)]
enum LogVerb {
    /// Serve the log in --data over EventStoreDB's protocol on --listen
    Serve(serve::ServeArgs),
    /// Show the figures of a log, also while it is served
    Stat(stat::StatArgs),
    /// Read all of a log, also while it is served, and name position and stream of every damage
    Verify(verify::VerifyArgs),
    /// Write every event as a line of JSON, also while the log is served; `copy` reads it back
    Dump(dump::DumpArgs),
    /// Copy a log's file as it is at one moment, also while it is served, and verify the copy
    Backup(backup::BackupArgs),
    /// Remove what stream metadata hides and tombstones ended, and give the space back; a server that has the log does it
    Scavenge(scavenge::ScavengeArgs),
    /// Copy a log, going on where an earlier copy ended, and compare both ends
    Copy(copy::CopyArgs),
}

/// An error of a verb that was at `what`; one that names a file does not need to be told.
fn during(what: &str, error: ToolError) -> Failure {
    match error {
        named @ (ToolError::Open(_) | ToolError::Sqlite { .. }) => named.into(),
        other @ (ToolError::Read(_)
        | ToolError::Append(_)
        | ToolError::Io(_)
        | ToolError::Line { .. }
        | ToolError::Differs { .. }
        | ToolError::NoCopy { .. }
        | ToolError::Elsewhere { .. }) => Failure(format!("{what}: {other}")),
    }
}

/// Does what was asked; `data` is the log's directory where none is named, `listen` is for serving.
pub async fn run(
    args: LogArgs,
    data: Option<String>,
    listen: Option<String>,
) -> Result<(), Failure> {
    match args.verb {
        LogVerb::Serve(args) => serve::run(args, data, listen).await,
        LogVerb::Stat(args) => stat::run(&args, data.as_deref()),
        LogVerb::Verify(args) => verify::run(&args, data.as_deref()),
        LogVerb::Dump(args) => dump::run(&args, data.as_deref()),
        LogVerb::Backup(args) => backup::run(&args),
        LogVerb::Scavenge(args) => scavenge::run(&args, data.as_deref()).await,
        LogVerb::Copy(args) => copy::run(&args).await,
    }
}
