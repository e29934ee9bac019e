//! `annals.placements.v1.PlacementsService`: requests as commands, readiness from the read model.

use serde_json::Value;
use tonic::{Code, Request, Response, Status, async_trait};
use uuid::Uuid;

use super::{Command, MandatoryTasks, Placement, Progress, criteria};
use crate::command_requests;
use crate::grpc::{Caller, Clock, Desk, Fields, authorise, authorise_own, with_reason};
use crate::kernel::{Date, Figures, Owners, Terms, parse_date};
use crate::projection::{Reads, Row};
use crate::proto::annals::common::v1::CommandReply;
use crate::proto::annals::placements::v1::placements_service_server::PlacementsService;
use crate::proto::annals::placements::v1::{
    Criterion, GetCompletionReadinessRequest, GetCompletionReadinessResponse, HoldPlacementRequest,
    ResumePlacementRequest, TerminatePlacementRequest,
};

command_requests!(
    HoldPlacementRequest,
    ResumePlacementRequest,
    TerminatePlacementRequest,
);

/// The read model that shows how far a placement is.
const MODEL: &str = "placement_progress";

/// The placements service.
pub struct Placements {
    desk: Desk<Placement>,
    reads: Reads,
    clock: Clock,
}

impl Placements {
    /// Serves the placements behind `desk`, and their progress as `reads` shows it.
    #[must_use]
    pub const fn new(desk: Desk<Placement>, reads: Reads, clock: Clock) -> Self {
        Self { desk, reads, clock }
    }
}

type Reply = Result<Response<CommandReply>, Status>;

#[async_trait]
impl PlacementsService for Placements {
    async fn hold_placement(&self, request: Request<HoldPlacementRequest>) -> Reply {
        self.desk
            .run("placements.HoldPlacement", request, |m, fields| {
                fields.reason("reason", &m.reason);
                (fields.uuid("placement_id", &m.placement_id), Command::Hold)
            })
            .await
    }

    async fn resume_placement(&self, request: Request<ResumePlacementRequest>) -> Reply {
        self.desk
            .run("placements.ResumePlacement", request, |m, fields| {
                fields.reason("reason", &m.reason);
                let id = fields.uuid("placement_id", &m.placement_id);
                (id, Command::Resume)
            })
            .await
    }

    async fn terminate_placement(&self, request: Request<TerminatePlacementRequest>) -> Reply {
        self.desk
            .run("placements.TerminatePlacement", request, |m, fields| {
                fields.reason("reason", &m.reason);
                let id = fields.uuid("placement_id", &m.placement_id);
                (id, Command::Terminate)
            })
            .await
    }

    async fn get_completion_readiness(
        &self,
        request: Request<GetCompletionReadinessRequest>,
    ) -> Result<Response<GetCompletionReadinessResponse>, Status> {
        const ACTION: &str = "placements.GetCompletionReadiness";
        let caller = Caller::of(request.extensions())?;
        authorise(ACTION, caller)?;
        let message = request.into_inner();
        let mut fields = Fields::default();
        let placement = fields.uuid("placement_id", &message.placement_id);
        fields.check()?;
        self.reads.wait(MODEL, &message.consistency_token).await?;
        let of = [("placement_id", Value::from(placement.to_string()))];
        let rows = self.reads.all(MODEL, "by_placement", &of).await?;
        let row = rows.into_iter().next();
        authorise_own(
            ACTION,
            caller,
            &row.as_ref().map(owners).unwrap_or_default(),
        )?;
        let row = row.ok_or_else(unknown)?;
        readiness(placement, &row, (self.clock)().date())
            .map(Response::new)
            .ok_or_else(unknown)
    }
}

fn owners(row: &Row) -> Owners {
    Owners {
        student: Uuid::try_parse(&row.text("student_id")).ok(),
        employer: Uuid::try_parse(&row.text("employer_id")).ok(),
        partners: Vec::new(),
    }
}

