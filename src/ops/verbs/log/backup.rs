//! `annals log backup LOG TO`: a copy of the log's file at one moment, also while the log is served, verified when it is done.
//! Restoring is putting it in the log's place while nothing serves it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::place::existing;
use super::progress::Progress;
use crate::kernel::Position;
use crate::log::sqlite::{backup, verify};
use crate::ops::cli::Failure;
use crate::ops::verbs::print;

/// Arguments of `annals log backup`.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The log's directory, or the log.db in it
    log: PathBuf,
    /// A directory that holds no log
    to: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Backs up, verifies, and prints how far the backup goes.
pub(super) fn run(args: &BackupArgs) -> Result<(), Failure> {
    let from = existing(&args.log)?;
    let progress = Progress::positions("pages copied");
    let head = backup(&from, &args.to, |done, all| {
        progress.at(Position(done), Position(all));
    })?;
    drop(progress);
    let progress = Progress::positions("verified");
    let found = verify(&args.to, |at, last| progress.at(at, last))?;
    drop(progress);
    let to = args.to.display();
    if found.damaged > 0 {
        return Err(Failure(format!(
            "{to} is damaged in {} places, as its source may be: `annals log verify` names them",
            found.damaged
        )));
    }
    Ok(print(&if args.json {
        format!(
            "{:#}\n",
            json!({"to": to.to_string(), "position": head.0, "events": found.whole})
        )
    } else {
        format!(
            "{} -> {to}: {} events up to position {head}, verified\n",
            from.display(),
            found.whole
        )
    })?)
}
