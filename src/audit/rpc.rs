//! `annals.audit.v1.AuditService`: the history, asked for and answered; each asking recorded first.

use serde_json::{Map, Value};
use tonic::{Code, Request, Response, Status, async_trait};

use super::access::{Access, Reading};
use super::history::{AsOf, HistoryError, Viewers};
use crate::command::CommandError;
use crate::grpc::{Caller, Fields, authorise, from_command_error, from_read_error, with_reason};
use crate::kernel::{Moment, StreamName};
use crate::projection::{Ask, Reads, Row, Rows, timestamp, to_struct};
use crate::proto::annals::audit::v1::audit_service_server::AuditService;
use crate::proto::annals::audit::v1::get_state_as_of_request::AsOf as WireAsOf;
use crate::proto::annals::audit::v1::{
    Event, GetHistoryRequest, GetHistoryResponse, GetStateAsOfRequest, GetStateAsOfResponse,
    ListEventsRequest, ListEventsResponse,
};

/// The read model of every event.
const HISTORY: &str = "event_history";
/// Longest filter that is recorded and read.
const MAX_FILTER_CHARS: usize = 4_096;

/// The audit service.
pub struct Audit {
    reads: Reads,
    access: Access,
    viewers: Viewers,
}

impl Audit {
    /// Answers from `reads` and `viewers`; `access` records who asked.
    #[must_use]
    pub const fn new(reads: Reads, access: Access, viewers: Viewers) -> Self {
        Self {
            reads,
            access,
            viewers,
        }
    }

    /// Before the answer goes out, after it is known that there is one: a refused request read nothing.
    async fn record(&self, caller: Caller, reading: Reading<'_>) -> Result<(), Status> {
        let recorded = self.access.record(caller, reading).await;
        recorded.map_err(|error| from_command_error(&CommandError::Append(error)))
    }

    /// A page of the history and the token of the next, recorded as `reading`.
    async fn page(
        &self,
        caller: Caller,
        reading: Reading<'_>,
        ask: Ask<'_>,
    ) -> Result<(Vec<Event>, String), Status> {
        let Rows {
            rows,
            next_page_token,
        } = self.reads.page(ask).await?;
        self.record(caller, reading).await?;
        Ok((rows.into_iter().map(event).collect(), next_page_token))
    }
}

#[async_trait]
impl AuditService for Audit {
    async fn list_events(
        &self,
        request: Request<ListEventsRequest>,
    ) -> Result<Response<ListEventsResponse>, Status> {
        let caller = Caller::of(request.extensions())?;
        authorise("audit.ListEvents", caller)?;
        let message = request.into_inner();
        let mut fields = Fields::default();
        // It is recorded as it was asked, so its length is judged first.
        fields.text("filter", &message.filter, 0..=MAX_FILTER_CHARS);
        fields.check()?;
        let reading = Reading {
            method: "ListEvents",
            filter: &message.filter,
            ..Reading::default()
        };
        self.reads.wait(HISTORY, &message.consistency_token).await?;
        let parameters = Map::new();
        let ask = Ask {
            model: HISTORY,
            query: "list",
            parameters: &parameters,
            filter: &message.filter,
            page_size: message.page_size,
            page_token: &message.page_token,
        };
        let (events, next_page_token) = self.page(caller, reading, ask).await?;
        Ok(Response::new(ListEventsResponse {
            events,
            next_page_token,
        }))
    }

    async fn get_history(
        &self,
        request: Request<GetHistoryRequest>,
    ) -> Result<Response<GetHistoryResponse>, Status> {
        let caller = Caller::of(request.extensions())?;
        authorise("audit.GetHistory", caller)?;
        let message = request.into_inner();
        let mut fields = Fields::default();
        let target = fields.uuid("target_id", &message.target_id).to_string();
        fields.check()?;
        let reading = Reading {
            method: "GetHistory",
            target: &target,
            ..Reading::default()
        };
        self.reads.wait(HISTORY, &message.consistency_token).await?;
        let parameters = Map::from_iter([("target".to_owned(), Value::from(target.as_str()))]);
        let ask = Ask {
            model: HISTORY,
            query: "history",
            parameters: &parameters,
            filter: "",
            page_size: message.page_size,
            page_token: &message.page_token,
        };
        let (events, next_page_token) = self.page(caller, reading, ask).await?;
        Ok(Response::new(GetHistoryResponse {
            events,
            next_page_token,
        }))
    }