fn unknown() -> Status {
    with_reason(
        Code::NotFound,
        "PLACEMENT_NOT_ACTIVE",
        "there is no placement with this id",
        "check the placement id; after an acceptance, send its consistency token",
    )
}

/// As of today, or of the placement's last day; none where the row has no terms.
fn readiness(placement: Uuid, row: &Row, today: Date) -> Option<GetCompletionReadinessResponse> {
    let terms: Terms = serde_json::from_value(row.json("terms")).ok()?;
    let state = row.text("state");
    let criteria: Vec<Criterion> = criteria(&Progress {
        terms: &terms,
        as_of: parse_date(&row.text("end_date")).unwrap_or(today),
        tasks: MandatoryTasks {
            assigned: count(row, "mandatory_assigned"),
            submitted: count(row, "mandatory_submitted"),
        },
        evaluated: row.flag("evaluation_recorded"),
        figures: Some(figures(row)),
    })
    .into_iter()
    .map(|criterion| Criterion {
        name: criterion.name.into_owned(),
        figure: criterion.figure,
        required: criterion.required,
        holds: criterion.holds,
    })
    .collect();
    Some(GetCompletionReadinessResponse {
        placement_id: placement.to_string(),
        ready: criteria.iter().all(|criterion| criterion.holds),
        state,
        criteria,
    })
}

/// The final figures, or those so far.
fn figures(row: &Row) -> Figures {
    if row.flag("kpis_final") {
        return Figures {
            attendance_rate: row.number("attendance_rate"),
            on_time_rate: row.number("on_time_rate"),
            completion_rate: row.number("completion_rate"),
            mean_score: row.number("mean_score"),
            mean_rating: row.number("mean_rating"),
        };
    }
    let days = row.number("days_present") + row.number("days_absent");
    Figures {
        attendance_rate: share(row.number("days_present"), days),
        on_time_rate: share(row.number("tasks_on_time"), row.number("tasks_submitted")),
        completion_rate: share(row.number("tasks_submitted"), row.number("tasks_assigned")),
        mean_score: row.number("reviewed_score"),
        mean_rating: row.number("evaluated_rating"),
    }
}

/// `part` of `whole`; 1 where there was nothing, since nothing was missed.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 1.0 }
}

fn count(row: &Row, column: &str) -> u32 {
    u32::try_from(row.integer(column)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(columns: &Value) -> Row {
        Row::from(columns.as_object().unwrap().clone())
    }

    #[test]
    fn readiness_shows_the_figures_so_far_and_says_what_is_missing() {
        let terms = json!({
            "start_date": "2024-03-01", "minimum_days": 30, "required_attendance_rate": 0.8,
            "required_task_share": 1.0,
            "kpis": [{"kpi": "MEAN_SCORE", "target": 50.0, "mandatory": true}]
        });
        let running = row(&json!({
            "state": "ACTIVE", "terms": terms.to_string(), "days_present": 9, "days_absent": 1,
            "tasks_assigned": 2, "tasks_submitted": 1, "tasks_on_time": 1, "mandatory_assigned": 1,
            "mandatory_submitted": 1, "reviewed_score": 40.0, "evaluation_recorded": 0, "kpis_final": 0,
            "evaluated_rating": null, "end_date": null
        }));
        let today = parse_date("2024-03-31").unwrap();
        let readiness = readiness(Uuid::from_u128(1), &running, today).unwrap();
        let lines: Vec<_> = readiness
            .criteria
            .iter()
            .map(|c| (c.name.as_str(), c.figure, c.holds))
            .collect();
        assert_eq!(
            lines,
            [
                ("MINIMUM_DAYS", 30.0, true),
                ("ATTENDANCE_RATE", 0.9, true),
                ("MANDATORY_TASKS", 1.0, true),
                ("EVALUATION_RECORDED", 0.0, false),
                ("KPI_MEAN_SCORE", 40.0, false),
            ]
        );
        assert!(!readiness.ready);
    }
}
