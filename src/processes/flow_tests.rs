//! All rooms and all processes on logs in memory: from application to eligibility, and what crashes, races and repeats
//! on the way leave behind.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{OfferExpiry, Process as _, ProcessStore, Processes, Rooms, all};
use crate::applications::candidacy::{self, Candidacy};
use crate::applications::{
    self, Acceptance, Coordinator, Ids, Listing, Profile, Status, Submission,
};
use crate::certificates::Certification;
use crate::command::{Handler, Order, Ownership, RequestDigest};
use crate::evaluations::{self, Evaluation};
use crate::kernel::given::context;
use crate::kernel::{
    ConsistencyToken, Context, Date, Kpi, KpiTarget, Moment, Position, Ratings, Role, Stored,
    Terms, parse_date,
};
use crate::log::EventLog;
use crate::log::memory::MemoryLog;
use crate::placements::{self, Placement};
use crate::{attendance, tasks};

const SERVICES: [&str; 6] = [
    "applications",
    "placements",
    "attendance",
    "tasks",
    "evaluations",
    "certificates",
];
/// When everything of a placement happens that is not told otherwise: the 31st day.
const NOW: &str = "2024-03-31T12:00:00Z";

pub(super) fn clock() -> Moment {
    Moment::parse(NOW).unwrap()
}

/// The logs outlive a server; everything else is made anew by a restart.
pub(super) struct World {
    pub(super) logs: HashMap<&'static str, Arc<dyn EventLog>>,
    dir: tempfile::TempDir,
}

pub(super) struct Server {
    pub(super) rooms: Arc<Rooms>,
    pub(super) processes: Processes,
    pub(super) store: Arc<ProcessStore>,
}