    async fn get_state_as_of(
        &self,
        request: Request<GetStateAsOfRequest>,
    ) -> Result<Response<GetStateAsOfResponse>, Status> {
        let caller = Caller::of(request.extensions())?;
        authorise("audit.GetStateAsOf", caller)?;
        let message = request.into_inner();
        let (stream, as_of) = read_as_of(&message)?;
        let reading = Reading {
            method: "GetStateAsOf",
            stream: stream.as_str(),
            ..Reading::default()
        };
        let past = self
            .viewers
            .as_of(&stream, as_of)
            .await
            .map_err(|error| refused(&error))?;
        self.record(caller, reading).await?;
        Ok(Response::new(GetStateAsOfResponse {
            stream: stream.to_string(),
            revision: past.revision,
            recorded_at: Some(timestamp(past.recorded_at)),
            state: object(past.state),
        }))
    }
}

fn read_as_of(message: &GetStateAsOfRequest) -> Result<(StreamName, AsOf), Status> {
    let mut fields = Fields::default();
    let stream = StreamName::new(&message.stream);
    if let Err(problem) = &stream {
        fields.violation("stream", problem.to_string());
    }
    let as_of = match &message.as_of {
        Some(WireAsOf::Revision(revision)) => AsOf::Revision(*revision),
        Some(WireAsOf::RecordedAt(at)) => AsOf::Recorded(fields.moment("recorded_at", Some(at))),
        Some(WireAsOf::OccurredAt(at)) => AsOf::Occurred(fields.moment("occurred_at", Some(at))),
        None => {
            fields.violation("as_of", "must be a revision or an instant");
            AsOf::Revision(0)
        }
    };
    fields.check()?;
    let stream = stream.map_err(|problem| Status::invalid_argument(problem.to_string()))?;
    Ok((stream, as_of))
}

fn refused(error: &HistoryError) -> Status {
    let missing =
        |remedy| with_reason(Code::NotFound, "STREAM_UNKNOWN", &error.to_string(), remedy);
    match error {
        HistoryError::UnknownCategory(_) => missing(
            "streams are named <category>-<uuid>, as in placement-2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d",
        ),
        HistoryError::Nothing(_) => missing("ask for a later time"),
        HistoryError::NoRevision { .. } => missing("ask for an earlier revision"),
        HistoryError::Read(error) => from_read_error(error),
        HistoryError::Wire(_) => {
            tracing::error!(%error, "a past state cannot be built");
            with_reason(
                Code::Internal,
                "INTERNAL",
                "an internal error, which was logged",
                "tell the operator the request id",
            )
        }
    }
}

fn event(row: Map<String, Value>) -> Event {
    let row = Row::from(row);
    let unsigned = |column| u64::try_from(row.integer(column)).unwrap_or_default();
    let instant = |column| Moment::parse(&row.text(column)).ok().map(timestamp);
    Event {
        event_id: row.text("event_id"),
        service: row.text("service"),
        stream: row.text("stream"),
        revision: unsigned("revision"),
        position: unsigned("position"),
        r#type: row.text("action"),
        actor: row.text("actor"),
        role: row.text("role"),
        request_id: row.text("request_id"),
        correlation_id: row.text("correlation_id"),
        causation_id: row.text("causation_id"),
        reason: row.text("reason"),
        occurred_at: instant("occurred_at"),
        recorded_at: instant("recorded_at"),
        imported: row.flag("imported"),
        data: object(row.json("data")),
    }
}

/// States and events are objects; anything else is not shown.
fn object(value: Value) -> Option<prost_types::Struct> {
    if let Value::Object(map) = value {
        return Some(to_struct(map));
    }
    None
}
