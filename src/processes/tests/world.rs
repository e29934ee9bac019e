//! All rooms and all processes on logs in memory, and the orders that are given to them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::applications::candidacy::Candidacy;
use crate::applications::{
    self, Acceptance, Coordinator, Ids, Listing, Profile, Status, Submission,
};
use crate::certificates::Certification;
use crate::command::{Handler, Order, Ownership, RequestDigest};
use crate::evaluations;
use crate::kernel::given::context;
use crate::kernel::{
    ConsistencyToken, Context, Date, Kpi, KpiTarget, Moment, Position, Ratings, Role, Stored,
    Terms, parse_date,
};
use crate::log::EventLog;
use crate::log::memory::MemoryLog;
use crate::placements;
use crate::processes::{ProcessStore, Processes, Rooms, all};
use crate::tasks;

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
    pub(super) dir: tempfile::TempDir,
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

    pub(super) fn handler<A: Stored>(&self, service: &str) -> Arc<Handler<A>> {
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

    pub(super) fn serve_with(&self, store: Arc<ProcessStore>) -> Server {
        let rooms = self.rooms();
        let processes = all(&rooms, &store);
        let processes = Processes::start(processes, &self.logs, Arc::clone(&store), clock).unwrap();
        Server {
            rooms,
            processes,
            store,
        }
    }

    pub(super) async fn heads(&self) -> BTreeMap<&'static str, Position> {
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

    pub(super) async fn application(&self, id: u128) -> Option<Status> {
        let state = self.rooms.applications().state(Uuid::from_u128(id)).await;
        state.unwrap()?.known.map(|known| known.status)
    }

    pub(super) async fn candidacy(&self) -> Candidacy {
        let state = self.rooms.candidacies().state(student()).await;
        state.unwrap().unwrap_or_default()
    }

    pub(super) async fn placement(&self, id: u128) -> Option<placements::Status> {
        let state = self.rooms.placements.state(Uuid::from_u128(id)).await;
        state.unwrap()?.known.map(|known| known.status)
    }

    pub(super) async fn certification(&self, id: u128) -> Option<Certification> {
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