impl World {
    pub(super) fn new() -> Self {
        let log = || Arc::new(MemoryLog::new()) as Arc<dyn EventLog>;
        Self {
            logs: SERVICES.iter().map(|name| (*name, log())).collect(),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn handler<A: Stored>(&self, service: &str) -> Arc<Handler<A>> {
        Arc::new(Handler::new(Arc::clone(&self.logs[service]), 1_000))
    }

    pub(super) fn rooms(&self) -> Arc<Rooms> {
        let coordinator =
            Coordinator::new(self.handler("applications"), self.handler("applications"));
        Arc::new(Rooms {
            coordinator,
            placements: self.handler("placements"),
            registers: self.handler("attendance"),
            worklists: self.handler("tasks"),
            evaluations: self.handler("evaluations"),
            certifications: self.handler("certificates"),
        })
    }

    pub(super) fn serve(&self) -> Server {
        let store = Arc::new(ProcessStore::open(self.dir.path()).unwrap());
        self.serve_with(store)
    }

    fn serve_with(&self, store: Arc<ProcessStore>) -> Server {
        let rooms = self.rooms();
        let processes = all(&rooms, &store);
        let processes = Processes::start(processes, &self.logs, Arc::clone(&store), clock).unwrap();
        Server {
            rooms,
            processes,
            store,
        }
    }

    async fn heads(&self) -> BTreeMap<&'static str, Position> {
        let mut heads = BTreeMap::new();
        for (service, log) in &self.logs {
            heads.insert(*service, log.head().await.unwrap());
        }
        heads
    }
}

impl Server {
    /// Waits until nothing follows any more.
    pub(super) async fn settle(&self) {
        let waiting = async {
            for _ in 0..2 {
                let position = self.rooms.applications().log().head().await.unwrap();
                let token = ConsistencyToken::new("applications", position);
                self.processes.settle(&token).await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting)
            .await
            .expect("the processes settle");
        assert_eq!(self.store.parked(None, 10, 0).unwrap(), []);
    }

    async fn application(&self, id: u128) -> Option<Status> {
        let state = self.rooms.applications().state(Uuid::from_u128(id)).await;
        state.unwrap()?.known.map(|known| known.status)
    }

    async fn candidacy(&self) -> Candidacy {
        let state = self.rooms.candidacies().state(student()).await;
        state.unwrap().unwrap_or_default()
    }

    async fn placement(&self, id: u128) -> Option<placements::Status> {
        let state = self.rooms.placements.state(Uuid::from_u128(id)).await;
        state.unwrap()?.known.map(|known| known.status)
    }

    async fn certification(&self, id: u128) -> Option<Certification> {
        let state = self.rooms.certifications.state(Uuid::from_u128(id)).await;
        state.unwrap()
    }

    pub(super) async fn offered(&self, application: u128) {
        let submitting = submitting(application);
        self.rooms.coordinator.submit(&submitting).await.unwrap();
        for (n, step) in (1..).zip(steps()) {
            let order = order(application * 100 + n, application, step);
            self.rooms.applications().execute(&order).await.unwrap();
        }
    }

    pub(super) async fn accept(&self, application: u128, placement: u128) {
        let order = accepting(application, placement);
        self.rooms.coordinator.accept(&order).await.unwrap();
    }

    pub(super) async fn evaluate(&self, placement: u128) {
        let ratings = Ratings {
            quality: 5,
            reliability: 4,
            initiative: 4,
            teamwork: 4,
            communication: 4,
        };
        let comments = String::new();
        let command = evaluations::Command::RecordEvaluation { ratings, comments };
        let order = order(placement * 1_000, placement, command);
        self.rooms.evaluations.execute(&order).await.unwrap();
    }
}

pub(super) fn student() -> Uuid {
    Uuid::from_u128(7)
}

pub(super) fn order<C>(request: u128, id: u128, command: C) -> Order<C> {
    Order {
        id: Uuid::from_u128(id),
        command,
        context: Context {
            request_id: Uuid::from_u128(request),
            reason: Some("a reason".to_owned()),
            ..context(Role::Import, NOW)
        },
        digest: RequestDigest::of(&[&request.to_be_bytes()]),
        expected: None,
        validate_only: false,
        ownership: Ownership::Any,
    }
}

pub(super) fn submission(application: u128) -> Submission {
    Submission {
        ids: Ids {
            application_id: Uuid::from_u128(application),
            student_id: student(),
            internship_id: Uuid::from_u128(application + 5_000),
        },
        listing: Listing {
            employer_id: Uuid::from_u128(8),
            title: "Gardener".to_owned(),
            employer_name: "Gardens".to_owned(),
            description: String::new(),
        },
        profile: Profile {
            name: "Ada".to_owned(),
            ..Profile::default()
        },
    }
}

pub(super) fn submitting(application: u128) -> Order<Submission> {
    order(application * 100, application, submission(application))
}

pub(super) fn accepting(application: u128, placement: u128) -> Order<Acceptance> {
    let placement_id = Uuid::from_u128(placement);
    order(
        application * 100 + 50,
        application,
        Acceptance { placement_id },
    )
}

pub(super) fn first_day() -> Date {
    parse_date("2024-03-01").unwrap()
}

pub(super) fn steps() -> Vec<applications::Command> {
    vec![
        applications::Command::Shortlist,
        applications::Command::ScheduleInterview {
            scheduled_at: clock(),
        },
        applications::Command::CompleteInterview {
            notes: String::new(),
        },
        applications::Command::MakeOffer {
            valid_until: clock().plus_seconds(3_600),
            terms: Terms {
                start_date: first_day(),
                minimum_days: 30,
                required_attendance_rate: 0.0,
                required_task_share: 1.0,
                kpis: vec![KpiTarget {
                    kpi: Kpi::MeanRating,
                    target: 4.0,
                    mandatory: true,
                }],
            },
        },
    ]
}

pub(super) fn mandatory_task(placement: u128) -> Order<tasks::Command> {
    let task = tasks::NewTask {
        task_id: Uuid::from_u128(70),
        title: "Weeding".to_owned(),
        description: String::new(),
        due_at: clock().plus_seconds(60),
        mandatory: true,
    };
    order(
        placement * 1_000 + 1,
        placement,
        tasks::Command::AssignTask(task),
    )
}

pub(super) fn work(placement: u128) -> Order<tasks::Command> {
    let work = tasks::NewSubmission {
        task_id: Uuid::from_u128(70),
        submission_id: Uuid::from_u128(71),
        artifacts: vec![],
        comment: String::new(),
    };
    order(
        placement * 1_000 + 2,
        placement,
        tasks::Command::SubmitWork(work),
    )
}

/// A placement of another student that has the id 50.
pub(super) fn taken() -> placements::Start {
    placements::Start {
        ids: crate::kernel::PlacementIds {
            placement_id: Uuid::from_u128(50),
            student_id: Uuid::from_u128(99),
            internship_id: Uuid::from_u128(98),
        },
        employer_id: Uuid::from_u128(8),
        application_id: Uuid::from_u128(97),
        title: "Other".to_owned(),
        employer_name: "Other".to_owned(),
        terms: Terms {
            start_date: first_day(),
            minimum_days: 0,
            required_attendance_rate: 0.0,
            required_task_share: 0.0,
            kpis: vec![],
        },
        student_name: "Other".to_owned(),
    }
}

#[tokio::test]
async fn a_student_goes_from_application_to_eligibility() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    server.offered(11).await;
    server.accept(10, 50).await;
    server.settle().await;
    assert_eq!(server.application(10).await, Some(Status::Accepted));
    assert_eq!(server.application(11).await, Some(Status::Closed));
    assert_eq!(server.placement(50).await, Some(placements::Status::Active));
    let clock_in = attendance::Command::ClockIn { date: first_day() };
    let clock_in = order(1, 50, clock_in);
    server.rooms.registers.execute(&clock_in).await.unwrap();
    let assign = mandatory_task(50);
    server.rooms.worklists.execute(&assign).await.unwrap();
    server.evaluate(50).await;
    server.settle().await;
    // The mandatory task is missing.
    assert_eq!(server.placement(50).await, Some(placements::Status::Active));
    server.rooms.worklists.execute(&work(50)).await.unwrap();
    let head = server.rooms.worklists.log().head().await.unwrap();
    let token = ConsistencyToken::new("tasks", head);
    server.processes.settle(&token).await.unwrap();
    assert_eq!(
        server.placement(50).await,
        Some(placements::Status::Completed)
    );
    assert!(server.certification(50).await.is_some());
    let candidacy = server.candidacy().await;
    assert_eq!(candidacy.held, None);
    let evaluation: Option<Evaluation> = server
        .rooms
        .evaluations
        .state(Uuid::from_u128(50))
        .await
        .unwrap();
    let evaluation = serde_json::to_value(evaluation).unwrap();
    assert_eq!(evaluation["phase"], "CLOSED", "{evaluation}");
    server.processes.stop().await;
}

#[tokio::test]
async fn everything_delivered_again_changes_nothing() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    server.offered(11).await;
    server.accept(10, 50).await;
    server.settle().await;
    let hold = order(2, 50, placements::Command::Hold);
    server.rooms.placements.execute(&hold).await.unwrap();
    let resume = order(3, 50, placements::Command::Resume);
    server.rooms.placements.execute(&resume).await.unwrap();
    server.settle().await;
    server.evaluate(50).await;
    server.settle().await;
    assert_eq!(
        server.placement(50).await,
        Some(placements::Status::Completed)
    );
    // Applied for after the end: what is delivered again must leave it alone.
    server.offered(12).await;
    server.settle().await;
    server.processes.stop().await;
    let before = world.heads().await;
    let forgetful = tempfile::tempdir().unwrap();
    let store = Arc::new(ProcessStore::open(forgetful.path()).unwrap());
    let again = world.serve_with(store);
    again.settle().await;
    assert_eq!(world.heads().await, before);
    assert_eq!(again.application(12).await, Some(Status::Offered));
    again.processes.stop().await;
}

