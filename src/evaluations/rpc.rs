//! `annals.evaluations.v1.EvaluationsService`: requests as commands.

use tonic::{Request, Response, Status, async_trait};

use super::decide::Command;
use super::state::Evaluation;
use crate::command_requests;
use crate::grpc::{Desk, Fields};
use crate::kernel::Ratings;
use crate::proto::annals::common::v1::CommandReply;
use crate::proto::annals::evaluations::v1::evaluations_service_server::EvaluationsService;
use crate::proto::annals::evaluations::v1::{Category, CategoryRating, RecordEvaluationRequest};

command_requests!(RecordEvaluationRequest);

/// Longest comments, in characters.
const MAX_TEXT_CHARS: usize = 4_000;

/// The evaluations service.
pub struct Evaluations {
    desk: Desk<Evaluation>,
}

impl Evaluations {
    /// Serves the evaluations behind `desk`.
    #[must_use]
    pub const fn new(desk: Desk<Evaluation>) -> Self {
        Self { desk }
    }
}

#[async_trait]
impl EvaluationsService for Evaluations {
    async fn record_evaluation(
        &self,
        request: Request<RecordEvaluationRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        self.desk
            .run("evaluations.RecordEvaluation", request, |m, fields| {
                let placement = fields.uuid("placement_id", &m.placement_id);
                let ratings = ratings(&m.ratings, fields);
                let comments = fields.text("comments", &m.comments, 0..=MAX_TEXT_CHARS);
                (placement, Command::RecordEvaluation { ratings, comments })
            })
            .await
    }
}

/// Every category once.
fn ratings(given: &[CategoryRating], fields: &mut Fields) -> Ratings {
    for (at, rating) in given.iter().enumerate() {
        fields.within(&format!("ratings[{at}]"), |fields| {
            let known = |value| {
                Category::try_from(value)
                    .ok()
                    .filter(|c| *c != Category::Unspecified)
            };
            fields.choice("category", rating.category, Category::Unspecified, known);
            fields.number("rating", rating.rating, 1..=5);
        });
    }
    let mut of = |category: Category| {
        let mut found = given.iter().filter(|rating| rating.category() == category);
        match (found.next(), found.next()) {
            (Some(rating), None) => u8::try_from(rating.rating).unwrap_or(0),
            (found, _) => {
                let how = if found.is_none() {
                    "is missing"
                } else {
                    "is rated twice"
                };
                fields.violation("ratings", format!("{} {how}", category.as_str_name()));
                0
            }
        }
    };
    Ratings {
        quality: of(Category::Quality),
        reliability: of(Category::Reliability),
        initiative: of(Category::Initiative),
        teamwork: of(Category::Teamwork),
        communication: of(Category::Communication),
    }
}
