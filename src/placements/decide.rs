//! What a placement can be asked, and the rules.
//!
//! A command of the system that finds its work done, or the placement over, yields no event: processes deliver at
//! least once, and figures may arrive after the end.

use serde::Serialize;
use uuid::Uuid;

use super::criteria::criteria_of;
use super::events::Completion;
use super::{Event, Known, MandatoryTasks, Placement, Refusal, Status};
use crate::kernel::{Aggregate, Context, Date, Figures, Owners, PlacementIds, Ratings, Terms};

/// All that a placement starts with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Start {
    /// Which placement, whose, of what.
    #[serde(flatten)]
    pub ids: PlacementIds,
    /// Whose internship it is.
    pub employer_id: Uuid,
    /// The application that led to it.
    pub application_id: Uuid,
    /// The internship's title.
    pub title: String,
    /// The employer's name.
    pub employer_name: String,
    /// What it is held to.
    pub terms: Terms,
    /// The student's name. Personal data.
    pub student_name: String,
}

/// What a placement can be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The system starts it from an accepted offer.
    Start(Start),
    /// Put on hold, with a reason.
    Hold,
    /// Make active again, with a reason.
    Resume,
    /// End it, with a reason.
    Terminate,
    /// The system tells the final figures.
    NoteKpis {
        /// The figures.
        figures: Figures,
        /// The mandatory tasks when the figures were taken.
        tasks: MandatoryTasks,
        /// What the employer rated.
        ratings: Ratings,
    },
    /// The system tells how far the mandatory tasks are, after the figures were taken.
    NoteTasks {
        /// The figures now.
        tasks: MandatoryTasks,
    },
}

impl Aggregate for Placement {
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    const CATEGORY: &'static str = "placement";

    fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::Start(start) => self.start(start),
            Command::Hold => self.hold(context),
            Command::Resume => self.resume(context),
            Command::Terminate => self.terminate(context),
            Command::NoteKpis {
                figures,
                tasks,
                ratings,
            } => self.note_kpis(*figures, *tasks, *ratings, context.occurred_at.date()),
            Command::NoteTasks { tasks } => self.note_tasks(*tasks, context.occurred_at.date()),
        }
    }

    fn evolve(&mut self, event: &Event) {
        self.apply(event);
    }

    fn owners(&self) -> Owners {
        self.known.as_ref().map_or_else(Owners::default, |known| {
            owners(known.start.ids.student_id, known.start.employer_id)
        })
    }

    fn claims(command: &Command) -> Owners {
        match command {
            Command::Start(start) => owners(start.ids.student_id, start.employer_id),
            Command::Hold
            | Command::Resume
            | Command::Terminate
            | Command::NoteKpis { .. }
            | Command::NoteTasks { .. } => Owners::default(),
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

impl Placement {
    fn known(&self) -> Result<&Known, Refusal> {
        self.known.as_ref().ok_or(Refusal::Unknown)
    }

    /// What is known, where a person may change its state from one of `statuses`.
    fn change(
        &self,
        statuses: &[Status],
        needed: &'static str,
        context: &Context,
    ) -> Result<&Known, Refusal> {
        let known = self.known()?;
        if !statuses.contains(&known.status) {
            return Err(Refusal::State {
                status: known.status,
                needed,
            });
        }
        if context.reason.is_none() {
            return Err(Refusal::ReasonRequired);
        }
        Ok(known)
    }

    fn start(&self, start: &Start) -> Decision {
        match &self.known {
            None => Ok(vec![Event::PlacementStarted(start.clone())]),
            Some(known) if known.start.application_id == start.application_id => Ok(vec![]),
            Some(_) => Err(Refusal::IdTaken),
        }
    }

    fn hold(&self, context: &Context) -> Decision {
        let known = self.change(&[Status::Active], "active", context)?;
        Ok(vec![Event::PlacementHeld(known.start.ids)])
    }

    /// What came to hold while it rested takes effect now.
    fn resume(&self, context: &Context) -> Decision {
        let known = self.change(&[Status::OnHold], "on hold", context)?;
        let mut events = vec![Event::PlacementResumed(known.start.ids)];
        events.extend(completion(known, context.occurred_at.date()));
        Ok(events)
    }

    fn terminate(&self, context: &Context) -> Decision {
        let running = [Status::Active, Status::OnHold];
        let known = self.change(&running, "active or on hold", context)?;
        Ok(vec![Event::PlacementTerminated {
            ids: known.start.ids,
            end_date: context.occurred_at.date(),
        }])
    }

    /// The figures are final: told again, even with others, nothing changes.
    fn note_kpis(
        &self,
        figures: Figures,
        tasks: MandatoryTasks,
        ratings: Ratings,
        today: Date,
    ) -> Decision {
        let known = self.known()?;
        if !known.status.is_running() || known.evaluated.is_some() {
            return Ok(vec![]);
        }
        let noted = Event::KpisNoted {
            ids: known.start.ids,
            figures,
            tasks,
            ratings,
        };
        Ok(self.assess(noted, today))
    }

    fn note_tasks(&self, tasks: MandatoryTasks, today: Date) -> Decision {
        let known = self.known()?;
        if !known.status.is_running() || known.tasks.or_later(tasks) == known.tasks {
            return Ok(vec![]);
        }
        let noted = Event::MandatoryTasksNoted {
            ids: known.start.ids,
            tasks,
        };
        Ok(self.assess(noted, today))
    }

    /// `noted`, and what follows from it: the completion, or what is missing once the evaluation is there.
    fn assess(&self, noted: Event, today: Date) -> Vec<Event> {
        let mut after = self.clone();
        after.evolve(&noted);
        let mut events = vec![noted];
        let Some(known) = after.known.filter(|known| known.evaluated.is_some()) else {
            return events;
        };
        if known.status != Status::Active {
            return events;
        }
        events.push(
            completion(&known, today).unwrap_or_else(|| Event::CompletionAssessed {
                ids: known.start.ids,
                criteria: criteria_of(&known, today),
            }),
        );
        events
    }
}

/// The completion, if every criterion holds.
fn completion(known: &Known, today: Date) -> Option<Event> {
    let evaluated = known.evaluated?;
    if !criteria_of(known, today)
        .iter()
        .all(|criterion| criterion.holds)
    {
        return None;
    }
    let start = &known.start;
    Some(Event::PlacementCompleted(Box::new(Completion {
        ids: start.ids,
        employer_id: start.employer_id,
        application_id: start.application_id,
        title: start.title.clone(),
        employer_name: start.employer_name.clone(),
        start_date: start.terms.start_date,
        end_date: today,
        figures: evaluated.figures,
        ratings: evaluated.ratings,
        student_name: start.student_name.clone(),
    })))
}