#[tokio::test]
async fn a_submission_that_died_between_its_streams_heals_after_the_restart() {
    let world = World::new();
    let submitting = submitting(10);
    let register = candidacy::Command::Register(submitting.command.clone());
    let register = submitting.with(student(), register);
    let rooms = world.rooms();
    rooms.candidacies().execute(&register).await.unwrap();
    let server = world.serve();
    server.settle().await;
    assert_eq!(server.application(10).await, Some(Status::Submitted));
    let retry = server.rooms.coordinator.submit(&submitting).await.unwrap();
    assert!(retry.repeated);
    assert_eq!(retry.events.len(), 1);
    server.processes.stop().await;
}

#[tokio::test]
async fn an_acceptance_that_died_between_its_streams_heals_after_the_restart() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    server.offered(11).await;
    server.processes.stop().await;
    let claim = |application: u128, placement: u128| {
        let claim = candidacy::Command::Claim {
            application_id: Uuid::from_u128(application),
            placement_id: Uuid::from_u128(placement),
        };
        accepting(application, placement).with(student(), claim)
    };
    let rooms = world.rooms();
    rooms.candidacies().execute(&claim(10, 50)).await.unwrap();
    let server = world.serve();
    server.settle().await;
    assert_eq!(server.application(10).await, Some(Status::Accepted));
    assert_eq!(server.placement(50).await, Some(placements::Status::Active));
    server.processes.stop().await;
}

