//! `annals log verify`: reads everything and names every damage. Changes nothing, and reads beside a server that runs.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::place::Place;
use super::progress::Progress;
use crate::kernel::Position;
use crate::log::sqlite::{Damage, Verified, verify};
use crate::ops::cli::Failure;
use crate::ops::verbs::print;

/// Arguments of `annals log verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints what was found.
///
/// # Errors
/// Where anything was.
pub(super) fn run(args: &VerifyArgs, data: Option<&str>) -> Result<(), Failure> {
    let directory = args.place.directory(data)?;
    let progress = Progress::positions("verified");
    let found = verify(&directory, |at, last| progress.at(at, last))?;
    drop(progress);
    print(&if args.json {
        as_json(&found)
    } else {
        as_text(&found)
    })?;
    match found.damaged {
        0 => Ok(()),
        many => Err(Failure(format!(
            "{} is damaged in {many} {}: restore it from a backup, or copy what is whole",
            directory.display(),
            if many == 1 { "place" } else { "places" },
        ))),
    }
}

fn as_json(found: &Verified) -> String {
    let damage = |damage: &Damage| {
        json!({
            "position": damage.position.0,
            "stream": damage.stream,
            "problem": damage.problem,
        })
    };
    let value = json!({
        "head": found.head.0,
        "whole": found.whole,
        "damaged": found.damaged,
        "damages": found.damages.iter().map(damage).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

fn as_text(found: &Verified) -> String {
    let mut text = String::new();
    for damage in &found.damages {
        let place = if damage.position == Position::START {
            "the file".to_owned()
        } else {
            format!("position {}, stream {}", damage.position, damage.stream)
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{place}: {}", damage.problem);
    }
    let _ = writeln!(
        text,
        "{} events whole up to position {}, {} damages",
        found.whole, found.head, found.damaged
    );
    text
}
