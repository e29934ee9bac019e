//! `annals call`: any method of any service with JSON, so that trying Annals needs nothing else installed.

use std::io::Read as _;

use clap::Args;

use super::print;
use crate::ops::cli::Failure;
use crate::ops::client::{Methods, Target, call, request, to_json, to_table, unknown_columns};

/// Arguments of `annals call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The method, as attendance.ClockIn or annals.attendance.v1.AttendanceService/ClockIn
    method: String,
    /// The request as JSON; `-` reads it from standard input
    #[arg(default_value = "{}")]
    json: String,
    /// Print lists as tables, of these columns where some are named
    #[arg(long, value_name = "COLUMN,...", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    table: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Calls, and prints the reply.
pub async fn run(args: &CallArgs) -> Result<(), Failure> {
    let method = Methods::load()?.find(&args.method)?;
    let mut json = args.json.clone();
    if json == "-" {
        json.clear();
        std::io::stdin().read_to_string(&mut json)?;
    }
    let mut message = tonic::Request::new(request(&method, &json)?);
    if let Some(authorization) = args.target.authorization()? {
        message
            .metadata_mut()
            .insert("authorization", authorization);
    }
    let reply = match args.target.connect().await {
        Ok(channel) => call(channel, &method, message).await.map_err(Failure::from),
        Err(error) => Err(error.into()),
    };
    let reply = match reply {
        Ok(reply) => reply,
        Err(failure) => return Err(args.target.mistaken().await.map_or(failure, Into::into)),
    };
    let json = to_json(&reply)?;
    let Some(columns) = &args.table else {
        return Ok(print(&format!("{json}\n"))?);
    };
    let columns: Vec<&str> = columns.split(',').filter(|name| !name.is_empty()).collect();
    let reply = serde_json::from_str(&json)?;
    print(&to_table(&reply, &columns))?;
    // No failure: what was called is done.
    if let Some(unknown) = unknown_columns(&reply, &columns) {
        eprintln!("annals: {unknown}");
    }
    Ok(())
}
