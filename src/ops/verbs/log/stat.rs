//! `annals log stat`: a log's figures. Reads on a connection of its own that cannot write, also while the log is served.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::place::Place;
use crate::log::sqlite::{Stat, stat};
use crate::ops::cli::Failure;
use crate::ops::verbs::print;

/// Arguments of `annals log stat`.
#[derive(Debug, Args)]
pub(super) struct StatArgs {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the figures.
pub(super) fn run(args: &StatArgs, data: Option<&str>) -> Result<(), Failure> {
    let figures = stat(&args.place.directory(data)?)?;
    let text = if args.json {
        as_json(&figures)
    } else {
        as_text(&figures)
    };
    Ok(print(&text)?)
}

fn as_json(figures: &Stat) -> String {
    let last_recorded = figures.last_recorded.map(|moment| moment.to_string());
    let value = json!({
        "schema": figures.schema,
        "head": figures.head.0,
        "events": figures.events,
        "scavenged": figures.scavenged,
        "streams": figures.streams,
        "types": figures.types,
        "last_recorded": last_recorded,
        "file_bytes": figures.file_bytes,
        "free_bytes": figures.free_bytes,
        "wal_bytes": figures.wal_bytes,
    });
    format!("{value:#}\n")
}

fn as_text(figures: &Stat) -> String {
    let last_recorded = figures
        .last_recorded
        .map_or_else(|| "never".to_owned(), |moment| moment.to_string());
    let mut text = String::new();
    for (name, figure) in [
        ("schema version", figures.schema.to_string()),
        ("last position", figures.head.to_string()),
        ("events", figures.events.to_string()),
        ("scavenged events", figures.scavenged.to_string()),
        ("streams", figures.streams.to_string()),
        ("event types", figures.types.to_string()),
        ("last recorded", last_recorded),
        ("file", format!("{} bytes", figures.file_bytes)),
        ("free in the file", format!("{} bytes", figures.free_bytes)),
        ("write-ahead log", format!("{} bytes", figures.wal_bytes)),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<18}{figure}");
    }
    text
}
