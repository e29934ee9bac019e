//! The way of one student to a running placement, sent as the import role so that it may lie in the past.

use annals::proto::annals::applications::v1::applications_service_client::ApplicationsServiceClient;
use annals::proto::annals::applications::v1::{
    AcceptOfferRequest, CompleteInterviewRequest, Internship, MakeOfferRequest, Profile,
    ScheduleInterviewRequest, ShortlistApplicationRequest, SubmitApplicationRequest,
};
use annals::proto::annals::common::v1::{CommandReply, PlacementTerms};
use annals::proto::annals::operations::v1::AwaitProcessesRequest;
use annals::proto::annals::operations::v1::operations_service_client::OperationsServiceClient;
use prost_types::Timestamp;
use tonic::{Response, Status};
use uuid::Uuid;

use super::server::Authenticated;

/// One student and what they apply to. Ids follow from `seed`, so a repeat is the same journey.
#[derive(Debug, Clone)]
pub struct Journey {
    /// Of the student.
    pub student: Uuid,
    /// Of the employer.
    pub employer: Uuid,
    /// Of the internship.
    pub internship: Uuid,
    /// Of the application.
    pub application: Uuid,
    /// Of the placement.
    pub placement: Uuid,
    /// First day, `YYYY-MM-DD`.
    pub start_date: String,
    seed: String,
}

/// A version 5 id of a text.
pub fn id(text: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes())
}

impl Journey {
    /// A student of their own, at an employer of their own.
    pub fn new(seed: &str, start_date: &str) -> Self {
        Self {
            student: id(&format!("{seed}/student")),
            employer: id(&format!("{seed}/employer")),
            internship: id(&format!("{seed}/internship")),
            application: id(&format!("{seed}/application")),
            placement: id(&format!("{seed}/placement")),
            start_date: start_date.to_owned(),
            seed: seed.to_owned(),
        }
    }

    /// Another application of the same student.
    pub fn second(&self, seed: &str) -> Self {
        Self {
            student: self.student,
            ..Self::new(&format!("{}/{seed}", self.seed), &self.start_date)
        }
    }

    /// A request id of its own for each step.
    pub fn request(&self, step: &str) -> String {
        id(&format!("{}/{step}", self.seed)).to_string()
    }

    /// The request that submits the application.
    pub fn submit(&self) -> SubmitApplicationRequest {
        SubmitApplicationRequest {
            request_id: self.request("submit"),
            application_id: self.application.to_string(),
            student_id: self.student.to_string(),
            internship: Some(Internship {
                internship_id: self.internship.to_string(),
                employer_id: self.employer.to_string(),
                title: "Systems engineering".to_owned(),
                employer_name: "Example Works".to_owned(),
                description: "Build a log".to_owned(),
            }),
            profile: Some(Profile {
                name: "Ada Example".to_owned(),
                email: "ada@example.org".to_owned(),
                statement: "I keep records".to_owned(),
            }),
            ..Default::default()
        }
    }

    /// Everything up to the interview.
    pub async fn to_interview(&self, caller: &Authenticated) -> Result<(), Status> {
        let mut applications = ApplicationsServiceClient::new(caller.clone());
        applications.submit_application(self.submit()).await?;
        let application_id = self.application.to_string();
        applications
            .shortlist_application(ShortlistApplicationRequest {
                request_id: self.request("shortlist"),
                application_id: application_id.clone(),
                ..Default::default()
            })
            .await?;
        applications
            .schedule_interview(ScheduleInterviewRequest {
                request_id: self.request("schedule"),
                application_id: application_id.clone(),
                scheduled_at: Some(far_future()),
                ..Default::default()
            })
            .await?;
        applications
            .complete_interview(CompleteInterviewRequest {
                request_id: self.request("interview"),
                application_id: application_id.clone(),
                notes: "Went well".to_owned(),
                ..Default::default()
            })
            .await?;
        Ok(())
    }

    /// Everything up to the offer.
    pub async fn to_offer(&self, caller: &Authenticated) -> Result<(), Status> {
        self.to_interview(caller).await?;
        let application_id = self.application.to_string();
        let mut applications = ApplicationsServiceClient::new(caller.clone());
        applications
            .make_offer(MakeOfferRequest {
                request_id: self.request("offer"),
                application_id,
                valid_until: Some(far_future()),
                terms: Some(PlacementTerms {
                    start_date: self.start_date.clone(),
                    ..Default::default()
                }),
                ..Default::default()
            })
            .await?;
        Ok(())
    }

    /// Accepts the offer.
    pub async fn accept(&self, caller: &Authenticated) -> Result<Response<CommandReply>, Status> {
        self.accept_as(caller, "accept").await
    }

    /// Accepts the offer with a request id of this `step`.
    pub async fn accept_as(
        &self,
        caller: &Authenticated,
        step: &str,
    ) -> Result<Response<CommandReply>, Status> {
        ApplicationsServiceClient::new(caller.clone())
            .accept_offer(AcceptOfferRequest {
                request_id: self.request(step),
                application_id: self.application.to_string(),
                placement_id: self.placement.to_string(),
                ..Default::default()
            })
            .await
    }

    /// Everything up to a placement whose register is open.
    pub async fn to_placement(&self, caller: &Authenticated) -> Result<(), Status> {
        self.to_offer(caller).await?;
        let accepted = self.accept(caller).await?.into_inner();
        settle(caller, &accepted.consistency_token).await
    }
}

/// Waits until the processes have passed `token`.
pub async fn settle(caller: &Authenticated, token: &str) -> Result<(), Status> {
    OperationsServiceClient::new(caller.clone())
        .await_processes(AwaitProcessesRequest {
            consistency_token: token.to_owned(),
        })
        .await?;
    Ok(())
}

/// 2100-01-01.
pub fn far_future() -> Timestamp {
    Timestamp {
        seconds: 4_102_444_800,
        nanos: 0,
    }
}
