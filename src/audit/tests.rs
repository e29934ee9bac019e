//! The audit service on logs in memory.

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
use crate::projection::{Projections, Reads, Settings, built_in, timestamp};
use crate::proto::annals::audit::v1::audit_service_server::AuditService as _;
use crate::proto::annals::audit::v1::get_state_as_of_request::AsOf;
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

#[tokio::test]
async fn an_object_shows_its_history_by_occurrence_with_what_each_event_says() {
    let world = world().await;
    world.clocked("2026-02-03").await;
    let token = world.clocked("2026-02-02").await.to_string();
    let request = GetHistoryRequest {
        target_id: PLACEMENT.to_string(),
        consistency_token: token,
        ..GetHistoryRequest::default()
    };
    let reply = world
        .audit
        .get_history(by(Role::Auditor, request))
        .await
        .unwrap()
        .into_inner();
    let dates: Vec<&prost_types::Value> = reply
        .events
        .iter()
        .map(|event| &event.data.as_ref().unwrap().fields["date"])
        .collect();
    assert_eq!(
        dates[0].kind,
        Some(prost_types::value::Kind::StringValue("2026-02-02".into()))
    );
    assert_eq!(
        dates[1].kind,
        Some(prost_types::value::Kind::StringValue("2026-02-03".into()))
    );
    assert_eq!(reply.events[0].revision, 1);
    assert_eq!(reply.events[0].role, "STUDENT");
    assert_eq!(reply.events[0].service, "attendance");
}

/// Three tasks of each of two placements, the later task first, and remarks about others in the text. Two events a request.
async fn busy() -> (World, Vec<(Value, String)>) {
    let world = world().await;
    let mut told = Vec::new();
    for (n, day) in [9, 3, 7, 5, 8, 4].into_iter().enumerate() {
        let placement = Uuid::from_u128(0xb1 + n as u128 % 2);
        let task = Uuid::from_u128(0x7a00 + n as u128);
        let other = Uuid::from_u128(0x7a00 + (n as u128 + 2) % 6);
        let [request, date] = [format!("request {}", n / 3), format!("2026-02-{day:02}")];
        let ids = json!({"placement_id": placement, "internship_id": INTERNSHIP});
        let with = |more: Value| {
            let mut all = ids.clone();
            all.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            all
        };
        let remark = format!("{other} is like it: {{\"task_id\":\"{other}\"}}");
        for (stream, event_type, data) in [
            (
                "worklist",
                "TaskAssigned",
                with(json!({"task_id": task, "title": "count"})),
            ),
            (
                "worklist",
                "SubmissionReviewed",
                with(json!({"task_id": task, "personal": {"feedback": remark}})),
            ),
            ("attendance", "ClockedIn", with(json!({"date": date}))),
        ] {
            let token = world
                .happened(stream, placement, event_type, &request, &date, data.clone())
                .await;
            world
                .list("service = none", &token.to_string())
                .await
                .unwrap();
            told.push((data, derived_id(&[request.as_bytes()]).to_string()));
        }
    }
    (world, told)
}

fn data(event: &Event) -> Value {
    Value::Object(crate::projection::from_struct(event.data.clone().unwrap()))
}

#[tokio::test]
async fn a_history_holds_the_events_that_name_the_object_and_no_other_whatever_the_page() {
    let (world, told) = busy().await;
    let tasks = (0..6).map(|n| Uuid::from_u128(0x7a00 + n));
    for target in [PLACEMENT, INTERNSHIP, Uuid::from_u128(0xb2), AUDITOR]
        .into_iter()
        .chain(tasks)
    {
        let names = |data: &Value| {
            let fields = data.as_object().unwrap().values();
            fields.into_iter().any(|value| *value == json!(target))
        };
        let expected: Vec<&Value> = told
            .iter()
            .map(|(data, _)| data)
            .filter(|data| names(data))
            .collect();
        let whole = world.history(target, 1_000).await;
        let happened: Vec<_> = whole
            .iter()
            .map(|event| event.occurred_at.unwrap().seconds)
            .collect();
        assert!(happened.is_sorted(), "{target}");
        for size in [1, 2, 5] {
            assert_eq!(
                world.history(target, size).await,
                whole,
                "{target} by {size}"
            );
        }
        let filter = format!("target = \"{target}\"");
        for found in [whole, world.list_paged(&filter, 2).await] {
            assert_eq!(found.len(), expected.len(), "{target}");
            let found: Vec<Value> = found.iter().map(data).collect();
            assert!(expected.iter().all(|data| found.contains(data)), "{target}");
        }
    }
}

#[tokio::test]
async fn what_belongs_to_one_request_is_found_whatever_the_page() {
    let (world, told) = busy().await;
    let request = told[0].1.clone();
    for filter in [
        format!("request_id = \"{request}\""),
        format!("correlation_id = \"{request}\" AND service != audit"),
        format!("request_id = \"{request}\" AND target = \"{INTERNSHIP}\""),
    ] {
        let whole = world.list_paged(&filter, 1_000).await;
        assert_eq!(whole.len(), told.len() / 2, "{filter}");
        assert!(whole.iter().all(|event| event.request_id == request));
        for size in [1, 2, 4] {
            assert_eq!(
                world.list_paged(&filter, size).await,
                whole,
                "{filter} by {size}"
            );
        }
    }
}

