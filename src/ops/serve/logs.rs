//! The log of each service: `<data>/<service>/log.db`.

use std::collections::HashMap;
use std::sync::Arc;

use super::{AssemblyError, SERVICES};
use crate::log::EventLog;
use crate::log::sqlite::{OpenError, Options, SqliteLog};
use crate::ops::config::Config;

/// The logs by service.
pub type Logs = HashMap<&'static str, Arc<dyn EventLog>>;

/// Opens every log, making those that are not there yet; side by side, since making one waits for some twenty syncs.
pub(super) fn open(config: &Config) -> Result<Logs, AssemblyError> {
    std::thread::scope(|scope| {
        let opening =
            SERVICES.map(|service| (service, scope.spawn(move || open_one(config, service))));
        opening
            .into_iter()
            .map(|(service, opening)| {
                let opened = opening
                    .join()
                    .map_err(|_panicked| AssemblyError::NoLog(service))?;
                Ok((service, opened?))
            })
            .collect()
    })
}

fn open_one(config: &Config, service: &str) -> Result<Arc<dyn EventLog>, OpenError> {
    let options = Options {
        queue_appends: config.commands.append_queue,
        ..Options::default()
    };
    Ok(Arc::new(SqliteLog::open(
        &config.data.join(service),
        options,
    )?))
}

/// Lets go of every log.
pub(super) async fn close(logs: &Logs) {
    for log in logs.values() {
        log.close().await;
    }
}
