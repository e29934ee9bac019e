//! `annals.readmodels.v1.ReadModelsService`: named queries as typed and as generic answers.

use serde_json::Value;
use tonic::{Request, Response, Status, async_trait};

use super::query::Ask;
use super::reads::{Reads, Row};
use super::structs::{from_struct, to_struct};
use crate::grpc::{Caller, Fields, authorise, authorise_own};
use crate::kernel::Owners;
use crate::proto::annals::readmodels::v1::read_models_service_server::ReadModelsService;
use crate::proto::annals::readmodels::v1::{
    DashboardApplication, DashboardPlacement, EmployerInternship, GetAdminReportRequest,
    GetAdminReportResponse, GetEmployerOverviewRequest, GetEmployerOverviewResponse,
    GetStudentDashboardRequest, GetStudentDashboardResponse, InternshipTotals,
    ListReadModelsRequest, ListReadModelsResponse, QueryReadModelRequest, QueryReadModelResponse,
    ReadModel,
};

const DASHBOARD: &str = "student_dashboard";
const OVERVIEW: &str = "employer_overview";
const REPORT: &str = "admin_report";
/// Longest name of a model or a query, in characters.
const MAX_NAME_CHARS: usize = 100;
/// The query that is asked where a request names none.
const DEFAULT_QUERY: &str = "list";

/// The read models service.
pub struct ReadModels {
    reads: Reads,
}

impl ReadModels {
    /// Serves what `reads` answers.
    #[must_use]
    pub const fn new(reads: Reads) -> Self {
        Self { reads }
    }
}

#[async_trait]
impl ReadModelsService for ReadModels {
    async fn get_student_dashboard(
        &self,
        request: Request<GetStudentDashboardRequest>,
    ) -> Result<Response<GetStudentDashboardResponse>, Status> {
        const ACTION: &str = "readmodels.GetStudentDashboard";
        let caller = Caller::of(request.extensions())?;
        authorise(ACTION, caller)?;
        let message = request.into_inner();
        let mut fields = Fields::default();
        let student = fields.uuid("student_id", &message.student_id);
        fields.check()?;
        let owners = Owners {
            student: Some(student),
            ..Owners::default()
        };
        authorise_own(ACTION, caller, &owners)?;
        self.reads
            .wait(DASHBOARD, &message.consistency_token)
            .await?;
        let of = [("student_id", Value::from(student.to_string()))];
        let applications = self.reads.all(DASHBOARD, "applications", &of).await?;
        let placements = self.reads.all(DASHBOARD, "placements", &of).await?;
        Ok(Response::new(GetStudentDashboardResponse {
            student_id: student.to_string(),
            applications: applications.iter().map(application).collect(),
            placements: placements.iter().map(placement).collect(),
        }))
    }

    async fn get_employer_overview(
        &self,
        request: Request<GetEmployerOverviewRequest>,
    ) -> Result<Response<GetEmployerOverviewResponse>, Status> {
        const ACTION: &str = "readmodels.GetEmployerOverview";
        let caller = Caller::of(request.extensions())?;
        authorise(ACTION, caller)?;
        let message = request.into_inner();
        let mut fields = Fields::default();
        let employer = fields.uuid("employer_id", &message.employer_id);
        fields.check()?;
        let owners = Owners {
            employer: Some(employer),
            ..Owners::default()
        };
        authorise_own(ACTION, caller, &owners)?;
        self.reads
            .wait(OVERVIEW, &message.consistency_token)
            .await?;
        let of = [("employer_id", Value::from(employer.to_string()))];
        let rows = self.reads.all(OVERVIEW, "internships", &of).await?;
        Ok(Response::new(GetEmployerOverviewResponse {
            employer_id: employer.to_string(),
            internships: rows.iter().map(internship).collect(),
        }))
    }

    async fn get_admin_report(
        &self,
        request: Request<GetAdminReportRequest>,
    ) -> Result<Response<GetAdminReportResponse>, Status> {
        authorise(
            "readmodels.GetAdminReport",
            Caller::of(request.extensions())?,
        )?;
        self.reads
            .wait(REPORT, &request.into_inner().consistency_token)
            .await?;
        let rows = self.reads.all(REPORT, "list", &[]).await?;
        Ok(Response::new(GetAdminReportResponse {
            internships: rows.iter().map(totals).collect(),
        }))
    }

