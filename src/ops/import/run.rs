//! The run of an import, from arguments to report.

use std::fs;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use super::args::ImportArgs;
use super::catalog::Catalog;
use super::error::ImportError;
use super::lines::{self, Found};
use super::report::{Report, Tally};
use super::sender::Sender;
use super::state::{Place, State};
use super::window::Window;

/// Connections that the workers share: one HTTP/2 connection is one task at either end, so a few use more than one core.
const CONNECTIONS: usize = 4;
/// Lines parsed ahead of the window.
const PARSED_AHEAD: usize = 1024;
/// How often the state file is written and the progress bar moves. What is sent twice after a crash is at most this.
const SAVE_EVERY: Duration = Duration::from_millis(200);

/// Imports, and prints the report.
///
/// # Errors
/// Where anything in the file could not be sent; the report that was printed says what was.
pub async fn run(args: &ImportArgs) -> Result<(), ImportError> {
    let (report, error) = import(args).await?;
    let text = if args.json {
        serde_json::to_string_pretty(&report).map_err(|e| ImportError::Broken(e.to_string()))?
    } else {
        report.to_string()
    };
    // Nobody may be reading any more; the import is done all the same.
    let _ = writeln!(io::stdout(), "{text}");
    match error {
        Some(error) => Err(error),
        None if report.is_clean() => Ok(()),
        None => Err(ImportError::Unclean {
            failed: report.failed,
            malformed: report.malformed,
        }),
    }
}

/// Imports. The report is of what was sent, also where an error ended it early; the next run resumes there.
///
/// # Errors
/// Where it could not begin.
pub async fn import(args: &ImportArgs) -> Result<(Report, Option<ImportError>), ImportError> {
    let catalog = Catalog::load()?;
    let senders = senders(args)?;
    let state = State::of(args.state_path(), &args.file, &args.server.target);
    let state = Arc::new(state.map_err(reading(args))?);
    if args.from_start {
        state.forget().map_err(writing(&state))?;
    }
    let start = state.load();
    let text = lines::open(&args.file, start.offset).map_err(reading(args))?;

    let (found, parsed) = mpsc::channel(PARSED_AHEAD);
    let reader = tokio::task::spawn_blocking(move || lines::read(text, start, &catalog, &found));
    let window = Arc::new(Window::new(start));
    let tally = Arc::new(Tally::default());
    let began = Instant::now();
    let workers = work(&senders, usize::from(args.concurrency), &window, &tally);
    let feeder = feed(parsed, &window, &tally);
    let sent = sent(workers, feeder, &window, &tally, &state, bar(args)).await;

    let outcome = match sent {
        Ok(()) => reader
            .await
            .map_err(|error| ImportError::Broken(error.to_string()))
            .and_then(|read| read.map_err(reading(args))),
        Err(error) => Err(error),
    };
    let saved = if outcome.is_ok() {
        state.forget()
    } else {
        state.save(window.safe_place())
    };
    let outcome = outcome.and(saved.map_err(writing(&state)));
    let report = tally.report(start.line, outcome.is_ok(), began.elapsed());
    Ok((report, outcome.err()))
}

/// Until every line is dealt with or one ended it, saving the safe point as it moves.
async fn sent(
    mut workers: JoinSet<Result<(), ImportError>>,
    feeder: impl Future<Output = ()>,
    window: &Window,
    tally: &Tally,
    state: &Arc<State>,
    bar: ProgressBar,
) -> Result<(), ImportError> {
    let mut tick = interval(SAVE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(feeder);
    let mut fed = false;
    let mut first_error = None;
    loop {
        tokio::select! {
            () = &mut feeder, if !fed => fed = true,
            ended = workers.join_next() => match ended {
                None => break,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => {
                    window.close();
                    first_error.get_or_insert(error);
                }
                Some(Err(error)) => {
                    window.close();
                    first_error.get_or_insert(ImportError::Broken(error.to_string()));
                }
            },
            _ = tick.tick() => {
                let place = window.safe_place();
                save(state, place).await?;
                bar.set_position(place.offset);
                bar.set_message(tally.glance());
            }
        }
    }
    bar.finish_and_clear();
    first_error.map_or(Ok(()), Err)
}

/// Apart from the workers, whose answers do not wait for a slow disk.
async fn save(state: &Arc<State>, place: Place) -> Result<(), ImportError> {
    let saving = Arc::clone(state);
    tokio::task::spawn_blocking(move || saving.save(place))
        .await
        .map_err(|error| ImportError::Broken(error.to_string()))?
        .map_err(writing(state))
}

/// Starts the workers: each sends one line at a time.
fn work(
    senders: &[Sender],
    concurrency: usize,
    window: &Arc<Window>,
    tally: &Arc<Tally>,
) -> JoinSet<Result<(), ImportError>> {
    let mut workers = JoinSet::new();
    for sender in senders.iter().cycle().take(concurrency) {
        let (sender, window, tally) = (sender.clone(), Arc::clone(window), Arc::clone(tally));
        workers.spawn(async move {
            while let Some(line) = window.next().await {
                let outcome = sender.send(&line).await?;
                tally.count(line.at.line, &line.method.name, outcome);
                window.done(&line);
            }
            Ok(())
        });
    }
    workers
}

/// Moves what is parsed into the window, until the end of the file or of the import.
async fn feed(mut parsed: mpsc::Receiver<Found>, window: &Window, tally: &Tally) {
    while let Some(item) = parsed.recv().await {
        match item {
            Found::Line(line) => {
                if !window.push(line).await {
                    return;
                }
            }
            Found::Malformed(line, problem) => tally.malformed(line, problem),
        }
    }
    window.end();
}

fn senders(args: &ImportArgs) -> Result<Vec<Sender>, ImportError> {
    let token = token(args)?;
    let give_up_after = Duration::from_secs(args.give_up_after);
    let endpoint = endpoint(args)?;
    let channels = (0..CONNECTIONS).map(|_| endpoint.connect_lazy());
    Ok(channels
        .map(|channel: Channel| {
            Sender::new(args.server.clone(), channel, token.clone(), give_up_after)
        })
        .collect())
}

fn endpoint(args: &ImportArgs) -> Result<Endpoint, ImportError> {
    const PING_EVERY: Duration = Duration::from_secs(20);
    let endpoint = args.server.endpoint()?;
    Ok(endpoint.http2_keep_alive_interval(PING_EVERY))
}

fn token(args: &ImportArgs) -> Result<Option<MetadataValue<Ascii>>, ImportError> {
    let mut server = args.server.clone();
    if let Some(path) = &args.token_file {
        let token = fs::read_to_string(path).map_err(|source| ImportError::Read {
            path: path.clone(),
            source,
        })?;
        server.token = Some(token);
    }
    Ok(server.authorization()?)
}

/// A bar over the bytes of the file; hidden where standard error is no terminal.
fn bar(args: &ImportArgs) -> ProgressBar {
    let packed = args
        .file
        .extension()
        .is_some_and(|extension| extension == "gz");
    let length = fs::metadata(&args.file).map_or(0, |meta| meta.len());
    // The length of what is packed is not known before its end.
    if packed {
        return ProgressBar::new_spinner();
    }
    let bar = ProgressBar::new(length);
    let template = "{bar:30} {percent:>3}%  {msg}  eta {eta}";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn reading(args: &ImportArgs) -> impl Fn(io::Error) -> ImportError {
    move |source| ImportError::Read {
        path: args.file.clone(),
        source,
    }
}

fn writing(state: &State) -> impl Fn(io::Error) -> ImportError {
    move |source| ImportError::State {
        path: state.path().to_owned(),
        source,
    }
}
