//! `annals log copy FROM TO`: a log to another, to a file of lines, or back. Ids, times, metadata and revisions stay, and positions
//! where both ends are ours. A copy that was broken off goes on; one that is complete is compared again.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use super::during;
use super::endpoint::Endpoint;
use super::place::{existing, existing_or_new};
use super::progress::Progress;
use super::scavenge::taken;
use crate::log::EventLog;
use crate::log::eventstoredb::{Cluster, EsdbLog};
use crate::log::sqlite::{
    Copied, Numbering, Options, SqliteLog, ToolError, check_dump, dump, load,
};
use crate::ops::cli::Failure;
use crate::ops::serve::{SERVICES, part_of};

/// Arguments of `annals log copy`.
#[derive(Debug, Args)]
pub(super) struct CopyArgs {
    /// A log's directory, esdb://... for a server, a file of lines that ends in .ndjson, or - for standard input
    from: Endpoint,
    /// Likewise, - being standard output
    to: Endpoint,
    /// On a server that services share: the one whose streams are meant
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(SERVICES))]
    service: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl CopyArgs {
    /// Which of the two ends it was is for the reader to see, where the error does not name a file.
    fn failed(&self, error: ToolError) -> Failure {
        during(&format!("{} -> {}", self.from, self.to), error)
    }
}

/// Copies, compares, and prints what both ends have.
pub(super) async fn run(args: &CopyArgs) -> Result<(), Failure> {
    use Endpoint::{Dump, Log, Pipe, Server, Unknown};
    if args.from.is_same(&args.to) {
        let line = format!("{}: source and target are the same", args.from);
        return Err(Failure(line));
    }
    if let Log(to) = &args.to {
        existing_or_new(to)?;
    }
    let copied = match (&args.from, &args.to) {
        (Log(from), Log(to)) => between_logs(&existing(from)?, to, args).await?,
        (Log(from), Dump(to)) => to_file(&existing(from)?, to, args)?,
        (Log(from), Pipe) => {
            let dumped = to_pipe(&existing(from)?);
            let Some(copied) = dumped.map_err(|error| args.failed(error))? else {
                return Ok(());
            };
            copied
        }
        (Log(from), Server(to)) => {
            let source = SqliteLog::beside(&existing(from)?)?;
            to_server(&source, to, args).await?
        }
        (Server(from), Log(to)) => from_server(from, to, args).await?,
        (Server(from), Server(to)) => to_server(&server(from, args).await?, to, args).await?,
        (Dump(from), Log(to)) => {
            let file = File::open(from).map_err(|error| named(from, &error))?;
            from_lines(&mut BufReader::new(file), to, args).await?
        }
        (Pipe, Log(to)) => from_lines(&mut BufReader::new(io::stdin()), to, args).await?,
        (Dump(_) | Pipe, Dump(_) | Pipe) => {
            let line = "one end must be a log: files of lines are copied by cp";
            return Err(Failure(line.to_owned()));
        }
        (Server(_), Dump(_) | Pipe) | (Dump(_) | Pipe, Server(_)) => {
            let line = "lines and a server are copied by way of a log's directory";
            return Err(Failure(line.to_owned()));
        }
        (Unknown(address), _) | (_, Unknown(address)) => {
            return Err(Failure(format!("{address}: no engine has this scheme")));
        }
    };
    report(args, copied)
}

async fn between_logs(from: &Path, to: &Path, args: &CopyArgs) -> Result<Copied, Failure> {
    let source = SqliteLog::beside(from)?;
    let last = source.head().await?;
    let target = SqliteLog::open(to, Options::default()).map_err(taken)?;
    let progress = Progress::positions("copied");
    let copied = target
        .copy_from(&source, Numbering::Keep, |done| {
            progress.at(done.examined, last);
        })
        .await;
    target.close().await;
    copied.map_err(|error| args.failed(error))
}

/// The part of a server that is meant.
async fn server(url: &str, args: &CopyArgs) -> Result<EsdbLog, Failure> {
    let part = args.service.as_deref().map(part_of).unwrap_or_default();
    let cluster = Cluster::connect(url).await?;
    Ok(EsdbLog::new(cluster, part.with_metadata()))
}

