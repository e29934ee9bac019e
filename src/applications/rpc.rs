//! `annals.applications.v1.ApplicationsService`: requests as commands.

use tonic::{Request, Response, Status, async_trait};

use super::coordinate::{Acceptance, Coordinator};
use super::fields::{submission, terms};
use super::{Application, Command};
use crate::command_requests;
use crate::grpc::Desk;
use crate::proto::annals::applications::v1::applications_service_server::ApplicationsService;
use crate::proto::annals::applications::v1::{
    AcceptOfferRequest, CompleteInterviewRequest, DeclineOfferRequest, MakeOfferRequest,
    RejectApplicationRequest, ScheduleInterviewRequest, ShortlistApplicationRequest,
    SubmitApplicationRequest, WithdrawApplicationRequest,
};
use crate::proto::annals::common::v1::CommandReply;

command_requests!(
    SubmitApplicationRequest,
    ShortlistApplicationRequest,
    ScheduleInterviewRequest,
    CompleteInterviewRequest,
    MakeOfferRequest,
    AcceptOfferRequest,
    DeclineOfferRequest,
    WithdrawApplicationRequest,
    RejectApplicationRequest,
);

/// Longest notes of an interview, in characters.
const MAX_NOTES_CHARS: usize = 4_000;

/// The applications service.
pub struct Applications {
    desk: Desk<Application>,
    coordinator: Coordinator,
}

impl Applications {
    /// Serves the applications behind `desk`; what touches a candidacy too goes through `coordinator`.
    #[must_use]
    pub const fn new(desk: Desk<Application>, coordinator: Coordinator) -> Self {
        Self { desk, coordinator }
    }
}

type Reply = Result<Response<CommandReply>, Status>;

#[async_trait]
impl ApplicationsService for Applications {
    async fn submit_application(&self, request: Request<SubmitApplicationRequest>) -> Reply {
        const ACTION: &str = "applications.SubmitApplication";
        let order = self.desk.admit(ACTION, request, |m, fields| {
            let submission = submission(m, fields);
            (submission.ids.application_id, submission)
        })?;
        self.desk.reply(self.coordinator.submit(&order).await)
    }

    async fn shortlist_application(&self, request: Request<ShortlistApplicationRequest>) -> Reply {
        const ACTION: &str = "applications.ShortlistApplication";
        self.desk
            .run(ACTION, request, |m, fields| {
                let id = fields.uuid("application_id", &m.application_id);
                (id, Command::Shortlist)
            })
            .await
    }

    async fn schedule_interview(&self, request: Request<ScheduleInterviewRequest>) -> Reply {
        const ACTION: &str = "applications.ScheduleInterview";
        self.desk
            .run(ACTION, request, |m, fields| {
                let id = fields.uuid("application_id", &m.application_id);
                let scheduled_at = fields.moment("scheduled_at", m.scheduled_at.as_ref());
                (id, Command::ScheduleInterview { scheduled_at })
            })
            .await
    }

    async fn complete_interview(&self, request: Request<CompleteInterviewRequest>) -> Reply {
        const ACTION: &str = "applications.CompleteInterview";
        self.desk
            .run(ACTION, request, |m, fields| {
                let id = fields.uuid("application_id", &m.application_id);
                let notes = fields.text("notes", &m.notes, 0..=MAX_NOTES_CHARS);
                (id, Command::CompleteInterview { notes })
            })
            .await
    }

    async fn make_offer(&self, request: Request<MakeOfferRequest>) -> Reply {
        const ACTION: &str = "applications.MakeOffer";
        self.desk
            .run(ACTION, request, |m, fields| {
                let id = fields.uuid("application_id", &m.application_id);
                let valid_until = fields.moment("valid_until", m.valid_until.as_ref());
                let terms = fields.message("terms", m.terms.as_ref(), terms);
                (id, Command::MakeOffer { valid_until, terms })
            })
            .await
    }

    async fn accept_offer(&self, request: Request<AcceptOfferRequest>) -> Reply {
        const ACTION: &str = "applications.AcceptOffer";
        let order = self.desk.admit(ACTION, request, |m, fields| {
            let id = fields.uuid("application_id", &m.application_id);
            let placement_id = fields.uuid("placement_id", &m.placement_id);
            (id, Acceptance { placement_id })
        })?;
        self.desk.reply(self.coordinator.accept(&order).await)
    }

    async fn decline_offer(&self, request: Request<DeclineOfferRequest>) -> Reply {
        const ACTION: &str = "applications.DeclineOffer";
        self.desk
            .run(ACTION, request, |m, fields| {
                let id = fields.uuid("application_id", &m.application_id);
                (id, Command::Decline)
            })
            .await
    }

    async fn withdraw_application(&self, request: Request<WithdrawApplicationRequest>) -> Reply {
        const ACTION: &str = "applications.WithdrawApplication";
        self.desk
            .run(ACTION, request, |m, fields| {
                let id = fields.uuid("application_id", &m.application_id);
                (id, Command::Withdraw)
            })
            .await
    }

    async fn reject_application(&self, request: Request<RejectApplicationRequest>) -> Reply {
        const ACTION: &str = "applications.RejectApplication";
        self.desk
            .run(ACTION, request, |m, fields| {
                let id = fields.uuid("application_id", &m.application_id);
                fields.reason("reason", &m.reason);
                (id, Command::Reject)
            })
            .await
    }
}
