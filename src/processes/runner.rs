//! Runs the processes: one task a process and source, one for the clock of each process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::duty::{self, Duty};
use super::lane::{Lane, run};
use super::lead::Candidate;
use super::lease::Lease;
use super::process::Process;
use super::store::{ProcessStore, StoreError};
use crate::kernel::{Moment, Position};
use crate::log::{EventLog, ReadError};

/// How often the clocks tick.
const TICK: Duration = Duration::from_secs(1);

/// How far one source of one process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStatus {
    /// The process.
    pub process: &'static str,
    /// Its source.
    pub service: &'static str,
    /// Handled (or parked) up to here.
    pub position: Position,
    /// The log's end.
    pub head: Position,
    /// Parked events of the process, from all its sources.
    pub parked: u64,
    /// What it is trying again, if it is.
    pub trouble: Option<String>,
}

/// All processes of a server.
pub struct Processes {
    pub(super) lanes: Vec<Arc<Lane>>,
    pub(super) store: Arc<ProcessStore>,
    pub(super) clock: fn() -> Moment,
    /// Of processes that one server runs for all, and of those that every server runs for itself.
    duty: watch::Sender<Duty>,
    local_duty: watch::Sender<Duty>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// Told when the tasks have ended, and the task that then lets go of the lease.
    ended: watch::Sender<bool>,
    candidate: Mutex<Option<JoinHandle<()>>>,
}

impl Processes {
    /// Starts `processes` on the logs of their sources, from where they were. No other server is on these logs.
    pub fn start(
        processes: Vec<Arc<dyn Process>>,
        logs: &HashMap<&'static str, Arc<dyn EventLog>>,
        store: Arc<ProcessStore>,
        clock: fn() -> Moment,
    ) -> Result<Self, StoreError> {
        Self::start_with(processes, logs, store, clock, None)
    }

    /// The same; with a lease, they advance only while this server holds it.
    pub fn start_with(
        processes: Vec<Arc<dyn Process>>,
        logs: &HashMap<&'static str, Arc<dyn EventLog>>,
        store: Arc<ProcessStore>,
        clock: fn() -> Moment,
        lease: Option<Lease>,
    ) -> Result<Self, StoreError> {
        let first = if lease.is_some() {
            Duty::Wait
        } else {
            Duty::Lead
        };
        let (duty, local_duty) = (watch::Sender::new(first), watch::Sender::new(Duty::Lead));
        let (mut lanes, mut tasks) = (Vec::new(), Vec::new());
        for process in processes {
            let of_lanes = if process.is_local() {
                &local_duty
            } else {
                &duty
            };
            for source in process.sources() {
                let Some(log) = logs.get(source.service) else {
                    continue;
                };
                let lane = Arc::new(Lane::open(&process, *source, log, &store)?);
                tasks.push(tokio::spawn(run(
                    Arc::clone(&lane),
                    Arc::clone(&store),
                    clock,
                    of_lanes.subscribe(),
                )));
                lanes.push(lane);
            }
            tasks.push(tokio::spawn(tick(process, clock, duty.subscribe())));
        }
        let ended = watch::Sender::new(false);
        let candidate = lease.map(|lease| {
            let candidate = Candidate {
                lease,
                lanes: lanes.clone(),
                store: Arc::clone(&store),
                duty: duty.clone(),
                ended: ended.subscribe(),
            };
            tokio::spawn(candidate.run())
        });
        Ok(Self {
            lanes,
            store,
            clock,
            duty,
            local_duty,
            tasks: Mutex::new(tasks),
            ended,
            candidate: Mutex::new(candidate),
        })
    }

    /// The processes' names; one that has several sources comes several times.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.lanes.iter().map(|lane| lane.process.name())
    }

    /// How far everything is.
    pub async fn status(&self) -> Result<Vec<ProcessStatus>, ReadError> {
        let heads: HashMap<_, _> = self.heads().await?.into_iter().collect();
        let mut status = Vec::with_capacity(self.lanes.len());
        for lane in &self.lanes {
            let progress = lane.progress.borrow().clone();
            let head = heads.get(lane.source.service).copied().unwrap_or_default();
            status.push(ProcessStatus {
                process: lane.process.name(),
                service: lane.source.service,
                position: progress.position,
                head: head.max(progress.position),
                parked: self
                    .store
                    .parked_count(lane.process.name())
                    .unwrap_or_default(),
                trouble: progress.trouble,
            });
        }
        Ok(status)
    }

    /// What each process tries again, by process and service. Asks no log.
    pub fn troubles(&self) -> impl Iterator<Item = (&'static str, &'static str, Option<String>)> {
        self.lanes.iter().map(|lane| {
            let trouble = lane.progress.borrow().trouble.clone();
            (lane.process.name(), lane.source.service, trouble)
        })
    }

    /// Whether it is this server that runs them.
    pub(super) fn leads(&self) -> bool {
        *self.duty.borrow() == Duty::Lead
    }

    /// What is parked.
    #[must_use]
    pub fn store(&self) -> &ProcessStore {
        &self.store
    }

    /// Lets every lane finish what it handles, saves, and ends.
    pub async fn stop(&self) {
        self.duty.send_replace(Duty::Stop);
        self.local_duty.send_replace(Duty::Stop);
        for task in self.tasks.lock().await.drain(..) {
            // A lane that panicked has logged it; there is nothing left to save.
            let _ = task.await;
        }
        self.ended.send_replace(true);
        if let Some(candidate) = self.candidate.lock().await.take() {
            // Where it panicked, the lease runs out by itself.
            let _ = candidate.await;
        }
    }
}

async fn tick(process: Arc<dyn Process>, clock: fn() -> Moment, mut duty: watch::Receiver<Duty>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while duty::called(&mut duty).await {
        tokio::select! {
            _ = ticks.tick() => {}
            () = duty::relieved(&mut duty) => continue,
        }
        if let Err(error) = process.tick(clock()).await {
            tracing::warn!(process = process.name(), %error, "the tick is tried again");
        }
    }
}
