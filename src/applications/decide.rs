//! What an application can be asked, and the rules.
//!
//! A client's command that finds its work done by another request is refused (`APPLICATION_STATE`); a command of
//! the system that finds its work done yields no event, because processes deliver at least once.

use uuid::Uuid;

use super::state::Offer;
use super::{Application, Event, Known, Refusal, Status, Submission};
use crate::kernel::{Aggregate, Context, Moment, Owners, Terms};

/// What an application can be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The student applies.
    Submit(Submission),
    /// The system completes a submission whose second append is missing.
    CompleteSubmission(Submission),
    /// The employer takes it into the closer choice.
    Shortlist,
    /// The employer sets the time of the interview, or moves it.
    ScheduleInterview {
        /// The time.
        scheduled_at: Moment,
    },
    /// The employer records that the interview was held.
    CompleteInterview {
        /// What was said.
        notes: String,
    },
    /// The employer offers a place.
    MakeOffer {
        /// Until when it can be accepted.
        valid_until: Moment,
        /// On which terms.
        terms: Terms,
    },
    /// The student accepts. Only after the candidacy granted the claim: see `coordinate`.
    Accept {
        /// The new placement.
        placement_id: Uuid,
    },
    /// The student declines.
    Decline,
    /// The student withdraws.
    Withdraw,
    /// The employer says no, with a reason.
    Reject,
    /// The system ends an offer that ran out.
    ExpireOffer,
    /// The system closes it, because the student accepted another offer.
    CloseApplication {
        /// The one that was accepted.
        accepted_application_id: Uuid,
    },
    /// The system takes an acceptance back whose placement could not start.
    RescindAcceptance {
        /// The placement that did not start.
        placement_id: Uuid,
        /// Why it did not.
        cause: String,
    },
}

impl Aggregate for Application {
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    const CATEGORY: &'static str = "application";

    fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::Submit(submission) => self.submit(submission),
            Command::CompleteSubmission(submission) => self.complete_submission(submission),
            Command::Shortlist => self.shortlist(),
            Command::ScheduleInterview { scheduled_at } => self.schedule_interview(*scheduled_at),
            Command::CompleteInterview { notes } => self.complete_interview(notes),
            Command::MakeOffer { valid_until, terms } => {
                self.make_offer(*valid_until, terms, context)
            }
            Command::Accept { placement_id } => self.accept(*placement_id, context),
            Command::Decline => self.decline(),
            Command::Withdraw => self.withdraw(),
            Command::Reject => self.reject(context),
            Command::ExpireOffer => self.expire(context),
            Command::CloseApplication {
                accepted_application_id,
            } => self.close(*accepted_application_id),
            Command::RescindAcceptance {
                placement_id,
                cause,
            } => self.rescind(*placement_id, cause),
        }
    }

    fn evolve(&mut self, event: &Event) {
        self.apply(event);
    }

    fn owners(&self) -> Owners {
        self.known.as_ref().map_or_else(Owners::default, |known| {
            owners(known.ids.student_id, known.employer_id)
        })
    }

    fn claims(command: &Command) -> Owners {
        match command {
            Command::Submit(new) | Command::CompleteSubmission(new) => {
                owners(new.ids.student_id, new.listing.employer_id)
            }
            Command::Shortlist
            | Command::ScheduleInterview { .. }
            | Command::CompleteInterview { .. }
            | Command::MakeOffer { .. }
            | Command::Accept { .. }
            | Command::Decline
            | Command::Withdraw
            | Command::Reject
            | Command::ExpireOffer
            | Command::CloseApplication { .. }
            | Command::RescindAcceptance { .. } => Owners::default(),
        }
    }
}

fn owners(student: Uuid, employer: Uuid) -> Owners {
    Owners {
        student: Some(student),
        employer: Some(employer),
        partners: Vec::new(),
    }
}

type Decision = Result<Vec<Event>, Refusal>;

impl Application {
    fn known(&self) -> Result<&Known, Refusal> {
        self.known.as_ref().ok_or(Refusal::Unknown)
    }

    /// What is known, where it stands at one of `statuses`.
    fn at(&self, statuses: &[Status], needed: &'static str) -> Result<&Known, Refusal> {
        let known = self.known()?;
        if !statuses.contains(&known.status) {
            return Err(Refusal::State {
                status: known.status,
                needed,
            });
        }
        Ok(known)
    }

    fn offered(&self) -> Result<(&Known, &Offer), Refusal> {
        let known = self.at(&[Status::Offered], "offered")?;
        let offer = known.offer.as_ref().ok_or(Refusal::Unknown)?;
        Ok((known, offer))
    }