    async fn query_read_model(
        &self,
        request: Request<QueryReadModelRequest>,
    ) -> Result<Response<QueryReadModelResponse>, Status> {
        authorise(
            "readmodels.QueryReadModel",
            Caller::of(request.extensions())?,
        )?;
        let message = request.into_inner();
        let mut fields = Fields::default();
        // The answer repeats an unknown name.
        fields.text("model", &message.model, 1..=MAX_NAME_CHARS);
        fields.text("query", &message.query, 0..=MAX_NAME_CHARS);
        fields.check()?;
        self.reads
            .wait(&message.model, &message.consistency_token)
            .await?;
        let parameters = from_struct(message.parameters.unwrap_or_default());
        let query = if message.query.is_empty() {
            DEFAULT_QUERY
        } else {
            &message.query
        };
        let page = self
            .reads
            .page(Ask {
                model: &message.model,
                query,
                parameters: &parameters,
                filter: &message.filter,
                page_size: message.page_size,
                page_token: &message.page_token,
            })
            .await?;
        Ok(Response::new(QueryReadModelResponse {
            rows: page.rows.into_iter().map(to_struct).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn list_read_models(
        &self,
        request: Request<ListReadModelsRequest>,
    ) -> Result<Response<ListReadModelsResponse>, Status> {
        authorise(
            "readmodels.ListReadModels",
            Caller::of(request.extensions())?,
        )?;
        let models = self.reads.projections().models();
        Ok(Response::new(ListReadModelsResponse {
            models: models
                .into_iter()
                .map(|(name, queries)| ReadModel { name, queries })
                .collect(),
        }))
    }
}

fn application(row: &Row) -> DashboardApplication {
    DashboardApplication {
        application_id: row.text("application_id"),
        internship_title: row.text("internship_title"),
        employer_name: row.text("employer_name"),
        state: row.text("state"),
        submitted_at: row.text("submitted_at"),
        offer_valid_until: row.text("offer_valid_until"),
    }
}

fn placement(row: &Row) -> DashboardPlacement {
    DashboardPlacement {
        placement_id: row.text("placement_id"),
        title: row.text("title"),
        state: row.text("state"),
        start_date: row.text("start_date"),
        end_date: row.text("end_date"),
        days_present: row.integer("days_present"),
        days_absent: row.integer("days_absent"),
        tasks_assigned: row.integer("tasks_assigned"),
        tasks_submitted: row.integer("tasks_submitted"),
        submissions_late: row.integer("submissions_late"),
        submissions_accepted: row.integer("submissions_accepted"),
        mean_score: row.number("mean_score"),
        certificate_id: row.text("certificate_id"),
        certificate_status: row.text("certificate_status"),
        verification_code: row.text("verification_code"),
    }
}

fn internship(row: &Row) -> EmployerInternship {
    EmployerInternship {
        internship_id: row.text("internship_id"),
        title: row.text("title"),
        applications: row.integer("applications"),
        applications_open: row.integer("applications_open"),
        offers: row.integer("offers"),
        placements: row.integer("placements"),
        placements_active: row.integer("placements_active"),
        reviews_pending: row.integer("reviews_pending"),
    }
}

fn totals(row: &Row) -> InternshipTotals {
    InternshipTotals {
        internship_id: row.text("internship_id"),
        title: row.text("title"),
        applications: row.integer("applications"),
        accepted: row.integer("accepted"),
        placements: row.integer("placements"),
        completed: row.integer("completed"),
        terminated: row.integer("terminated"),
        days_present: row.integer("days_present"),
        tasks: row.integer("tasks"),
        submissions: row.integer("submissions"),
        submissions_late: row.integer("submissions_late"),
        reviews_accepted: row.integer("reviews_accepted"),
        reviews_needing_revision: row.integer("reviews_needing_revision"),
        score_sum: row.integer("score_sum"),
        evaluations: row.integer("evaluations"),
        certificates: row.integer("certificates"),
    }
}
