//! Guards against an operator who is shown nothing, or who does something to an event that is not parked.

use annals::proto::annals::operations::v1::operations_service_client::OperationsServiceClient;
use annals::proto::annals::operations::v1::{
    AwaitProcessesRequest, GetHealthDetailsRequest, GetOperationRequest, ListParkedEventsRequest,
    ListProcessesRequest, ListProjectionsRequest, RebuildProjectionRequest,
    RetryParkedEventRequest, SkipParkedEventRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::journey::{Journey, id, settle};
use crate::support::server::{Authenticated, Server};

type Client = OperationsServiceClient<Authenticated>;

fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

async fn admin(server: &Server) -> Client {
    OperationsServiceClient::new(server.caller("admin", id("admin")).await)
}

#[tokio::test]
async fn every_part_shows_that_it_serves_and_how_far_it_is() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let importer = server.caller("import", id("importer")).await;
    let journey = Journey::new("operations", "2024-01-01");
    journey.to_offer(&importer).await.unwrap();
    let accepted = journey.accept(&importer).await.unwrap().into_inner();
    assert!(accepted.processes_pending, "accepting starts a placement");
    settle(&importer, &accepted.consistency_token)
        .await
        .unwrap();

    let mut admin = admin(&server).await;
    let health = admin.get_health_details(GetHealthDetailsRequest {}).await;
    let health = health.unwrap().into_inner();
    assert!(health.serving, "{health:?}");
    for part in [
        "log/placements",
        "projection/admin_report",
        "process/acceptance/applications",
    ] {
        assert!(
            health.components.iter().any(|c| c.name == part),
            "{part}: {health:?}"
        );
    }
    let processes = admin.list_processes(ListProcessesRequest {}).await.unwrap();
    for process in processes.into_inner().processes {
        let source = process.source.unwrap();
        assert_eq!(
            (source.position, process.parked),
            (source.head, 0),
            "{}",
            process.name
        );
    }
    let projections = admin
        .list_projections(ListProjectionsRequest {})
        .await
        .unwrap();
    let projections = projections.into_inner().projections;
    assert!(
        projections
            .iter()
            .all(|projection| projection.state == "LIVE")
    );
    assert!(projections.len() >= 7);
}

#[tokio::test]
async fn a_rebuild_is_an_operation_that_ends_and_a_retry_of_it_is_the_same_one() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let mut admin = admin(&server).await;
    let request = RebuildProjectionRequest {
        name: "admin_report".to_owned(),
        request_id: id("rebuild").to_string(),
    };
    let started = admin
        .rebuild_projection(request.clone())
        .await
        .unwrap()
        .into_inner();
    let again = admin
        .rebuild_projection(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(started.name, again.name);
    let mut operation = started;
    while !operation.done {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let request = GetOperationRequest {
            name: operation.name,
        };
        operation = admin.get_operation(request).await.unwrap().into_inner();
    }
    assert_eq!(operation.error, "");

    let unknown = GetOperationRequest {
        name: "operations/none".to_owned(),
    };
    assert_eq!(
        admin.get_operation(unknown).await.unwrap_err().code(),
        Code::NotFound
    );
    let unknown = RebuildProjectionRequest {
        name: "admin_reprot".to_owned(),
        request_id: id("other").to_string(),
    };
    let status = admin.rebuild_projection(unknown).await.unwrap_err();
    assert_eq!(reason(&status), "PROJECTION_UNKNOWN");
    assert!(
        status.message().contains("admin_report"),
        "{}",
        status.message()
    );
}

#[tokio::test]
async fn what_is_not_parked_is_neither_tried_again_nor_passed_over() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let mut admin = admin(&server).await;
    for owner in ["admin_report", "acceptance"] {
        let retry = RetryParkedEventRequest {
            owner: owner.to_owned(),
            service: "applications".to_owned(),
            position: 1,
        };
        let status = admin.retry_parked_event(retry).await.unwrap_err();
        assert_eq!(reason(&status), "PARKED_EVENT_UNKNOWN", "{owner}");
        let mut skip = SkipParkedEventRequest {
            owner: owner.to_owned(),
            service: "applications".to_owned(),
            position: 1,
            reason: String::new(),
        };
        let status = admin.skip_parked_event(skip.clone()).await.unwrap_err();
        assert_eq!(reason(&status), "REASON_REQUIRED", "{owner}");
        skip.reason = "damaged at the source".to_owned();
        let status = admin.skip_parked_event(skip).await.unwrap_err();
        assert_eq!(reason(&status), "PARKED_EVENT_UNKNOWN", "{owner}");
    }
    let all = admin
        .list_parked_events(ListParkedEventsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(all.events.is_empty() && all.next_page_token.is_empty());
    for (page_size, page_token) in [(-1, ""), (1_001, ""), (0, "rubbish")] {
        let request = ListParkedEventsRequest {
            page_size,
            page_token: page_token.to_owned(),
            ..Default::default()
        };
        let status = admin.list_parked_events(request).await.unwrap_err();
        assert_eq!(
            status.code(),
            Code::InvalidArgument,
            "{page_size} {page_token}"
        );
    }
}

#[tokio::test]
async fn waiting_for_what_was_never_written_ends_with_the_deadline() {
    let data = tempfile::tempdir().unwrap();
    // The server's own deadline: the client's timer would run beside one that the client sets.
    let server = Server::start_with(data.path(), &["--set", "limits.default_deadline=2000"]);
    let mut admin = admin(&server).await;
    let token = annals::kernel::ConsistencyToken::new("applications", annals::kernel::Position(9));
    let request = AwaitProcessesRequest {
        consistency_token: token.to_string(),
    };
    let status = admin.await_processes(request).await.unwrap_err();
    assert_eq!(reason(&status), "DEADLINE_EXCEEDED", "{status:?}");
    let rubbish = AwaitProcessesRequest {
        consistency_token: "v1.?".to_owned(),
    };
    assert_eq!(
        admin.await_processes(rubbish).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}
