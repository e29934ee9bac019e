//! The methods: role, arguments, then the part that knows.

use tonic::{Code, Request, Response, Status, async_trait};

use super::Operations;
use super::replies::{operation, process, projection, projection_error, store_error};
use crate::grpc::{Caller, Fields, authorise, from_read_error, with_reason};
use crate::kernel::{ConsistencyToken, Position};
use crate::processes::ProcessStatus;
use crate::projection::Retried;
use crate::proto::annals::operations::v1::operations_service_server::OperationsService;
use crate::proto::annals::operations::v1::{
    AwaitProcessesRequest, AwaitProcessesResponse, GetHealthDetailsRequest,
    GetHealthDetailsResponse, GetOperationRequest, ListParkedEventsRequest,
    ListParkedEventsResponse, ListProcessesRequest, ListProcessesResponse, ListProjectionsRequest,
    ListProjectionsResponse, Operation, RebuildProjectionRequest, RetryParkedEventRequest,
    RetryParkedEventResponse, SkipParkedEventRequest, SkipParkedEventResponse,
};

/// Longest name of a projection, a process or an operation that is looked for, in characters.
pub(super) const MAX_NAME_CHARS: usize = 100;

type Reply<T> = Result<Response<T>, Status>;

/// Checks the caller's role, and hands out the request and who sent it.
fn admit<T>(action: &str, request: Request<T>) -> Result<(T, Caller), Status> {
    let caller = Caller::of(request.extensions())?;
    authorise(action, caller)?;
    Ok((request.into_inner(), caller))
}

#[async_trait]
impl OperationsService for Operations {
    async fn await_processes(
        &self,
        request: Request<AwaitProcessesRequest>,
    ) -> Reply<AwaitProcessesResponse> {
        let (request, _) = admit("operations.AwaitProcesses", request)?;
        let mut fields = Fields::default();
        let token = ConsistencyToken::parse(&request.consistency_token);
        if let Err(invalid) = &token {
            fields.violation("consistency_token", invalid.to_string());
        }
        fields.check()?;
        if let Ok(token) = token {
            self.processes
                .settle(&token)
                .await
                .map_err(|error| from_read_error(&error))?;
        }
        Ok(Response::new(AwaitProcessesResponse {}))
    }

    async fn list_projections(
        &self,
        request: Request<ListProjectionsRequest>,
    ) -> Reply<ListProjectionsResponse> {
        admit("operations.ListProjections", request)?;
        let status = self.projections.status().await;
        Ok(Response::new(ListProjectionsResponse {
            projections: status.into_iter().map(projection).collect(),
        }))
    }

    async fn rebuild_projection(
        &self,
        request: Request<RebuildProjectionRequest>,
    ) -> Reply<Operation> {
        let (request, caller) = admit("operations.RebuildProjection", request)?;
        let mut fields = Fields::default();
        let name = fields.text("name", &request.name, 1..=MAX_NAME_CHARS);
        let request_id = fields.uuid("request_id", &request.request_id);
        fields.check()?;
        let started = self
            .projections
            .rebuild(&name, request_id)
            .map_err(|error| projection_error(&error))?;
        tracing::info!(projection = name, actor = %caller.actor.id, "rebuild asked for");
        Ok(Response::new(operation(started)))
    }

    async fn get_operation(&self, request: Request<GetOperationRequest>) -> Reply<Operation> {
        let (request, _) = admit("operations.GetOperation", request)?;
        let mut fields = Fields::default();
        let name = fields.text("name", &request.name, 1..=MAX_NAME_CHARS);
        fields.check()?;
        let found = self.projections.operation(&name).ok_or_else(|| {
            with_reason(
                Code::NotFound,
                "OPERATION_UNKNOWN",
                &format!("no operation {name}"),
                "operations are remembered until the server stops; ListProjections shows what is live",
            )
        })?;
        Ok(Response::new(operation(found)))
    }

    async fn list_processes(
        &self,
        request: Request<ListProcessesRequest>,
    ) -> Reply<ListProcessesResponse> {
        admit("operations.ListProcesses", request)?;
        let mut status = self.process_status().await?;
        status.sort_by_key(|status| (status.process, status.service));
        Ok(Response::new(ListProcessesResponse {
            processes: status.iter().map(process).collect(),
        }))
    }

