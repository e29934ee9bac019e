//! The command line: one verb, one file. Results go to standard output; errors are one line on standard error.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rustix::process::Signal;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::config::{Config, ConfigError, Layers};
use super::{import, telemetry, verbs};

/// Threads for work that blocks.
const BLOCKING_THREADS: usize = 32;

/// The system of record of an internship platform.
#[derive(Debug, Parser)]
#[command(
    name = "annals",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Settings come from annals.toml, the environment (ANNALS_<SECTION>_<NAME>) and flags, the later \
                  winning; `annals config show` prints what is in force.\n\nFirst steps:\n  \
                  annals serve\n  \
                  annals token mint --role admin --subject 00000000-0000-4000-8000-000000000001\n  \
                  annals call operations.GetHealthDetails '{}' --token <TOKEN>"
)]
struct Cli {
    #[command(flatten)]
    settings: SettingFlags,
    #[command(subcommand)]
    verb: Verb,
}

/// Flags that every verb takes.
#[derive(Debug, Args)]
struct SettingFlags {
    /// Configuration file; without it annals.toml is read where there is one
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set any setting, as often as needed
    #[arg(long, global = true, value_name = "SECTION.NAME=VALUE")]
    set: Vec<String>,
    /// Directory of the data (data.dir)
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<String>,
    /// Address that clients connect to (server.listen)
    #[arg(long, global = true, value_name = "IP:PORT")]
    listen: Option<String>,
    /// Read models besides the built-in ones (projections.dir)
    #[arg(long, global = true, value_name = "DIR")]
    projections: Option<String>,
}

/// What only `annals serve` takes.
#[derive(Debug, Args)]
struct ServeArgs {
    /// Address where auditors' `EventStoreDB` tools read the logs (`server.esdb_listen`)
    #[arg(long, value_name = "IP:PORT")]
    esdb_listen: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve until SIGINT or SIGTERM, then stop drained
    Serve(ServeArgs),
    /// Send a file of commands, one JSON line each, and report what became of them
    Import(import::ImportArgs),
    /// Call any method of any service with JSON
    Call(verbs::call::CallArgs),
    /// Work with one log by itself
    Log(verbs::log::LogArgs),
    /// List, check and rebuild the read models
    Projections(verbs::projections::ProjectionsArgs),
    /// Show what is set, with units, limits and where it came from
    Config(verbs::config::ConfigArgs),
    /// Mint tokens with the key that Annals made for itself
    Token(verbs::token::TokenArgs),
    /// Print the version
    Version,
}

/// What went wrong, in one line that says what to do.
#[derive(Debug)]
pub struct Failure(pub String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Parses the command line of this process and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    // More than one provider of TLS primitives is linked in; which one is used is said once, here.
    if let Err(error) = crate::log::eventstoredb::install_provider() {
        eprintln!("annals: {error}");
        return ExitCode::FAILURE;
    }
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(line)) => {
            eprintln!("annals: {line}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let mut layers = cli.settings.layers()?;
    match cli.verb {
        Verb::Log(args) => {
            let config = Config::load(&layers)?;
            telemetry::start(&config.level, config.format);
            runtime()?.block_on(verbs::log::run(
                args,
                cli.settings.data,
                cli.settings.listen,
            ))
        }
        Verb::Serve(args) => {
            layers.flag("--esdb-listen", "server.esdb_listen", args.esdb_listen);
            serve(&Config::load(&layers)?)
        }
        Verb::Import(args) => Ok(runtime()?.block_on(import::run(&args))?),
        Verb::Call(args) => runtime()?.block_on(verbs::call::run(&args)),
        Verb::Projections(args) => {
            let config = Config::load(&layers)?;
            runtime()?.block_on(verbs::projections::run(&args, &config))
        }
        Verb::Config(args) => verbs::config::run(&args, &layers),
        Verb::Token(args) => verbs::token::run(&args, &Config::load(&layers)?),
        Verb::Version => verbs::version::run(),
    }
}

fn serve(config: &Config) -> Result<(), Failure> {
    telemetry::start(&config.level, config.format);
    runtime()?.block_on(verbs::serve::run(config))
}

/// One worker a core; blocking work (files, SQLite) on few threads, since it waits for one disk anyway.
fn runtime() -> std::io::Result<Runtime> {
    let runtime = Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()?;
    take_file_size_signal(&runtime)?;
    Ok(runtime)
}

/// Lets a write beyond the limit on the size of files (`setrlimit(2)`) fail with an error that names it. Unless somebody
/// takes the signal that comes with it, it ends the process.
fn take_file_size_signal(runtime: &Runtime) -> std::io::Result<()> {
    let _entered = runtime.enter();
    // It stays taken when nobody listens any more.
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}

impl SettingFlags {
    fn layers(&self) -> Result<Layers, ConfigError> {
        let mut layers = Layers {
            file: self.config.clone(),
            environment: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            flags: Vec::new(),
        };
        for assignment in &self.set {
            layers.assign(assignment)?;
        }
        for (flag, key, value) in [
            ("--data", "data.dir", &self.data),
            ("--listen", "server.listen", &self.listen),
            ("--projections", "projections.dir", &self.projections),
        ] {
            layers.flag(flag, key, value.clone());
        }
        Ok(layers)
    }
}
