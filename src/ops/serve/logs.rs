//! The log of each service: `<data>/<service>/log.db`.

use std::collections::HashMap;
use std::sync::Arc;

use super::SERVICES;
use crate::log::EventLog;
use crate::log::sqlite::{OpenError, Options, SqliteLog};
use crate::ops::config::Config;

/// The logs by service.
pub type Logs = HashMap<&'static str, Arc<dyn EventLog>>;

/// Opens every log, making those that are not there yet.
pub(super) fn open(config: &Config) -> Result<Logs, OpenError> {
    SERVICES
        .iter()
        .map(|service| {
            let options = Options {
                queue_appends: config.commands.append_queue,
                ..Options::default()
            };
            let log: Arc<dyn EventLog> =
                Arc::new(SqliteLog::open(&config.data.join(service), options)?);
            Ok((*service, log))
        })
        .collect()
}

/// Lets go of every log.
pub(super) async fn close(logs: &Logs) {
    for log in logs.values() {
        log.close().await;
    }
}