    fn submit(&self, submission: &Submission) -> Decision {
        match &self.known {
            None => Ok(vec![Event::ApplicationSubmitted(submission.clone())]),
            Some(known) if known.ids == submission.ids => Err(Refusal::AlreadyApplied),
            Some(_) => Err(Refusal::IdTaken),
        }
    }

    fn complete_submission(&self, submission: &Submission) -> Decision {
        match self.submit(submission) {
            Err(Refusal::AlreadyApplied) => Ok(vec![]),
            outcome => outcome,
        }
    }

    fn shortlist(&self) -> Decision {
        let known = self.at(&[Status::Submitted], "submitted")?;
        Ok(vec![Event::ApplicationShortlisted(known.ids)])
    }

    fn schedule_interview(&self, scheduled_at: Moment) -> Decision {
        let known = self.at(
            &[Status::Shortlisted, Status::InterviewScheduled],
            "shortlisted or waiting for its interview",
        )?;
        Ok(vec![Event::InterviewScheduled {
            ids: known.ids,
            scheduled_at,
        }])
    }

    fn complete_interview(&self, notes: &str) -> Decision {
        let known = self.at(&[Status::InterviewScheduled], "waiting for its interview")?;
        Ok(vec![Event::InterviewCompleted {
            ids: known.ids,
            notes: notes.to_owned(),
        }])
    }

    fn make_offer(&self, valid_until: Moment, terms: &Terms, context: &Context) -> Decision {
        let known = self.at(&[Status::InterviewCompleted], "interviewed")?;
        if valid_until <= context.occurred_at {
            return Err(Refusal::OfferOver {
                valid_until,
                occurred_at: context.occurred_at,
            });
        }
        Ok(vec![Event::OfferMade {
            ids: known.ids,
            valid_until,
            terms: terms.clone(),
        }])
    }

    /// An acceptance with the same placement that is there already is this one, completed by the process.
    fn accept(&self, placement_id: Uuid, context: &Context) -> Decision {
        let known = self.known()?;
        if known.status == Status::Accepted && known.placement_id == Some(placement_id) {
            return Ok(vec![]);
        }
        if let (Status::Expired, Some(offer)) = (known.status, &known.offer) {
            return Err(Refusal::OfferExpired {
                valid_until: offer.valid_until,
            });
        }
        let (known, offer) = self.offered()?;
        if context.occurred_at > offer.valid_until {
            return Err(Refusal::OfferExpired {
                valid_until: offer.valid_until,
            });
        }
        Ok(vec![Event::OfferAccepted {
            ids: known.ids,
            placement_id,
            employer_id: known.employer_id,
            title: known.title.clone(),
            employer_name: known.employer_name.clone(),
            terms: offer.terms.clone(),
            student_name: known.student_name.clone(),
        }])
    }

    fn decline(&self) -> Decision {
        let (known, _) = self.offered()?;
        Ok(vec![Event::OfferDeclined(known.ids)])
    }

    fn withdraw(&self) -> Decision {
        let known = self.at(
            &[Status::Submitted, Status::Shortlisted],
            "submitted or shortlisted",
        )?;
        Ok(vec![Event::ApplicationWithdrawn(known.ids)])
    }

    fn reject(&self, context: &Context) -> Decision {
        let known = self.known()?;
        if !known.status.is_open() {
            return Err(Refusal::State {
                status: known.status,
                needed: "not yet decided",
            });
        }
        if context.reason.is_none() {
            return Err(Refusal::ReasonRequired);
        }
        Ok(vec![Event::ApplicationRejected(known.ids)])
    }

    /// An offer is valid up to and with `valid_until`, so it ends after it.
    fn expire(&self, context: &Context) -> Decision {
        let known = self.known()?;
        let (Status::Offered, Some(offer)) = (known.status, &known.offer) else {
            return Ok(vec![]);
        };
        if context.occurred_at <= offer.valid_until {
            return Err(Refusal::State {
                status: known.status,
                needed: "offered and past its valid_until",
            });
        }
        Ok(vec![Event::OfferExpired {
            ids: known.ids,
            valid_until: offer.valid_until,
        }])
    }

    fn close(&self, accepted_application_id: Uuid) -> Decision {
        let known = self.known()?;
        if !known.status.is_open() {
            return Ok(vec![]);
        }
        Ok(vec![Event::ApplicationClosed {
            ids: known.ids,
            accepted_application_id,
        }])
    }

    fn rescind(&self, placement_id: Uuid, cause: &str) -> Decision {
        let known = self.known()?;
        if known.status != Status::Accepted || known.placement_id != Some(placement_id) {
            return Ok(vec![]);
        }
        Ok(vec![Event::AcceptanceRescinded {
            ids: known.ids,
            placement_id,
            cause: cause.to_owned(),
        }])
    }
}