#[tokio::test]
async fn filters_name_every_aspect_of_an_event() {
    let world = world().await;
    let token = world.clocked("2026-02-03").await.to_string();
    let id = derived_id(&[b"2026-02-03"]);
    for filter in [
        "service = attendance".to_owned(),
        format!("stream = \"attendance-{PLACEMENT}\""),
        format!("actor = \"{}\"", Uuid::from_u128(0x57)),
        "role = STUDENT AND action = ClockedIn".to_owned(),
        "type = ClockedIn".to_owned(),
        format!("target = \"{PLACEMENT}\""),
        "occurred_at >= \"2026-02-03T09:00:00Z\" AND occurred_at < \"2026-02-04T00:00:00Z\""
            .to_owned(),
        format!("request_id = \"{id}\" AND correlation_id = \"{id}\" AND imported = false"),
    ] {
        assert_eq!(
            world.list(&filter, &token).await.unwrap().len(),
            1,
            "{filter}"
        );
        let none = format!("{filter} AND service = tasks");
        assert_eq!(world.list(&none, &token).await.unwrap().len(), 0, "{none}");
    }
    let wrong = world.list("servce = a", "").await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    assert!(
        wrong.message().contains("did you mean service"),
        "{}",
        wrong.message()
    );
}

#[tokio::test]
async fn reading_the_history_is_itself_history() {
    let world = world().await;
    world.list("service = tasks", "").await.unwrap();
    let head = world.logs["audit"].head().await.unwrap();
    assert_eq!(head, Position(1));
    let token = ConsistencyToken::new("audit", head).to_string();
    let events = world.list("service = audit", &token).await.unwrap();
    assert_eq!(events[0].r#type, "HistoryRead");
    assert_eq!(events[0].actor, AUDITOR.to_string());
    assert_eq!(events[0].stream, format!("access-{AUDITOR}"));
}

#[tokio::test]
async fn who_may_not_read_leaves_no_trace_and_gets_nothing() {
    let world = world().await;
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Auditor) {
        let list = world
            .audit
            .list_events(by(role, ListEventsRequest::default()))
            .await;
        let history = world
            .audit
            .get_history(by(role, GetHistoryRequest::default()))
            .await;
        let state = world
            .audit
            .get_state_as_of(by(role, GetStateAsOfRequest::default()))
            .await;
        for code in [
            list.unwrap_err().code(),
            history.unwrap_err().code(),
            state.unwrap_err().code(),
        ] {
            assert_eq!(code, Code::PermissionDenied, "{role:?}");
        }
    }
    assert_eq!(world.logs["audit"].head().await.unwrap(), Position::START);
}

#[tokio::test]
async fn a_past_state_is_that_of_the_events_until_then() {
    let world = world().await;
    for date in ["2026-02-02", "2026-02-04", "2026-02-03"] {
        world.clocked(date).await;
    }
    let stream = StreamName::of("attendance", PLACEMENT).to_string();
    let ask = async |as_of: Option<AsOf>| {
        let request = GetStateAsOfRequest {
            stream: stream.clone(),
            as_of,
        };
        world
            .audit
            .get_state_as_of(by(Role::Auditor, request))
            .await
            .map(tonic::Response::into_inner)
    };
    let shown = |reply: &crate::proto::annals::audit::v1::GetStateAsOfResponse| {
        Value::Object(crate::projection::from_struct(reply.state.clone().unwrap()))
    };
    let second = ask(Some(AsOf::Revision(1))).await.unwrap();
    assert_eq!(
        (second.revision, shown(&second)),
        (1, json!({"events": 2, "date": "2026-02-04"}))
    );
    let noon = Moment::parse("2026-02-03T12:00:00Z").unwrap();
    let happened = ask(Some(AsOf::OccurredAt(timestamp(noon)))).await.unwrap();
    assert_eq!(
        (happened.revision, shown(&happened)),
        (2, json!({"events": 2, "date": "2026-02-03"}))
    );
    let now = ask(Some(AsOf::RecordedAt(timestamp(
        Moment::parse("9000-01-01T00:00:00Z").unwrap(),
    ))))
    .await
    .unwrap();
    assert_eq!(now.revision, 2);

    for as_of in [
        AsOf::Revision(3),
        AsOf::RecordedAt(timestamp(Moment::EPOCH)),
    ] {
        assert_eq!(ask(Some(as_of)).await.unwrap_err().code(), Code::NotFound);
    }
    assert_eq!(ask(None).await.unwrap_err().code(), Code::InvalidArgument);
    let elsewhere = GetStateAsOfRequest {
        stream: "nothing-1".into(),
        as_of: Some(AsOf::Revision(0)),
    };
    let elsewhere = world
        .audit
        .get_state_as_of(by(Role::Auditor, elsewhere))
        .await;
    assert_eq!(elsewhere.unwrap_err().code(), Code::NotFound);
}
