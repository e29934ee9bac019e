//! The log of each service: `<data>/<service>/log.db`.

use std::collections::HashMap;
use std::sync::Arc;

use super::SERVICES;
use crate::log::{EventLog, memory::MemoryLog};

/// The logs by service.
pub(super) type Logs = HashMap<&'static str, Arc<dyn EventLog>>;

/// Opens every log.
pub(super) fn open() -> Logs {
    SERVICES
        .iter()
        .map(|service| (*service, Arc::new(MemoryLog::new()) as Arc<dyn EventLog>))
        .collect()
}

/// Lets go of every log.
pub(super) async fn close(logs: &Logs) {
    for log in logs.values() {
        log.close().await;
    }
}
