//! A server in this process with one placement that went all the way to eligibility.

mod raw;
mod requests;

use std::collections::BTreeMap;
use std::time::Duration;

use annals::kernel::{Actor, Moment, Role};
use annals::ops::config::{Config, Layers};
use annals::ops::keys::OwnKey;
use annals::ops::{client, clock, serve};
use annals::proto::annals::certificates::v1::DelegateIssuingRequest;
use annals::proto::annals::certificates::v1::certificates_service_client::CertificatesServiceClient;
use annals::proto::annals::evaluations::v1::evaluations_service_client::EvaluationsServiceClient;
use annals::proto::annals::evaluations::v1::{CategoryRating, RecordEvaluationRequest};
use annals::proto::annals::tasks::v1::tasks_service_client::TasksServiceClient;
use annals::proto::annals::tasks::v1::{
    Artifact, AssignTaskRequest, SubmitWorkRequest, artifact::Reference,
};
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

pub use self::requests::{action, methods};
use crate::support::journey::{Journey, far_future, id, settle};
use crate::support::server::{Authenticated, with_token};

/// Services with a log of their own.
const LOGS: [&str; 7] = [
    "applications",
    "placements",
    "attendance",
    "tasks",
    "evaluations",
    "certificates",
    "audit",
];

/// The server and what it holds.
pub struct World {
    pub journey: Journey,
    pub partner: Uuid,
    pub config: Config,
    pub key: OwnKey,
    pub channel: Channel,
    /// Of the last command of the journey.
    pub token: String,
    data: TempDir,
    server: serve::Server,
}

impl World {
    /// Starts a server and walks the journey.
    pub async fn make() -> Self {
        // The tests of every method come from one address.
        Self::with("limits.verifications=1000000").await
    }

    /// The same with another setting.
    pub async fn with(setting: &str) -> Self {
        let data = TempDir::new().unwrap();
        let mut layers = Layers::default();
        for setting in [
            format!("data.dir={}", data.path().display()),
            "server.listen=127.0.0.1:0".to_owned(),
            setting.to_owned(),
        ] {
            layers.assign(&setting).unwrap();
        }
        let config = Config::load(&layers).unwrap();
        let server = serve::Server::start(&config).await.unwrap();
        let channel = Endpoint::from_shared(format!("http://{}", server.local_addr()))
            .unwrap()
            .connect()
            .await
            .unwrap();
        let key = OwnKey::open_or_make(data.path()).unwrap();
        let mut world = Self {
            journey: Journey::new("world", "2024-01-01"),
            partner: id("partner"),
            config,
            key,
            channel,
            token: String::new(),
            data,
            server,
        };
        world.walk().await;
        world
    }

    /// From the application to a placement that is completed, whose certificate the partner may issue.
    async fn walk(&mut self) {
        let import = self.caller(Role::Import, id("importer"));
        let journey = self.journey.clone();
        journey.to_placement(&import).await.unwrap();
        let placement_id = journey.placement.to_string();
        let task_id = id("task").to_string();
        let mut tasks = TasksServiceClient::new(import.clone());
        tasks
            .assign_task(AssignTaskRequest {
                request_id: journey.request("assign"),
                placement_id: placement_id.clone(),
                task_id: task_id.clone(),
                title: "Load the records".to_owned(),
                due_at: Some(far_future()),
                ..Default::default()
            })
            .await
            .unwrap();
        tasks
            .submit_work(SubmitWorkRequest {
                request_id: journey.request("work"),
                placement_id: placement_id.clone(),
                task_id,
                submission_id: id("submission").to_string(),
                artifacts: vec![Artifact {
                    name: "Report".to_owned(),
                    reference: Some(Reference::Link("https://example.org/1".to_owned())),
                }],
                ..Default::default()
            })
            .await
            .unwrap();
        let recorded = EvaluationsServiceClient::new(import)
            .record_evaluation(RecordEvaluationRequest {
                request_id: journey.request("evaluate"),
                placement_id: placement_id.clone(),
                ratings: (1..=5)
                    .map(|category| CategoryRating {
                        category,
                        rating: 4,
                    })
                    .collect(),
                ..Default::default()
            })
            .await
            .unwrap();
        let admin = self.caller(Role::Admin, id("admin"));
        settle(&admin, &recorded.into_inner().consistency_token)
            .await
            .unwrap();
        let delegated = CertificatesServiceClient::new(admin.clone())
            .delegate_issuing(DelegateIssuingRequest {
                request_id: journey.request("delegate"),
                placement_id,
                partner_id: self.partner.to_string(),
                ..Default::default()
            })
            .await
            .unwrap();
        self.token = delegated.into_inner().consistency_token;
        settle(&admin, &self.token).await.unwrap();
    }

    /// Stops the server.
    pub async fn stop(self) {
        self.server.stop().await.unwrap();
    }

    /// Whom the journey belongs to, in a role that owns something; anybody in another.
    pub fn owner(&self, role: Role) -> Uuid {
        match role {
            Role::Student => self.journey.student,
            Role::Employer => self.journey.employer,
            Role::Partner => self.partner,
            Role::Admin | Role::Auditor | Role::Import | Role::System => id("somebody"),
        }
    }

    /// A token of that role.
    pub fn mint(&self, role: Role, subject: Uuid) -> String {
        self.mint_at(role, subject, clock::now())
    }

    /// A token that was valid for an hour from `at`.
    pub fn mint_at(&self, role: Role, subject: Uuid, at: Moment) -> String {
        let hour = Duration::from_hours(1);
        self.key
            .mint(Actor { id: subject, role }, at, hour, &self.config.auth)
            .unwrap()
    }

    /// A typed caller.
    pub fn caller(&self, role: Role, subject: Uuid) -> Authenticated {
        with_token(self.channel.clone(), &self.mint(role, subject))
    }

    /// Calls any method, with or without a token.
    pub async fn call(
        &self,
        method: &MethodDescriptor,
        message: DynamicMessage,
        token: Option<&str>,
    ) -> Result<DynamicMessage, Status> {
        let mut request = Request::new(message);
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        match client::call(self.channel.clone(), method, request).await {
            Ok(reply) => Ok(reply),
            Err(client::CallError::Status(status)) => Err(*status),
            Err(other) => panic!("{other}"),
        }
    }

    /// How many events each log holds, read beside the server.
    pub fn heads(&self) -> BTreeMap<&'static str, i64> {
        LOGS.into_iter()
            .map(|service| (service, self.head(service)))
            .collect()
    }

    fn head(&self, service: &str) -> i64 {
        let file = self.data.path().join(service).join("log.db");
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let log = rusqlite::Connection::open_with_flags(file, flags).unwrap();
        log.query_row("SELECT coalesce(max(position), 0) FROM events", [], |row| {
            row.get(0)
        })
        .unwrap()
    }
}

/// The stable reason of a failure.
pub fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

/// Ok counts as a code, too.
pub fn code(outcome: &Result<DynamicMessage, Status>) -> Code {
    outcome.as_ref().map_or_else(Status::code, |_| Code::Ok)
}