async fn to_server(from: &dyn EventLog, to: &str, args: &CopyArgs) -> Result<Copied, Failure> {
    let last = from.head().await?;
    let target = server(to, args).await?;
    let progress = Progress::positions("copied");
    let copied = target.copy_from(from, |done| progress.at(done.examined, last));
    copied.await.map_err(|error| args.failed(error))
}

async fn from_server(from: &str, to: &Path, args: &CopyArgs) -> Result<Copied, Failure> {
    let source = server(from, args).await?;
    let last = source.head().await?;
    let target = SqliteLog::open(to, Options::default()).map_err(taken)?;
    let progress = Progress::positions("copied");
    let copied = target
        .copy_from(&source, Numbering::Renumber, |done| {
            progress.at(done.examined, last);
        })
        .await;
    target.close().await;
    copied.map_err(|error| args.failed(error))
}

async fn from_lines(
    lines: &mut (dyn BufRead + Send),
    to: &Path,
    args: &CopyArgs,
) -> Result<Copied, Failure> {
    let target = SqliteLog::open(to, Options::default()).map_err(taken)?;
    let progress = Progress::count("copied");
    let copied = load(&target, lines, |done| progress.done(done.events)).await;
    target.close().await;
    copied.map_err(|error| args.failed(error))
}

/// By way of a file beside it: one that has the name is whole.
fn to_file(from: &Path, to: &Path, args: &CopyArgs) -> Result<Copied, Failure> {
    let part = PathBuf::from(format!("{}.part", to.display()));
    let file = alone(&part)?;
    let progress = Progress::positions("dumped");
    let mut out = BufWriter::new(file);
    dump(from, &mut out, |at, last| progress.at(at, last)).map_err(|error| args.failed(error))?;
    let file = out
        .into_inner()
        .map_err(|error| named(&part, error.error()))?;
    file.sync_all().map_err(|error| named(&part, &error))?;
    drop(progress);
    let progress = Progress::positions("compared");
    let written = File::open(&part).map_err(|error| named(&part, &error))?;
    let copied = check_dump(from, &mut BufReader::new(written), |at, last| {
        progress.at(at, last);
    })
    .map_err(|error| args.failed(error))?;
    std::fs::rename(&part, to).map_err(|error| named(to, &error))?;
    Ok(copied)
}

/// The file at `path`, empty, and nobody else's: two copies would write over each other.
fn alone(path: &Path) -> Result<File, Failure> {
    let failed = |error: io::Error| named(path, &error);
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(false).open(path);
    let file = file.map_err(failed)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Failure(format!(
            "{}: another copy is being written there",
            path.display()
        )),
        TryLockError::Error(error) => failed(error),
    })?;
    file.set_len(0).map_err(failed)?;
    Ok(file)
}

/// None where the reader has seen enough, which is no error.
fn to_pipe(from: &Path) -> Result<Option<Copied>, ToolError> {
    let progress = Progress::positions("dumped");
    let mut out = BufWriter::new(io::stdout().lock());
    match dump(from, &mut out, |at, last| progress.at(at, last)) {
        Err(ToolError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        dumped => dumped.map(Some),
    }
}

/// On standard error where standard output has the lines.
fn report(args: &CopyArgs, copied: Copied) -> Result<(), Failure> {
    let text = if args.json {
        let value = json!({
            "from": args.from.to_string(),
            "to": args.to.to_string(),
            "events": copied.events,
            "position": copied.examined.0,
        });
        format!("{value:#}\n")
    } else {
        let (from, to) = (&args.from, &args.to);
        format!(
            "{from} -> {to}: {} events up to position {}, compared and equal\n",
            copied.events, copied.examined
        )
    };
    if args.to == Endpoint::Pipe {
        eprint!("{}", text.replace(", compared and equal", ""));
        return Ok(());
    }
    Ok(crate::ops::verbs::print(&text)?)
}

fn named(path: &Path, error: &io::Error) -> Failure {
    Failure(format!("{}: {error}", path.display()))
}
