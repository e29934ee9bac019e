//! Log lines on standard error: text for people or one JSON object a line. Standard output stays for results.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use super::config::LogFormat;

/// Starts writing at `level` and above. A second call in one process (tests) changes nothing.
pub fn start(level: &str, format: LogFormat) {
    // The HTTP/2 machinery under us logs every frame at debug and trace; that is never what was asked for.
    // EventStoreDB's client tells of every connection that breaks; `log::eventstoredb` says what comes of it.
    let filter = EnvFilter::new(format!(
        "{level},h2=warn,hyper=warn,hyper_util=warn,tower=warn,eventstore=off"
    ));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(already) = started {
        tracing::debug!(%already, "log lines are written already");
    }
}
