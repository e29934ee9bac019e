//! What the read models say, asked as an admin would ask.

use std::time::{Duration, Instant};

use annals::proto::annals::operations::v1::operations_service_client::OperationsServiceClient;
use annals::proto::annals::operations::v1::{
    ListProcessesRequest, ListProjectionsRequest, SourceProgress,
};
use annals::proto::annals::readmodels::v1::read_models_service_client::ReadModelsServiceClient;
use annals::proto::annals::readmodels::v1::{GetAdminReportRequest, QueryReadModelRequest};
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use serde_json::json;
use uuid::Uuid;

use super::files::{Files, patience};
use crate::support::server::{Authenticated, Server};

/// A connection as an admin.
pub struct View(Authenticated);

impl View {
    /// Of this server.
    pub async fn of(server: &Server) -> Self {
        Self(server.caller("admin", Uuid::from_u128(0xad)).await)
    }

    /// Waits until processes and read models have seen all there is, and nothing is parked.
    pub async fn settled(&self) {
        let begun = Instant::now();
        let mut before = None;
        loop {
            let now = self.progress().await;
            let caught_up = now.iter().all(|(_, source)| source.position >= source.head);
            // A process that caught up may just have written something for the next one to see.
            if caught_up && before.as_ref() == Some(&now) {
                return;
            }
            assert!(begun.elapsed() < patience(), "still on the way: {now:?}");
            before = Some(now);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn progress(&self) -> Vec<(String, SourceProgress)> {
        let mut operations = OperationsServiceClient::new(self.0.clone());
        let mut sources = Vec::new();
        let processes = operations
            .list_processes(ListProcessesRequest {})
            .await
            .unwrap();
        for process in processes.into_inner().processes {
            assert_eq!(process.parked, 0, "{process:?}");
            sources.extend(process.source.map(|source| (process.name, source)));
        }
        let projections = operations
            .list_projections(ListProjectionsRequest {})
            .await
            .unwrap();
        for projection in projections.into_inner().projections {
            assert_eq!(projection.parked, 0, "{projection:?}");
            let name = projection.name;
            sources.extend(
                projection
                    .sources
                    .into_iter()
                    .map(|source| (name.clone(), source)),
            );
        }
        assert!(!sources.is_empty());
        sources
    }

    /// The totals and the certificate register are those that the files imply.
    pub async fn assert_shows(&self, files: &Files) {
        assert_eq!(self.totals().await, files.internships());
        assert_eq!(self.certificates().await, files.certificates());
    }

    async fn totals(&self) -> Vec<serde_json::Value> {
        let mut models = ReadModelsServiceClient::new(self.0.clone());
        let report = models
            .get_admin_report(GetAdminReportRequest::default())
            .await
            .unwrap();
        let rows = report.into_inner().internships.into_iter();
        rows.map(|row| {
            json!({
                "title": row.title,
                "applications": row.applications,
                "accepted": row.accepted,
                "placements": row.placements,
                "completed": row.completed,
                "terminated": row.terminated,
                "days_present": row.days_present,
                "tasks": row.tasks,
                "submissions": row.submissions,
                "submissions_late": row.submissions_late,
                "reviews_accepted": row.reviews_accepted,
                "reviews_needing_revision": row.reviews_needing_revision,
                "score_sum": row.score_sum,
                "evaluations": row.evaluations,
                "certificates": row.certificates,
            })
        })
        .collect()
    }

    /// Holder, title and last day of every certificate, page by page, sorted.
    async fn certificates(&self) -> Vec<[String; 3]> {
        let mut models = ReadModelsServiceClient::new(self.0.clone());
        let mut request = QueryReadModelRequest {
            model: "certificate_register".to_owned(),
            page_size: 500,
            ..Default::default()
        };
        let mut found = Vec::new();
        loop {
            let page = models
                .query_read_model(request.clone())
                .await
                .unwrap()
                .into_inner();
            found.extend(page.rows.iter().map(|row| {
                assert_eq!(text(row, "status"), "VALID");
                ["holder_name", "internship_title", "end_date"].map(|column| text(row, column))
            }));
            if page.next_page_token.is_empty() {
                found.sort();
                return found;
            }
            request.page_token = page.next_page_token;
        }
    }
}

fn text(row: &Struct, column: &str) -> String {
    match row.fields.get(column) {
        Some(Value {
            kind: Some(Kind::StringValue(text)),
        }) => text.clone(),
        other => panic!("{column} is {other:?}"),
    }
}
