//! `annals log scavenge`: removes what stream metadata hides and tombstones ended.
//!
//! A log that nobody has open is scavenged here. One that `annals log serve` has open is scavenged by that server, which says
//! in the lock where it listens; likewise one that is named by the address of its server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::during;
use super::endpoint::Endpoint;
use super::place::{chosen, existing};
use super::progress::Progress;
use crate::kernel::StreamName;
use crate::log::eventstoredb::{Cluster, EsdbLog, Options as Scope, ScavengeOutcome};
use crate::log::sqlite::{OpenError, Options, Scavenged, SqliteLog};
use crate::log::{Direction, EventLog as _, ReadFrom};
use crate::ops::cli::Failure;
use crate::ops::verbs::print;

/// The result of a scavenge that came to its end.
const SUCCESS: &str = "Success";

/// Arguments of `annals log scavenge`.
#[derive(Debug, Args)]
pub(super) struct ScavengeArgs {
    /// The log's directory, also while `annals log serve` has it open, or esdb://... for a server; without it --data
    #[arg(value_name = "LOG")]
    log: Option<Endpoint>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Scavenges, or has it done, and prints what that gave.
pub(super) async fn run(args: &ScavengeArgs, data: Option<&str>) -> Result<(), Failure> {
    match &args.log {
        Some(Endpoint::Server(url)) => {
            let outcome = by_server(url).await?;
            report_server(args, url, &outcome)
        }
        Some(Endpoint::Log(directory)) => at(args, &existing(directory)?).await,
        None => at(args, &chosen(None, data)?).await,
        Some(Endpoint::Unknown(address)) => {
            Err(Failure(format!("{address}: no engine has this scheme")))
        }
        Some(Endpoint::Dump(_) | Endpoint::Pipe) => Err(Failure(
            "a file of lines hides nothing: scavenge a log, and dump it again".to_owned(),
        )),
    }
}

/// The log in `directory`, by whoever has it.
async fn at(args: &ScavengeArgs, directory: &Path) -> Result<(), Failure> {
    let log = match SqliteLog::open(directory, Options::default()) {
        Ok(log) => log,
        Err(OpenError::Locked {
            served_at: Some(address),
            ..
        }) => {
            let url = format!("esdb://{}?tls=false", reachable(address));
            let outcome = by_server(&url).await.map_err(|Failure(why)| {
                let log = directory.display();
                Failure(format!("{log} is served at {address}: {why}"))
            })?;
            check_record(directory, &url, &outcome).await?;
            return report_server(args, &url, &outcome);
        }
        Err(error) => return Err(taken(error)),
    };
    let progress = Progress::count("removed");
    let done = log.scavenge(|done| progress.done(done.events)).await;
    log.close().await;
    drop(progress);
    let done = done.map_err(|error| during(&directory.display().to_string(), error))?;
    let value = json!({"streams": done.streams, "events": done.events, "freed_bytes": done.bytes});
    report(args, &value, &text_of(&done))
}

async fn by_server(url: &str) -> Result<ScavengeOutcome, Failure> {
    let cluster = Cluster::connect(url).await?;
    let id = cluster.start_scavenge().await?;
    let progress = Progress::count("seconds, the server scavenges:");
    let log = EsdbLog::new(cluster, Scope::default());
    let outcome = log.scavenge_outcome(&id, |waited| progress.done(waited.as_secs()));
    let outcome = outcome.await?;
    if outcome.result == SUCCESS {
        return Ok(outcome);
    }
    let why = outcome
        .error
        .map_or(String::new(), |why| format!(" ({why})"));
    Err(Failure(format!(
        "scavenge {id} was not done to its end: {}{why}; nothing is lost by that, scavenge again",
        outcome.result
    )))
}

/// Whoever answered at the address may serve another log: then the record is not in this one.
async fn check_record(
    directory: &Path,
    url: &str,
    outcome: &ScavengeOutcome,
) -> Result<(), Failure> {
    let record = StreamName::new(format!("$scavenges-{}", outcome.scavenge_id))?;
    let log = SqliteLog::beside(directory)?;
    let read = log.read_stream(&record, ReadFrom::Start, Direction::Forward, 1);
    if read.await?.exists {
        return Ok(());
    }
    Err(Failure(format!(
        "{url} serves another log than the one in {}: name the address of its server",
        directory.display()
    )))
}

/// Where a server that listens on `address` is found from the same machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

fn report_server(args: &ScavengeArgs, url: &str, outcome: &ScavengeOutcome) -> Result<(), Failure> {
    let server = Endpoint::Server(url.to_owned()).to_string();
    let bytes = u64::try_from(outcome.space_saved).unwrap_or_default();
    // Only servers of ours say how much they removed.
    let (streams, events) = (outcome.streams, outcome.events);
    let text = match (streams, events) {
        (Some(streams), Some(events)) => text_of(&Scavenged {
            streams,
            events,
            bytes,
        }),
        _ => format!("{bytes} bytes given back"),
    };
    let value = json!({
        "streams": streams, "events": events, "freed_bytes": bytes,
        "server": server, "scavenge_id": outcome.scavenge_id,
    });
    report(args, &value, &format!("{text} by {server}"))
}

fn text_of(done: &Scavenged) -> String {
    format!(
        "{} events of {} streams removed, {} bytes given back",
        done.events, done.streams, done.bytes
    )
}

fn report(args: &ScavengeArgs, value: &Value, text: &str) -> Result<(), Failure> {
    Ok(print(&if args.json {
        format!("{value:#}\n")
    } else {
        format!("{text}\n")
    })?)
}

/// What to do where somebody else has the log.
pub(super) fn taken(error: OpenError) -> Failure {
    let locked = matches!(error, OpenError::Locked { .. });
    let mut failure = Failure::from(error);
    if locked {
        failure.0 += ", which takes no such orders: stop it first and start it again afterwards (stat, verify, dump, backup and copying from it work meanwhile)";
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_found_on_the_loopback() {
        for (listens, found) in [
            ("0.0.0.0:2113", "127.0.0.1:2113"),
            ("[::]:2113", "[::1]:2113"),
            ("10.0.0.7:2113", "10.0.0.7:2113"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), found);
        }
    }
}
