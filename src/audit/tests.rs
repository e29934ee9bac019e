//! The audit service on logs in memory.

mod access;
mod history;
mod past_state;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tonic::{Code, Request, Status};
use uuid::Uuid;

use super::{Access, Audit, Viewers};
use crate::grpc::Caller;
use crate::kernel::{Actor, ConsistencyToken, Moment, Position, Role, StreamName, derived_id};
use crate::log::memory::MemoryLog;
use crate::log::{EventLog, Expected, NewEvent, RecordedEvent};
use crate::projection::{Projections, Reads, Settings, built_in};
use crate::proto::annals::audit::v1::audit_service_server::AuditService as _;
use crate::proto::annals::audit::v1::{
    Event, GetHistoryRequest, GetStateAsOfRequest, ListEventsRequest,
};

const SERVICES: [&str; 7] = [
    "applications",
    "placements",
    "attendance",
    "tasks",
    "evaluations",
    "certificates",
    "audit",
];
const PLACEMENT: Uuid = Uuid::from_u128(0xb1);
const INTERNSHIP: Uuid = Uuid::from_u128(0x1);
const AUDITOR: Uuid = Uuid::from_u128(0xa0d);

struct World {
    _dir: tempfile::TempDir,
    logs: HashMap<&'static str, Arc<dyn EventLog>>,
    audit: Audit,
}

fn noon() -> Moment {
    Moment::parse("2026-03-01T12:00:00Z").unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a view")]
/// A view that shows how many events it was given and the last one's day.
fn days(events: &[RecordedEvent]) -> Result<Value, crate::kernel::WireError> {
    let last: Value = serde_json::from_slice(&events.last().unwrap().data).unwrap();
    Ok(json!({"events": events.len(), "date": last["date"]}))
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let logs: HashMap<&'static str, Arc<dyn EventLog>> = SERVICES
        .into_iter()
        .map(|service| (service, Arc::new(MemoryLog::new()) as Arc<dyn EventLog>))
        .collect();
    let models = built_in().unwrap().remove("event_history");
    let settings = Settings {
        dir: dir.path().to_path_buf(),
        clock: noon,
        threads: tokio::runtime::Handle::current(),
    };
    let projections = Projections::start(models, &logs, settings).await.unwrap();
    let viewers = Viewers::default().with("attendance", Arc::clone(&logs["attendance"]), days);
    let access = Access::new(Arc::clone(&logs["audit"]), noon);
    let audit = Audit::new(
        Reads::new(projections, Duration::from_secs(20)),
        access,
        viewers,
    );
    World {
        _dir: dir,
        logs,
        audit,
    }
}

impl World {
    async fn clocked(&self, date: &str) -> ConsistencyToken {
        let facts = json!({"placement_id": PLACEMENT, "date": date});
        self.happened("attendance", PLACEMENT, "ClockedIn", date, date, facts)
            .await
    }

    /// An event at nine on `date`; what is named alike belongs to one request.
    async fn happened(
        &self,
        stream: &'static str,
        key: Uuid,
        event_type: &str,
        request: &str,
        date: &str,
        facts: Value,
    ) -> ConsistencyToken {
        let service = match stream {
            "worklist" => "tasks",
            other => other,
        };
        let request_id = derived_id(&[request.as_bytes()]);
        let metadata = json!({
            "actor": Uuid::from_u128(0x57), "role": "STUDENT", "request_id": request_id, "request_digest": "00",
            "correlation_id": request_id, "occurred_at": format!("{date}T09:00:00.000000Z"), "schema_version": 1,
        });
        let event = NewEvent {
            id: derived_id(&[stream.as_bytes(), facts.to_string().as_bytes()]),
            event_type: event_type.into(),
            is_json: true,
            data: Bytes::from(facts.to_string()),
            metadata: Bytes::from(metadata.to_string()),
        };
        let appended = self.logs[service]
            .append(&StreamName::of(stream, key), Expected::Any, vec![event])
            .await
            .unwrap();
        ConsistencyToken::new(service, appended.position)
    }

    /// A whole history, `size` events a page.
    async fn history(&self, target: Uuid, size: i32) -> Vec<Event> {
        let mut request = GetHistoryRequest {
            target_id: target.to_string(),
            page_size: size,
            ..GetHistoryRequest::default()
        };
        let mut all = Vec::new();
        loop {
            let asked = self.audit.get_history(by(Role::Auditor, request.clone()));
            let page = asked.await.unwrap().into_inner();
            assert!(page.events.len() <= usize::try_from(size).unwrap());
            all.extend(page.events);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Everything that a filter lets through, `size` events a page.
    async fn list_paged(&self, filter: &str, size: i32) -> Vec<Event> {
        let mut request = ListEventsRequest {
            filter: filter.to_owned(),
            page_size: size,
            ..ListEventsRequest::default()
        };
        let mut all = Vec::new();
        loop {
            let asked = self.audit.list_events(by(Role::Auditor, request.clone()));
            let page = asked.await.unwrap().into_inner();
            all.extend(page.events);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    async fn list(&self, filter: &str, token: &str) -> Result<Vec<Event>, Status> {
        let request = ListEventsRequest {
            filter: filter.to_owned(),
            consistency_token: token.to_owned(),
            ..ListEventsRequest::default()
        };
        Ok(self
            .audit
            .list_events(by(Role::Auditor, request))
            .await?
            .into_inner()
            .events)
    }
}

fn by<T>(role: Role, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Caller {
        actor: Actor { id: AUDITOR, role },
    });
    request
}