    async fn list_parked_events(
        &self,
        request: Request<ListParkedEventsRequest>,
    ) -> Reply<ListParkedEventsResponse> {
        let (request, _) = admit("operations.ListParkedEvents", request)?;
        self.parked_page(&request).await.map(Response::new)
    }

    async fn retry_parked_event(
        &self,
        request: Request<RetryParkedEventRequest>,
    ) -> Reply<RetryParkedEventResponse> {
        let (request, caller) = admit("operations.RetryParkedEvent", request)?;
        let (owner, service) = named(&request.owner, &request.service, Fields::default())?;
        let position = Position(request.position);
        let outcome = if self.is_process(&owner) {
            self.processes
                .retry(&owner, &service, position)
                .await
                .map_err(|error| store_error(&error))?
        } else {
            let outcome = self.projections.retry(&owner, &service, position).await;
            match outcome.map_err(|error| projection_error(&error))? {
                Retried::Handled { .. } => Some(Ok(())),
                Retried::Failed { cause } => Some(Err(cause)),
                Retried::Behind { position } => Some(Err(behind(position))),
                Retried::Unknown => None,
            }
        };
        let outcome = outcome.ok_or_else(|| not_parked(&owner, &service, position))?;
        tracing::info!(owner, service, %position, actor = %caller.actor.id, ?outcome, "parked event tried again");
        Ok(Response::new(RetryParkedEventResponse {
            handled: outcome.is_ok(),
            cause: outcome.err().unwrap_or_default(),
        }))
    }

    async fn skip_parked_event(
        &self,
        request: Request<SkipParkedEventRequest>,
    ) -> Reply<SkipParkedEventResponse> {
        let (request, caller) = admit("operations.SkipParkedEvent", request)?;
        let mut fields = Fields::default();
        fields.reason("reason", &request.reason);
        let (owner, service) = named(&request.owner, &request.service, fields)?;
        let (position, reason) = (Position(request.position), request.reason);
        let was_parked = if self.is_process(&owner) {
            self.processes
                .skip(&owner, &service, position)
                .await
                .map_err(|error| store_error(&error))?
        } else {
            let skipped = self.projections.skip(&owner, &service, position, &reason);
            match skipped.await.map_err(|error| projection_error(&error))? {
                // Passed over; what then became of those behind it is in the list.
                Retried::Handled { .. } | Retried::Failed { .. } => true,
                Retried::Behind { position } => {
                    return Err(with_reason(
                        Code::FailedPrecondition,
                        "PARKED_BEHIND_ANOTHER",
                        &behind(position),
                        "deal with that one first",
                    ));
                }
                Retried::Unknown => false,
            }
        };
        if !was_parked {
            return Err(not_parked(&owner, &service, position));
        }
        tracing::warn!(owner, service, %position, actor = %caller.actor.id, reason, "parked event passed over");
        Ok(Response::new(SkipParkedEventResponse {}))
    }

    async fn get_health_details(
        &self,
        request: Request<GetHealthDetailsRequest>,
    ) -> Reply<GetHealthDetailsResponse> {
        admit("operations.GetHealthDetails", request)?;
        Ok(Response::new(self.health()))
    }
}

impl Operations {
    /// How far every process is in every log that it follows.
    pub(super) async fn process_status(&self) -> Result<Vec<ProcessStatus>, Status> {
        let status = self.processes.status().await;
        status.map_err(|error| from_read_error(&error))
    }

    fn is_process(&self, owner: &str) -> bool {
        self.processes.names().any(|name| name == owner)
    }
}

fn named(owner: &str, service: &str, mut fields: Fields) -> Result<(String, String), Status> {
    let owner = fields.text("owner", owner, 1..=MAX_NAME_CHARS);
    let service = fields.text("service", service, 1..=MAX_NAME_CHARS);
    fields.check()?;
    Ok((owner, service))
}

fn behind(position: Position) -> String {
    format!("the event at position {position} of the same stream is parked too, and comes first")
}

fn not_parked(owner: &str, service: &str, position: Position) -> Status {
    with_reason(
        Code::NotFound,
        "PARKED_EVENT_UNKNOWN",
        &format!("{owner} has no parked event at position {position} of {service}"),
        "ListParkedEvents shows what is parked",
    )
}
