//! The read models service: who sees what, and what a wrong question is answered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tonic::{Code, Request};
use uuid::Uuid;

use crate::grpc::Caller;
use crate::kernel::{Actor, ConsistencyToken, Moment, Role, StreamName};
use crate::log::memory::MemoryLog;
use crate::log::{EventLog, Expected, NewEvent};
use crate::projection::{Projections, ReadModels, Reads, Settings, built_in};
use crate::proto::annals::readmodels::v1::read_models_service_server::ReadModelsService as _;
use crate::proto::annals::readmodels::v1::{
    GetAdminReportRequest, GetEmployerOverviewRequest, GetStudentDashboardRequest,
    ListReadModelsRequest, QueryReadModelRequest,
};

type Spoil = fn(&mut QueryReadModelRequest);

const STUDENT: Uuid = Uuid::from_u128(0x57);
const EMPLOYER: Uuid = Uuid::from_u128(0xe);

struct World {
    _dir: tempfile::TempDir,
    service: ReadModels,
    token: String,
}

/// One submitted application.
async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let services = [
        "applications",
        "placements",
        "attendance",
        "tasks",
        "evaluations",
        "certificates",
        "audit",
    ];
    let logs: HashMap<&'static str, Arc<dyn EventLog>> = services
        .into_iter()
        .map(|service| (service, Arc::new(MemoryLog::new()) as Arc<dyn EventLog>))
        .collect();
    let settings = Settings {
        dir: dir.path().to_path_buf(),
        clock: || Moment::EPOCH,
        threads: tokio::runtime::Handle::current(),
    };
    let projections = Projections::start(built_in().unwrap().into_values(), &logs, settings)
        .await
        .unwrap();
    let id = Uuid::from_u128(0xa);
    let data = json!({
        "application_id": id, "student_id": STUDENT, "internship_id": Uuid::from_u128(0x1), "employer_id": EMPLOYER,
        "title": "Bird counts", "employer_name": "Tern Labs", "description": "",
        "personal": {"student_name": "Ada", "email": "ada@example.org", "statement": ""},
    });
    let event = NewEvent {
        id,
        event_type: "ApplicationSubmitted".into(),
        is_json: true,
        data: Bytes::from(data.to_string()),
        metadata: Bytes::from_static(br#"{"occurred_at":"2026-01-05T09:00:00.000000Z"}"#),
    };
    let stream = StreamName::of("application", id);
    let appended = logs["applications"]
        .append(&stream, Expected::NoStream, vec![event])
        .await
        .unwrap();
    World {
        _dir: dir,
        service: ReadModels::new(Reads::new(projections, Duration::from_secs(20))),
        token: ConsistencyToken::new("applications", appended.position).to_string(),
    }
}

fn by<T>(role: Role, id: Uuid, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Caller {
        actor: Actor { id, role },
    });
    request
}

#[tokio::test]
async fn a_student_sees_their_own_dashboard_and_no_other() {
    let world = world().await;
    let ask = |role, id, student: String| {
        let message = GetStudentDashboardRequest {
            student_id: student,
            consistency_token: world.token.clone(),
        };
        world.service.get_student_dashboard(by(role, id, message))
    };
    let own = ask(Role::Student, STUDENT, STUDENT.to_string())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(own.applications.len(), 1);
    assert_eq!(own.applications[0].state, "SUBMITTED");
    assert_eq!(
        own.applications[0].submitted_at,
        "2026-01-05T09:00:00.000000Z"
    );
    ask(Role::Admin, EMPLOYER, STUDENT.to_string())
        .await
        .unwrap();
    for (role, id) in [
        (Role::Student, EMPLOYER),
        (Role::Employer, STUDENT),
        (Role::Partner, STUDENT),
        (Role::Import, STUDENT),
    ] {
        let refused = ask(role, id, STUDENT.to_string()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{role:?}");
    }
    let rubbish = ask(Role::Student, STUDENT, "rubbish".into())
        .await
        .unwrap_err();
    assert_eq!(rubbish.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn an_employer_sees_their_own_overview_and_no_other() {
    let world = world().await;
    let ask = |role, id| {
        let message = GetEmployerOverviewRequest {
            employer_id: EMPLOYER.to_string(),
            consistency_token: world.token.clone(),
        };
        world.service.get_employer_overview(by(role, id, message))
    };
    let own = ask(Role::Employer, EMPLOYER).await.unwrap().into_inner();
    assert_eq!(own.internships.len(), 1);
    assert_eq!(
        (
            own.internships[0].applications,
            own.internships[0].applications_open
        ),
        (1, 1)
    );
    assert_eq!(
        ask(Role::Employer, STUDENT).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    assert_eq!(
        ask(Role::Student, EMPLOYER).await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

#[tokio::test]
async fn the_report_and_the_generic_query_are_for_admins_and_auditors() {
    let world = world().await;
    for role in [Role::Admin, Role::Auditor] {
        let message = GetAdminReportRequest {
            consistency_token: world.token.clone(),
        };
        let report = world
            .service
            .get_admin_report(by(role, STUDENT, message))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(report.internships[0].applications, 1);
        let models = world
            .service
            .list_read_models(by(role, STUDENT, ListReadModelsRequest {}))
            .await
            .unwrap();
        assert_eq!(models.into_inner().models.len(), built_in().unwrap().len());
    }
    for role in [Role::Student, Role::Employer, Role::Partner, Role::Import] {
        let report = world
            .service
            .get_admin_report(by(role, STUDENT, GetAdminReportRequest::default()))
            .await;
        assert_eq!(report.unwrap_err().code(), Code::PermissionDenied);
        let query = world
            .service
            .query_read_model(by(role, STUDENT, QueryReadModelRequest::default()))
            .await;
        assert_eq!(query.unwrap_err().code(), Code::PermissionDenied);
    }
}

#[tokio::test]
async fn a_generic_query_answers_rows_or_says_what_is_wrong() {
    let world = world().await;
    let good = QueryReadModelRequest {
        model: "application_board".into(),
        query: "by_student".into(),
        parameters: Some(crate::projection::to_struct(
            [("student_id".to_owned(), json!(STUDENT))]
                .into_iter()
                .collect(),
        )),
        filter: "state = SUBMITTED AND submitted_at >= 2026-01-05".into(),
        consistency_token: world.token.clone(),
        ..QueryReadModelRequest::default()
    };
    let ask = async |message: QueryReadModelRequest| {
        world
            .service
            .query_read_model(by(Role::Admin, STUDENT, message))
            .await
            .map(tonic::Response::into_inner)
    };
    assert_eq!(ask(good.clone()).await.unwrap().rows.len(), 1);
    let wrong: [(&str, Spoil); 6] = [
        ("parameters.student_id", |m| m.parameters = None),
        ("query", |m| m.query = "by_studnt".into()),
        ("filter", |m| m.filter = "state".into()),
        ("page_size", |m| m.page_size = -1),
        ("page_token", |m| m.page_token = "x".into()),
        ("consistency_token", |m| m.consistency_token = "x".into()),
    ];
    for (field, spoil) in wrong {
        let mut message = good.clone();
        spoil(&mut message);
        let status = ask(message).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{field}");
        let details = tonic_types::StatusExt::get_error_details(&status);
        assert_eq!(
            details.bad_request().unwrap().field_violations[0].field,
            field
        );
    }
    let unknown = ask(QueryReadModelRequest {
        model: "aplication_board".into(),
        ..good
    })
    .await
    .unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}
