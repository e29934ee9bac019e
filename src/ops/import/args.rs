//! What `annals import` is told.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::ops::client::Target;

/// Sends a file of commands, one JSON line each, and reports what became of them.
///
/// Lines of one key are sent strictly in order, lines of different keys side by side. A refused command is counted, not
/// fatal. The import can be interrupted and repeated at will: it resumes, and every command has a request id.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The commands, one JSON line each; a name that ends in .gz is read through gzip
    pub file: PathBuf,
    /// The server, and the token of an import role.
    #[command(flatten)]
    pub server: Target,
    /// Commands under way at once
    #[arg(long, allow_hyphen_values = true, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// A file that holds the access token
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub token_file: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Where the import remembers how far it came [default: FILE.progress]
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Forget how far an earlier import came
    #[arg(long)]
    pub from_start: bool,
    /// Seconds that one command is tried again while the server is away or overloaded
    #[arg(
        long,
        value_name = "SECONDS",
        allow_hyphen_values = true,
        default_value_t = 120
    )]
    pub give_up_after: u64,
}

impl ImportArgs {
    /// Everything as it is by default, for `file` and `target`.
    #[must_use]
    pub fn new(file: &Path, target: &str) -> Self {
        Self {
            file: file.to_owned(),
            server: Target {
                target: target.to_owned(),
                token: None,
                ca: None,
            },
            concurrency: 64,
            token_file: None,
            json: false,
            state: None,
            from_start: false,
            give_up_after: 120,
        }
    }

    /// The state file.
    pub(super) fn state_path(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| {
            let mut name = self.file.clone().into_os_string();
            name.push(".progress");
            name.into()
        })
    }
}
