//! Of several servers on one log, exactly one runs the processes: the one that holds the [`Lease`].
//!
//! ```text
//!   look ──nothing new for EXPIRY, or let go──> take ──> lead: a beat every BEAT ──refused, or STEP_DOWN──> look
//!    └─ meanwhile: the holder's checkpoint becomes ours                    └─ told to end: let go
//! ```
//!
//! A holder that cannot write for [`STEP_DOWN`] stops by itself, before anybody may take over after [`EXPIRY`]; and
//! a holder that was only asleep is refused by its next beat. Times are measured on this machine alone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::duty::Duty;
use super::lane::Lane;
use super::lease::{LaneNote, Lease, Note, Seen};
use super::store::{ProcessStore, StoreError};
use crate::kernel::{Position, Revision};
use crate::log::AppendError;

/// How often the holder says that it is there, and how far it is.
const BEAT: Duration = Duration::from_secs(1);

/// How often the others look.
const LOOK: Duration = Duration::from_millis(250);

/// A holder that has said nothing for so long is taken for dead. With a look and an election of the log's own leader
/// (two seconds), somebody else goes on within ten.
const EXPIRY: Duration = Duration::from_secs(4);

/// A holder that could not write for so long takes itself for dead.
const STEP_DOWN: Duration = Duration::from_secs(3);

/// Runs for the lease, and holds it.
pub(super) struct Candidate {
    pub(super) lease: Lease,
    pub(super) lanes: Vec<Arc<Lane>>,
    pub(super) store: Arc<ProcessStore>,
    pub(super) duty: watch::Sender<Duty>,
    /// True once the lanes have ended.
    pub(super) ended: watch::Receiver<bool>,
}

impl Candidate {
    pub(super) async fn run(mut self) {
        let (mut last, mut since) = (Seen::default(), Instant::now());
        while !*self.ended.borrow() {
            match self.lease.look().await {
                Ok(seen) => {
                    if seen.revision != last.revision {
                        since = Instant::now();
                        self.follow(&seen);
                    }
                    let expired = since.elapsed() >= EXPIRY;
                    let held = seen.note.as_ref().is_some_and(|note| note.held);
                    last = seen;
                    if !held || expired {
                        self.try_to_lead(&last).await;
                        // Whatever came of it, somebody wrote: look anew.
                        since = Instant::now();
                        continue;
                    }
                }
                Err(error) => tracing::warn!(%error, "who runs the processes cannot be read"),
            }
            self.pause(LOOK).await;
        }
    }

    /// Makes the holder's checkpoint ours, so that taking over is only a matter of going on.
    fn follow(&self, seen: &Seen) {
        let Some(note) = seen
            .note
            .as_ref()
            .filter(|note| note.owner != self.lease.owner())
        else {
            return;
        };
        if let Err(error) = self.adopt(note) {
            tracing::error!(%error, "the checkpoint of the server that runs the processes was not kept");
        }
    }

    fn adopt(&self, note: &Note) -> Result<(), StoreError> {
        for lane in self.shared() {
            let noted = note.lanes.iter().find(|noted| {
                noted.process == lane.process.name() && noted.service == lane.source.service
            });
            if let Some(noted) = noted {
                let position = Position(noted.position);
                self.store
                    .adopt(&noted.process, &noted.service, position, &noted.parked())?;
                lane.progress
                    .send_modify(|progress| progress.position = position);
            }
        }
        Ok(())
    }

    /// Lanes whose work is done once for all servers.
    fn shared(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.lanes.iter().filter(|lane| !lane.process.is_local())
    }

    async fn try_to_lead(&mut self, seen: &Seen) {
        let mut note = seen.note.clone().unwrap_or(Note {
            owner: self.lease.owner(),
            held: true,
            lanes: Vec::new(),
        });
        note.owner = self.lease.owner();
        note.held = true;
        let asked = Instant::now();
        match self.write(seen.revision, &note, asked).await {
            Ok(revision) => {
                tracing::info!(revision, "this server runs the processes now");
                self.follow(seen);
                self.lead(revision, asked).await;
            }
            Err(error) => {
                tracing::info!(%error, "this server does not run the processes");
                self.pause(LOOK).await;
            }
        }
    }

    async fn lead(&mut self, mut revision: Revision, mut good: Instant) {
        for lane in self.shared() {
            if let Err(error) = lane.reload(&self.store).await {
                tracing::error!(%error, "the checkpoint cannot be read");
                return;
            }
        }
        self.order(Duty::Lead);
        loop {
            self.pause(BEAT).await;
            let ended = *self.ended.borrow();
            let asked = Instant::now();
            let written = match self.checkpoint(!ended) {
                Ok(note) => self.write(Some(revision), &note, good).await,
                Err(error) => Err(AppendError::Unavailable {
                    cause: error.to_string(),
                    retry: true,
                }),
            };
            match written {
                Ok(next) => (revision, good) = (next, asked),
                Err(AppendError::Unavailable { retry: true, .. }) if good.elapsed() < STEP_DOWN => {
                }
                Err(error) => {
                    tracing::warn!(%error, "this server no longer runs the processes");
                    break;
                }
            }
            if ended {
                return;
            }
        }
        self.order(Duty::Wait);
    }

    /// Writes before [`STEP_DOWN`] after `good`, or fails.
    async fn write(
        &self,
        seen: Option<Revision>,
        note: &Note,
        good: Instant,
    ) -> Result<Revision, AppendError> {
        timeout_at(good + STEP_DOWN, self.lease.write(seen, note))
            .await
            .unwrap_or_else(|_elapsed| {
                Err(AppendError::Unavailable {
                    cause: format!("no beat was written in {STEP_DOWN:?}"),
                    retry: false,
                })
            })
    }

    fn checkpoint(&self, held: bool) -> Result<Note, StoreError> {
        let mut lanes = Vec::new();
        for lane in self.shared() {
            let (process, service) = (lane.process.name(), lane.source.service);
            // First the position: what is parked by then is in the store.
            let position = lane.progress.borrow().position;
            let parked = self.store.parked_of(process, service)?;
            lanes.push(LaneNote::new(process, service, position, &parked));
        }
        Ok(Note {
            owner: self.lease.owner(),
            held,
            lanes,
        })
    }

    /// Gives the order, unless the last one was to stop.
    fn order(&self, order: Duty) {
        self.duty.send_if_modified(|duty| {
            let obeyed = *duty != Duty::Stop;
            if obeyed {
                *duty = order;
            }
            obeyed
        });
    }

    /// Waits, but not when everything ends.
    async fn pause(&mut self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            _ = self.ended.wait_for(|ended| *ended) => {}
        }
    }
}
