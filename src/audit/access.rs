//! Reading the history is itself recorded: one event a reading, in the reader's own stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::command::RequestDigest;
use crate::grpc::{Caller, Clock};
use crate::kernel::{EventMetadata, EventShape, StreamName, derived_id};
use crate::log::{AppendError, EventLog, Expected, NewEvent};

/// The stream is `access-<actor>`.
pub const CATEGORY: &str = "access";
const HISTORY_READ: &str = "HistoryRead";
/// The version of its JSON.
const VERSION: u32 = 1;

/// What the audit service writes.
pub const SHAPES: &[EventShape] = &[EventShape {
    event_type: HISTORY_READ,
    fields: &["method", "filter", "target", "stream"],
    personal: &[],
}];

/// What was asked. Stored as it is; fields are only ever added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Reading<'a> {
    pub(super) method: &'a str,
    pub(super) filter: &'a str,
    pub(super) target: &'a str,
    pub(super) stream: &'a str,
}

/// Records readings in the audit service's log.
pub struct Access {
    log: Arc<dyn EventLog>,
    clock: Clock,
    /// Tells apart readings of one actor within one microsecond.
    count: AtomicU64,
}

impl Access {
    /// Into `log`, the audit service's own.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, clock: Clock) -> Self {
        Self {
            log,
            clock,
            count: AtomicU64::new(0),
        }
    }

    /// A reading of `service`'s whole log over `EventStoreDB`'s protocol. Returns when it is durable.
    ///
    /// # Errors
    /// The append was refused; then nothing may be read.
    pub async fn record_protocol(&self, caller: Caller, service: &str) -> Result<(), AppendError> {
        let reading = Reading {
            method: "EventStoreDB.Read",
            target: service,
            ..Reading::default()
        };
        self.record(caller, reading).await
    }

    /// Returns when the reading is durable.
    pub(super) async fn record(
        &self,
        caller: Caller,
        reading: Reading<'_>,
    ) -> Result<(), AppendError> {
        let now = (self.clock)();
        let actor = caller.actor;
        let nth = self.count.fetch_add(1, Ordering::Relaxed);
        let request_id = derived_id(&[
            HISTORY_READ.as_bytes(),
            actor.id.as_bytes(),
            &now.unix_micros().to_be_bytes(),
            &nth.to_be_bytes(),
        ]);
        let data = json(&reading)?;
        let metadata = json(&EventMetadata {
            actor: actor.id,
            role: actor.role,
            request_id,
            request_digest: RequestDigest::of(&[reading.method.as_bytes(), &data]).to_hex(),
            correlation_id: request_id,
            causation_id: None,
            reason: None,
            occurred_at: now,
            imported: false,
            schema_version: VERSION,
        })?;
        let event = NewEvent {
            id: derived_id(&[b"event", request_id.as_bytes()]),
            event_type: HISTORY_READ.into(),
            is_json: true,
            data: data.into(),
            metadata: metadata.into(),
        };
        let stream = StreamName::of(CATEGORY, actor.id);
        fail::fail_point!("audit::before_record");
        self.log.append(&stream, Expected::Any, vec![event]).await?;
        fail::fail_point!("audit::recorded");
        Ok(())
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, AppendError> {
    serde_json::to_vec(value).map_err(|error| AppendError::Invalid {
        index: 0,
        problem: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guards the stored form: what was written once is read for ever.
    #[test]
    fn a_reading_is_stored_as_its_golden_file_says() {
        let golden = include_str!("../../tests/golden/HistoryRead.v1.json");
        let reading = Reading {
            method: "GetHistory",
            filter: "",
            target: "0000000b-0000-4000-8000-000000000001",
            stream: "",
        };
        let written: serde_json::Value = serde_json::to_value(reading).unwrap();
        assert_eq!(
            written,
            serde_json::from_str::<serde_json::Value>(golden).unwrap()
        );
        let fields: Vec<&String> = written.as_object().unwrap().keys().collect();
        assert_eq!(fields, SHAPES[0].fields);
    }
}
