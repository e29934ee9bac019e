//! `annals log dump`: every event as a line of JSON. Reads on connections that cannot write, also while the log is served: what is
//! there when it begins is what it writes.

use std::io::{self, BufWriter};

use clap::Args;

use super::during;
use super::place::Place;
use super::progress::Progress;
use crate::log::sqlite::{ToolError, dump};
use crate::ops::cli::Failure;

/// Arguments of `annals log dump`. To a file goes `annals log copy LOG FILE.ndjson`.
#[derive(Debug, Args)]
pub(super) struct DumpArgs {
    #[command(flatten)]
    place: Place,
}

/// Writes the lines to standard output.
pub(super) fn run(args: &DumpArgs, data: Option<&str>) -> Result<(), Failure> {
    let directory = args.place.directory(data)?;
    let progress = Progress::positions("dumped");
    let mut out = BufWriter::new(io::stdout().lock());
    match dump(&directory, &mut out, |at, last| progress.at(at, last)) {
        // A reader that has seen enough is no error.
        Err(ToolError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        // The log's own errors are none of these.
        Err(ToolError::Io(error)) => Err(Failure(format!("standard output: {error}"))),
        dumped => dumped
            .map(drop)
            .map_err(|error| during(&directory.display().to_string(), error)),
    }
}
