//! Runs the processes: one task a process and source, one for the clock of each process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::lane::{Lane, Progress, run};
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
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Processes {
    /// Starts `processes` on the logs of their sources, from where they were.
    pub fn start(
        processes: Vec<Arc<dyn Process>>,
        logs: &HashMap<&'static str, Arc<dyn EventLog>>,
        store: Arc<ProcessStore>,
        clock: fn() -> Moment,
    ) -> Result<Self, StoreError> {
        let (stop, stopped) = watch::channel(false);
        let (mut lanes, mut tasks) = (Vec::new(), Vec::new());
        for process in processes {
            for source in process.sources() {
                let Some(log) = logs.get(source.service) else {
                    continue;
                };
                let position = store.position(process.name(), source.service)?;
                let blocked = store
                    .blocked_streams(process.name(), source.service)?
                    .into_iter()
                    .collect();
                let lane = Arc::new(Lane {
                    process: Arc::clone(&process),
                    source: *source,
                    log: Arc::clone(log),
                    progress: watch::channel(Progress {
                        position,
                        trouble: None,
                    })
                    .0,
                    blocked: Mutex::new(blocked),
                });
                tasks.push(tokio::spawn(run(
                    Arc::clone(&lane),
                    Arc::clone(&store),
                    clock,
                    stopped.clone(),
                )));
                lanes.push(lane);
            }
            tasks.push(tokio::spawn(tick(process, clock, stopped.clone())));
        }
        Ok(Self {
            lanes,
            store,
            clock,
            stop,
            tasks: Mutex::new(tasks),
        })
    }

    /// The processes' names; one that has several sources comes several times.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.lanes.iter().map(|lane| lane.process.name())
    }

    /// How far everything is.
    pub async fn status(&self) -> Result<Vec<ProcessStatus>, ReadError> {
        let mut status = Vec::with_capacity(self.lanes.len());
        for lane in &self.lanes {
            let progress = lane.progress.borrow().clone();
            status.push(ProcessStatus {
                process: lane.process.name(),
                service: lane.source.service,
                position: progress.position,
                head: lane.log.head().await?,
                parked: self
                    .store
                    .parked_count(lane.process.name())
                    .unwrap_or_default(),
                trouble: progress.trouble,
            });
        }
        Ok(status)
    }

    /// What is parked.
    #[must_use]
    pub fn store(&self) -> &ProcessStore {
        &self.store
    }

    /// Lets every lane finish what it handles, saves, and ends.
    pub async fn stop(&self) {
        // No receiver left means that all lanes have ended already.
        let _ = self.stop.send(true);
        for task in self.tasks.lock().await.drain(..) {
            // A lane that panicked has logged it; there is nothing left to save.
            let _ = task.await;
        }
    }
}

async fn tick(
    process: Arc<dyn Process>,
    clock: fn() -> Moment,
    mut stopped: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = process.tick(clock()).await {
            tracing::warn!(process = process.name(), %error, "the tick is tried again");
        }
    }
}
