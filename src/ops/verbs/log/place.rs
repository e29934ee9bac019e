//! Which log is meant: a directory, or the `log.db` in it.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::log::eventstoredb::{is_esdb, shown};
use crate::ops::cli::Failure;

/// The file that makes a directory a log.
const DATABASE: &str = "log.db";

/// The log that a verb is about.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The log's directory, or the log.db in it; without it --data
    #[arg(value_name = "LOG")]
    log: Option<PathBuf>,
}

impl Place {
    /// The directory of a log that exists.
    pub(super) fn directory(&self, data: Option<&str>) -> Result<PathBuf, Failure> {
        chosen(self.log.as_deref(), data)
    }
}

/// The directory of a log that exists: the one that is named, or else `data`.
pub(super) fn chosen(named: Option<&Path>, data: Option<&str>) -> Result<PathBuf, Failure> {
    let Some(named) = named.or(data.map(Path::new)) else {
        let line = "which log must be said: its directory, such as data/placements";
        return Err(Failure(line.to_owned()));
    };
    existing(named)
}

/// `path` as the directory of a log, whether or not it is one yet.
pub(super) fn directory_of(path: &Path) -> PathBuf {
    match (path.file_name(), path.parent()) {
        (Some(name), Some(parent)) if name == DATABASE => parent.to_owned(),
        _ => path.to_owned(),
    }
}

/// `path` as the directory of a log that exists. The data directory of `annals serve` holds several: they are named.
pub(super) fn existing(path: &Path) -> Result<PathBuf, Failure> {
    if let Some(url) = path.to_str().filter(|text| is_esdb(text)) {
        return Err(Failure(format!(
            "{}: this verb takes a log's directory: copy what the server has into one",
            shown(url)
        )));
    }
    let directory = directory_of(path);
    match directory.join(DATABASE).try_exists() {
        Ok(true) => return Ok(directory),
        Ok(false) => {}
        Err(error) => return Err(Failure(format!("{}: {error}", directory.display()))),
    }
    check_no_data_directory(&directory)?;
    let here = directory.as_os_str().is_empty().then_some(Path::new("."));
    let directory = here.unwrap_or(&directory);
    Err(Failure(format!("no log in {}", directory.display())))
}

/// `path` as the directory of a log, which may be made there. The data directory of `annals serve` is none.
pub(super) fn existing_or_new(path: &Path) -> Result<&Path, Failure> {
    if !path.join(DATABASE).exists() {
        check_no_data_directory(path)?;
    }
    Ok(path)
}

fn check_no_data_directory(directory: &Path) -> Result<(), Failure> {
    let logs = logs_below(directory);
    if logs.is_empty() {
        return Ok(());
    }
    Err(Failure(format!(
        "{} holds several logs, say which: {}",
        directory.display(),
        logs.join(", ")
    )))
}

fn logs_below(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut logs: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| path.join(DATABASE).exists())
        .map(|path| path.display().to_string())
        .collect();
    logs.sort();
    logs
}
