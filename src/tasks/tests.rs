//! The worklist's rules as sentences, and the words that they are made of.

mod figures;
mod phases;
mod reports;
mod work;

use uuid::Uuid;

use super::*;
use crate::kernel::given::{self, Given, context};
use crate::kernel::{Aggregate as _, Context, Moment, PlacementIds, Role, golden, parse_date};

const IDS: PlacementIds = PlacementIds {
    placement_id: Uuid::from_u128(10),
    student_id: Uuid::from_u128(11),
    internship_id: Uuid::from_u128(12),
};
const EMPLOYER: Uuid = Uuid::from_u128(13);

fn given(past: impl IntoIterator<Item = Event>) -> Given<Worklist> {
    given::given(past)
}

fn task(number: u128) -> Uuid {
    Uuid::from_u128(100 + number)
}

fn submission(number: u128) -> Uuid {
    Uuid::from_u128(200 + number)
}

fn at(date: &str) -> Context {
    context(Role::Employer, &format!("{date}T12:00:00Z"))
}

fn noon(date: &str) -> Moment {
    at(date).now
}

fn opened() -> Event {
    Event::WorklistOpened {
        ids: IDS,
        employer_id: EMPLOYER,
        start_date: parse_date("2024-01-01").unwrap(),
    }
}

/// Due at noon on 2024-01-10.
fn assigned(number: u128, mandatory: bool) -> Event {
    Event::TaskAssigned {
        ids: IDS,
        task_id: task(number),
        title: "Load".to_owned(),
        description: "All of it".to_owned(),
        due_at: noon("2024-01-10"),
        mandatory,
    }
}

fn assign(number: u128, mandatory: bool) -> Command {
    Command::AssignTask(NewTask {
        task_id: task(number),
        title: "Load".to_owned(),
        description: "All of it".to_owned(),
        due_at: noon("2024-01-10"),
        mandatory,
    })
}

fn artifacts() -> Vec<Artifact> {
    vec![Artifact {
        kind: ArtifactKind::Link,
        reference: "https://example.org/1".to_owned(),
        name: "Report".to_owned(),
    }]
}

fn submitted(number: u128, to: u128, late: bool, first: bool) -> Event {
    Event::WorkSubmitted {
        ids: IDS,
        task_id: task(to),
        submission_id: submission(number),
        artifacts: artifacts(),
        late,
        first,
        comment: "Done".to_owned(),
    }
}

fn submit(number: u128, to: u128) -> Command {
    Command::SubmitWork(NewSubmission {
        task_id: task(to),
        submission_id: submission(number),
        artifacts: artifacts(),
        comment: "Done".to_owned(),
    })
}

fn reviewed(number: u128, to: u128, score: u32) -> Event {
    Event::SubmissionReviewed {
        ids: IDS,
        task_id: task(to),
        submission_id: submission(number),
        verdict: Verdict::Accepted,
        score: Score::new(score).unwrap(),
        feedback: "Good".to_owned(),
    }
}

fn review(number: u128, score: u32) -> Command {
    Command::ReviewSubmission(Review {
        submission_id: submission(number),
        verdict: Verdict::Accepted,
        score: Score::new(score).unwrap(),
        feedback: "Good".to_owned(),
    })
}

fn reported(figures: WorkFigures) -> Event {
    Event::WorkReported { ids: IDS, figures }
}

fn progressed(mandatory_assigned: u32, mandatory_submitted: u32) -> Event {
    Event::MandatoryTasksProgressed {
        ids: IDS,
        mandatory_assigned,
        mandatory_submitted,
    }
}

const FROZEN: Event = Event::WorklistFrozen { ids: IDS };
const REOPENED: Event = Event::WorklistReopened { ids: IDS };
const CLOSED: Event = Event::WorklistClosed { ids: IDS };

#[test]
fn the_stored_events_are_read_as_they_were_written() {
    golden::holds::<Worklist>();
}
