//! `annals config show`

use clap::{Args, Subcommand};

use super::print;
use crate::ops::cli::Failure;
use crate::ops::config::{Config, Layers, as_json, as_text};

/// Arguments of `annals config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print every setting as it is in force; the text is itself a configuration file
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Prints what is in force; what would be refused at start is refused here too.
pub fn run(args: &ConfigArgs, layers: &Layers) -> Result<(), Failure> {
    let resolved = layers.resolve()?;
    Config::typed(&resolved)?;
    let What::Show { json } = args.what;
    if json {
        Ok(print(&format!("{:#}\n", as_json(&resolved)))?)
    } else {
        Ok(print(&as_text(&resolved))?)
    }
}
