//! `annals.tasks.v1.TasksService`: requests as commands.

use tonic::{Request, Response, Status, async_trait};

use super::decide::{Command, NewSubmission, NewTask, Review};
use super::events::{Artifact, ArtifactKind, Verdict};
use super::state::{Score, Worklist};
use crate::command_requests;
use crate::grpc::{Desk, Fields};
use crate::proto::annals::common::v1::CommandReply;
use crate::proto::annals::tasks::v1::artifact::Reference;
use crate::proto::annals::tasks::v1::tasks_service_server::TasksService;
use crate::proto::annals::tasks::v1::{
    self as proto, AssignTaskRequest, ReviewSubmissionRequest, ReviewVerdict, SubmitWorkRequest,
};

command_requests!(
    AssignTaskRequest,
    SubmitWorkRequest,
    ReviewSubmissionRequest
);

/// Longest title or name, in characters.
const MAX_NAME_CHARS: usize = 200;
/// Longest description, comment or feedback, in characters.
const MAX_TEXT_CHARS: usize = 4_000;
/// Longest URL, in characters.
const MAX_LINK_CHARS: usize = 2_000;
/// Most artifacts of a submission.
const MAX_ARTIFACTS: usize = 20;
/// A SHA-256 in hexadecimal: 32 bytes, two digits each.
const SHA256_DIGITS: usize = 64;

/// The tasks service.
pub struct Tasks {
    desk: Desk<Worklist>,
}

impl Tasks {
    /// Serves the worklists behind `desk`.
    #[must_use]
    pub const fn new(desk: Desk<Worklist>) -> Self {
        Self { desk }
    }
}

#[async_trait]
impl TasksService for Tasks {
    async fn assign_task(
        &self,
        request: Request<AssignTaskRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        self.desk
            .run("tasks.AssignTask", request, |m, fields| {
                let task = NewTask {
                    task_id: fields.uuid("task_id", &m.task_id),
                    title: fields.text("title", &m.title, 1..=MAX_NAME_CHARS),
                    description: fields.text("description", &m.description, 0..=MAX_TEXT_CHARS),
                    due_at: fields.moment("due_at", m.due_at.as_ref()),
                    mandatory: m.mandatory,
                };
                let placement = fields.uuid("placement_id", &m.placement_id);
                (placement, Command::AssignTask(task))
            })
            .await
    }

    async fn submit_work(
        &self,
        request: Request<SubmitWorkRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        self.desk
            .run("tasks.SubmitWork", request, |m, fields| {
                let work = NewSubmission {
                    task_id: fields.uuid("task_id", &m.task_id),
                    submission_id: fields.uuid("submission_id", &m.submission_id),
                    artifacts: artifacts(&m.artifacts, fields),
                    comment: fields.text("comment", &m.comment, 0..=MAX_TEXT_CHARS),
                };
                let placement = fields.uuid("placement_id", &m.placement_id);
                (placement, Command::SubmitWork(work))
            })
            .await
    }

    async fn review_submission(
        &self,
        request: Request<ReviewSubmissionRequest>,
    ) -> Result<Response<CommandReply>, Status> {
        self.desk
            .run("tasks.ReviewSubmission", request, |m, fields| {
                let review = Review {
                    submission_id: fields.uuid("submission_id", &m.submission_id),
                    verdict: fields.choice("verdict", m.verdict, Verdict::Accepted, verdict),
                    score: score(m.score, fields),
                    feedback: fields.text("feedback", &m.feedback, 0..=MAX_TEXT_CHARS),
                };
                let placement = fields.uuid("placement_id", &m.placement_id);
                (placement, Command::ReviewSubmission(review))
            })
            .await
    }
}

fn verdict(value: i32) -> Option<Verdict> {
    match ReviewVerdict::try_from(value).ok()? {
        ReviewVerdict::Unspecified => None,
        ReviewVerdict::Accepted => Some(Verdict::Accepted),
        ReviewVerdict::NeedsRevision => Some(Verdict::NeedsRevision),
    }
}

fn score(value: u32, fields: &mut Fields) -> Score {
    let checked = fields.number("score", value, 0..=u32::from(Score::MAX));
    Score::new(checked).unwrap_or(Score::ZERO)
}

fn artifacts(messages: &[proto::Artifact], fields: &mut Fields) -> Vec<Artifact> {
    if !(1..=MAX_ARTIFACTS).contains(&messages.len()) {
        let count = messages.len();
        fields.violation(
            "artifacts",
            format!("must be 1 to {MAX_ARTIFACTS} references, are {count}"),
        );
        return Vec::new();
    }
    let numbered = messages.iter().enumerate();
    numbered
        .map(|(at, message)| fields.within(&format!("artifacts[{at}]"), |f| artifact(message, f)))
        .collect()
}

fn artifact(message: &proto::Artifact, fields: &mut Fields) -> Artifact {
    let (kind, reference) = match &message.reference {
        Some(Reference::Link(link)) => (ArtifactKind::Link, link_of(link, fields)),
        Some(Reference::Sha256(digest)) => (ArtifactKind::Sha256, digest_of(digest, fields)),
        None => {
            fields.violation("reference", "must be a link or a sha256");
            (ArtifactKind::Link, String::new())
        }
    };
    Artifact {
        kind,
        reference,
        name: fields.text("name", &message.name, 1..=MAX_NAME_CHARS),
    }
}

/// Only http and https: a link is shown to people, who click it.
fn link_of(link: &str, fields: &mut Fields) -> String {
    let is_url = ["https://", "http://"].iter().any(|scheme| {
        link.strip_prefix(scheme)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '['))
    });
    if !is_url || link.contains(char::is_whitespace) {
        fields.violation("link", "must be an http or https URL");
    }
    fields.text("link", link, 1..=MAX_LINK_CHARS)
}

/// In lower case, so that one digest has one form.
fn digest_of(digest: &str, fields: &mut Fields) -> String {
    if digest.len() != SHA256_DIGITS || !digest.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        fields.violation("sha256", "must be 64 hexadecimal digits");
    }
    digest.to_ascii_lowercase()
}
