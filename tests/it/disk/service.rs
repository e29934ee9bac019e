//! Annals itself: what its callers are told, what health says, and that it resumes.

use std::time::Duration;

use annals::log::sqlite::verify;
use annals::proto::annals::attendance::v1::ClockInRequest;
use annals::proto::annals::attendance::v1::attendance_service_client::AttendanceServiceClient;
use annals::proto::annals::operations::v1::operations_service_client::OperationsServiceClient;
use annals::proto::annals::operations::v1::{GetHealthDetailsRequest, ListProjectionsRequest};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use super::HEALS_WITHIN;
use super::disks::{Failing, Small};
use crate::support::journey::{Journey, id};
use crate::support::server::{Authenticated, Server};

/// `grpc.health.v1`'s numbers.
const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;

async fn clock_in(caller: &Authenticated, journey: &Journey) -> Result<(), Status> {
    let request = ClockInRequest {
        request_id: journey.request("clock-in"),
        placement_id: journey.placement.to_string(),
        date: journey.start_date.clone(),
        ..Default::default()
    };
    AttendanceServiceClient::new(caller.clone())
        .clock_in(request)
        .await
        .map(drop)
}

async fn health(channel: &Channel, service: &str) -> i32 {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(channel.clone()).check(request).await;
    answer.unwrap().into_inner().status
}

/// State and detail of a log, as operators see it.
async fn details(admin: &Authenticated, log: &str) -> (String, String) {
    let answer = OperationsServiceClient::new(admin.clone())
        .get_health_details(GetHealthDetailsRequest {})
        .await
        .unwrap();
    let components = answer.into_inner().components;
    let component = components.into_iter().find(|part| part.name == log);
    let component = component.unwrap();
    (component.state, component.detail)
}

const ATTENDANCE: &str = "annals.attendance.v1.AttendanceService";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_named_to_callers_and_in_health_and_the_service_resumes_by_itself() {
    let Some(disk) = Failing::disk() else {
        return;
    };
    let server = disk.serve();
    let importer = server.caller("import", id("importer")).await;
    let admin = server.caller("admin", id("admin")).await;
    let channel = server.connect().await;
    let journey = Journey::new("full", "2024-01-01");
    journey.to_placement(&importer).await.unwrap();

    disk.fault.begin("full", "/attendance/log.");
    let refused = clock_in(&importer, &journey).await.unwrap_err();
    let errors = refused.get_error_details();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert_eq!(errors.error_info().unwrap().reason, "STORAGE_FULL");
    assert!(errors.retry_info().is_some(), "it can be tried again");
    let (state, detail) = details(&admin, "log/attendance").await;
    assert_eq!(state, "DEGRADED");
    assert!(detail.contains("no room on the disk"), "{detail}");
    for service in [ATTENDANCE, ""] {
        assert_eq!(health(&channel, service).await, NOT_SERVING, "{service}");
    }
    // The others have room.
    Journey::new("other", "2024-01-01")
        .to_offer(&importer)
        .await
        .unwrap();

    disk.fault.end();
    let healed = async {
        while health(&channel, "").await != SERVING {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(HEALS_WITHIN, healed)
        .await
        .expect("it heals");
    assert_eq!(health(&channel, ATTENDANCE).await, SERVING);
    clock_in(&importer, &journey).await.unwrap();
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_resumes_when_a_whole_disk_has_room_again() {
    let Some(disk) = Small::disk(192) else {
        return;
    };
    let server = Server::start(&disk.data);
    let importer = server.caller("import", id("importer")).await;
    let admin = server.caller("admin", id("admin")).await;
    let channel = server.connect().await;
    let mut done = Vec::new();
    for number in 0..3 {
        let journey = Journey::new(&format!("before-{number}"), "2024-01-01");
        journey.to_placement(&importer).await.unwrap();
        done.push(journey);
    }
    disk.fill();
    let journey = Journey::new("meanwhile", "2024-01-01");
    // What the files have room for already goes in; then something is refused, or waits in vain for the processes.
    let mut refused = Err(Status::cancelled("not tried"));
    for number in 0..50 {
        let more = Journey::new(&format!("filling-{number}"), "2024-01-01");
        refused = more.to_offer(&importer).await;
        match &refused {
            Ok(()) => done.push(more),
            Err(_) => break,
        }
    }
    let refused = refused.unwrap_err();
    let reason = refused
        .get_error_details()
        .error_info()
        .unwrap()
        .reason
        .clone();
    assert_eq!(reason, "STORAGE_FULL", "{refused:?}");
    assert_eq!(health(&channel, "").await, NOT_SERVING);

    disk.make_room();
    let healed = async {
        while health(&channel, "").await != SERVING
            || journey.to_placement(&importer).await.is_err()
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        loop {
            let answer = OperationsServiceClient::new(admin.clone())
                .get_health_details(GetHealthDetailsRequest {})
                .await;
            if answer.unwrap().into_inner().serving {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let healed = tokio::time::timeout(2 * HEALS_WITHIN, healed).await;
    if healed.is_err() {
        let answer = OperationsServiceClient::new(admin.clone())
            .get_health_details(GetHealthDetailsRequest {})
            .await;
        panic!("it does not heal: {answer:?}");
    }
    // A repeat of everything that was done changes nothing.
    for journey in &done {
        journey.to_offer(&importer).await.unwrap();
    }
    let listed = OperationsServiceClient::new(admin)
        .list_projections(ListProjectionsRequest {})
        .await
        .unwrap();
    for projection in listed.into_inner().projections {
        assert_eq!(projection.state, "LIVE", "{}", projection.name);
        assert_eq!(projection.parked, 0, "{}", projection.name);
    }
    server.stop();
    for service in ["applications", "placements", "attendance"] {
        let found = verify(&disk.data.join(service), |_, _| {}).unwrap();
        assert_eq!(found.damages, [], "{service}");
    }
}