#[tokio::test]
async fn a_claim_whose_offer_was_declined_meanwhile_is_released_after_the_restart() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    server.processes.stop().await;
    let rooms = world.rooms();
    let claim = candidacy::Command::Claim {
        application_id: Uuid::from_u128(10),
        placement_id: Uuid::from_u128(50),
    };
    let claim = accepting(10, 50).with(student(), claim);
    rooms.candidacies().execute(&claim).await.unwrap();
    let decline = order(1, 10, applications::Command::Decline);
    rooms.applications().execute(&decline).await.unwrap();
    let server = world.serve();
    server.settle().await;
    assert_eq!(server.candidacy().await.held, None);
    assert_eq!(server.placement(50).await, None);
    server.processes.stop().await;
}

#[tokio::test]
async fn a_placement_that_cannot_start_takes_the_acceptance_back() {
    let world = World::new();
    let server = world.serve();
    let taken = order(1, 50, placements::Command::Start(taken()));
    server.rooms.placements.execute(&taken).await.unwrap();
    server.offered(10).await;
    server.offered(11).await;
    server.accept(10, 50).await;
    server.settle().await;
    assert_eq!(server.application(10).await, Some(Status::Rescinded));
    assert_eq!(server.candidacy().await.held, None);
    // The other offer is still there to be taken.
    assert_eq!(server.application(11).await, Some(Status::Offered));
    server.accept(11, 51).await;
    server.settle().await;
    assert_eq!(server.placement(51).await, Some(placements::Status::Active));
    server.processes.stop().await;
}

#[tokio::test]
async fn a_terminated_placement_closes_its_rooms_and_frees_the_student() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    server.accept(10, 50).await;
    server.settle().await;
    let terminate = order(1, 50, placements::Command::Terminate);
    server.rooms.placements.execute(&terminate).await.unwrap();
    server.settle().await;
    let assign = server.rooms.worklists.execute(&mandatory_task(50)).await;
    assert!(assign.is_err());
    assert_eq!(server.candidacy().await.held, None);
    assert!(server.certification(50).await.is_none());
    server.offered(11).await;
    server.accept(11, 51).await;
    server.settle().await;
    let placement: Placement = server
        .rooms
        .placements
        .state(Uuid::from_u128(51))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(placement.known.unwrap().status, placements::Status::Active);
    server.processes.stop().await;
}

#[tokio::test]
async fn offers_expire_after_their_time_and_imported_ones_get_a_day_more() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    let submitting = submitting(11);
    server.rooms.coordinator.submit(&submitting).await.unwrap();
    for (n, step) in (1..).zip(steps()) {
        let mut order = order(1_100 + n, 11, step);
        order.context.imported = true;
        server.rooms.applications().execute(&order).await.unwrap();
    }
    server.settle().await;
    let expiry = OfferExpiry::new(Arc::clone(&server.rooms), Arc::clone(&server.store));
    let hour = clock().plus_seconds(3_600);
    expiry.tick(hour).await.unwrap();
    assert_eq!(server.application(10).await, Some(Status::Offered));
    expiry.tick(hour.plus_seconds(1)).await.unwrap();
    assert_eq!(server.application(10).await, Some(Status::Expired));
    assert_eq!(server.application(11).await, Some(Status::Offered));
    // The log's own clock says when it was recorded: long after the time of this test's story.
    let far = Moment::parse("9000-01-01T00:00:00Z").unwrap();
    expiry.tick(far).await.unwrap();
    assert_eq!(server.application(11).await, Some(Status::Expired));
    assert_eq!(
        server.store.due_timers("offer_expiry", far, 10).unwrap(),
        []
    );
    server.processes.stop().await;
}

#[tokio::test]
async fn an_offer_that_was_answered_has_no_timer_left() {
    let world = World::new();
    let server = world.serve();
    server.offered(10).await;
    server.accept(10, 50).await;
    server.settle().await;
    let far = Moment::parse("9000-01-01T00:00:00Z").unwrap();
    let due = server.store.due_timers("offer_expiry", far, 10).unwrap();
    assert_eq!(due, []);
    server.processes.stop().await;
}
