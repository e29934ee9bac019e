//! The writer: one thread, one connection, one commit for all appends that arrived together.
//!
//! ```text
//!   append() ──try_send──> queue ──> BEGIN, judge and insert each, COMMIT ──> syncer: sync, tail, head, replies
//!                                                                    │ failed
//!                            rolled back, refused until a probe fits <──┴──> stopped for good
//! ```
//!
//! Owns: the writing connection and the order of positions. That nothing is acknowledged before it is durable is the
//! [syncer](super::sync)'s promise; whether the writer goes on after a failed commit is told by [`trouble`](super::trouble).

use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::appender::Appender;
use super::checkpoint::{self, Checkpoints};
use super::index::StreamIndex;
use super::judge;
use super::lock::{DirectoryLock, Left};
use super::operation::Halt;
use super::queue::{Outcome, Request};
use super::rows::Statements;
use super::schema;
use super::shared::Shared;
use super::sync::{Answer, Committed, Syncer};
use super::trouble::{self, PROBE_EVERY, Probe, REFUSE_EVERY, Trouble};
use crate::kernel::{Moment, Position};
use crate::log::rules::{Clock, Protected};
use crate::log::{AppendError, Appended, Health, RecordedEvent};

/// Appends that share one commit at most.
const GROUP_APPENDS: usize = 1024;

/// Bytes that share one commit, beyond which no further append joins.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// What the writer's thread needs.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) queue: mpsc::Receiver<Request>,
    pub(super) shared: Arc<Shared>,
    pub(super) checkpoints: Checkpoints,
    pub(super) syncer: Syncer,
    pub(super) clock: Clock,
    pub(super) protected: Protected,
    pub(super) last_recorded: Moment,
    pub(super) lock: DirectoryLock,
}

impl Writer {
    /// Writes until the queue is closed, or refuses until then.
    pub(super) fn run(mut self) {
        let _watch = PanicWatch(Arc::clone(&self.shared));
        let served = self.serve();
        self.syncer.stop();
        self.checkpoints.stop();
        if let Err(error) = served {
            tracing::error!(log = %self.shared.database().display(), %error, "the log's writer stopped");
            let cause = error.to_string();
            self.shared
                .health
                .send_replace(Health::Failed(restart(&cause)));
            while let Some(request) = self.queue.blocking_recv() {
                let _ = request.reply.send(Err(stopped(&cause)));
            }
        } else if checkpoint::copy_all(&self.connection) {
            // In this order: the connection's end removes the write-ahead log.
            let bytes = std::fs::metadata(self.shared.database()).map_or(0, |file| file.len());
            self.lock.clear(bytes);
            let _ = schema::keep_wal(&self.connection, false);
        }
    }

    /// Until the queue is closed, or an error after which nobody knows what the disk holds.
    fn serve(&mut self) -> rusqlite::Result<()> {
        loop {
            let Err(error) = self.write() else {
                return Ok(());
            };
            let trouble = Trouble::of(&error).ok_or(error)?;
            let log = self.shared.database().display().to_string();
            tracing::error!(log, ?trouble, "the log cannot be written now");
            if !self.wait_out(trouble)? {
                return Ok(());
            }
            tracing::info!(log, "the log can be written again");
            self.shared.health.send_replace(Health::Serving);
        }
    }

    /// Writes groups until the queue is closed, or one of them fails; that one is rolled back.
    fn write(&mut self) -> rusqlite::Result<()> {
        let head = *self.shared.head.borrow();
        let statements = Statements::prepare(&self.connection)?;
        let mut appender = Appender::new(
            statements,
            StreamIndex::new(Arc::clone(&self.shared.unwritten)),
            self.protected.clone(),
            head,
            self.last_recorded,
            judge::ids_before(self.lock.left == Left::Open),
        )?;
        let mut waiting = Vec::with_capacity(GROUP_APPENDS);
        while self.queue.blocking_recv_many(&mut waiting, GROUP_APPENDS) > 0 {
            let mut waiting = waiting.drain(..).peekable();
            while waiting.peek().is_some() {
                let group = std::iter::from_fn(|| waiting.next());
                let mut answers = Vec::with_capacity(group.size_hint().0);
                let done = self
                    .syncer
                    .check()
                    .and_then(|()| write_group(&mut appender, group, &self.clock, &mut answers));
                let more = waiting.peek().is_some() || !self.queue.is_empty();
                let done = done.map_err(|error| {
                    let error = appender.rollback(error);
                    // Those before it are durable, or nobody knows.
                    self.syncer.settle().err().unwrap_or(error)
                });
                let done = done.and_then(|events| {
                    let answers = std::mem::take(&mut answers);
                    self.syncer.take(Committed { events, answers }, more)
                });
                let done = done.and_then(|()| self.checkpoints.after_commit(&self.connection));
                if let Err(error) = done {
                    let in_group = answers.drain(..).map(|(reply, _)| reply);
                    let behind = waiting.map(|request| request.reply);
                    self.shared.fail(&error, in_group.chain(behind));
                    return Err(error);
                }
            }
        }
        self.syncer.settle()?;
        appender.finish()
    }

    /// Refuses what comes until a probe can be written; false where the log was closed meanwhile.
    fn wait_out(&mut self, mut trouble: Trouble) -> rusqlite::Result<bool> {
        loop {
            let probe_at = Instant::now() + PROBE_EVERY;
            while Instant::now() < probe_at {
                match self.queue.try_recv() {
                    Ok(request) => {
                        let _ = request.reply.send(Err(trouble.refusal()));
                    }
                    Err(TryRecvError::Empty) => std::thread::sleep(REFUSE_EVERY),
                    Err(TryRecvError::Disconnected) => return Ok(false),
                }
            }
            match trouble::probe(self.shared.directory(), &self.connection) {
                Ok(()) => {
                    self.syncer.sync()?;
                    return self.check_end().map(|()| true);
                }
                Err(Probe::Final(error)) => return Err(error),
                Err(Probe::Still(still)) if still != trouble => {
                    self.shared.health.send_replace(still.health());
                    trouble = still;
                }
                Err(Probe::Still(_)) => {}
            }
        }
    }

    /// What was rolled back must not be there.
    fn check_end(&mut self) -> rusqlite::Result<()> {
        let (end, recorded) = end_of(&self.connection)?;
        if end != *self.shared.head.borrow() {
            let what = "events are there that were rolled back";
            return Err(super::index::corrupt(what.into()));
        }
        self.last_recorded = recorded;
        Ok(())
    }
}

/// Shows a panic of the writer in health: whoever waits hears it from the dropped replies.
struct PanicWatch(Arc<Shared>);

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let cause = "the writer panicked".to_owned();
            self.0.health.send_replace(Health::Failed(cause));
        }
    }
}

/// One transaction: as many requests as fit, their outcomes to be told once it is synced.
fn write_group(
    appender: &mut Appender<'_>,
    requests: impl Iterator<Item = Request>,
    clock: &Clock,
    answers: &mut Vec<Answer>,
) -> rusqlite::Result<Vec<RecordedEvent>> {
    appender.begin(clock())?;
    let mut bytes = 0;
    for request in requests {
        bytes += request.weight.bytes;
        match appender.apply(request.operation) {
            Ok(done) => answers.push((request.reply, Ok(done))),
            Err(Halt::Refused(refusal)) => answers.push((request.reply, Err(refusal))),
            Err(Halt::Broken(error)) => {
                // It fails with its group, which says why.
                answers.push((request.reply, Ok(NOTHING)));
                return Err(error);
            }
        }
        if bytes >= GROUP_BYTES {
            break;
        }
    }
    appender.commit()
}

/// Stands for an outcome that is never sent.
const NOTHING: Appended = Appended {
    revision: None,
    position: Position::START,
    repeated: false,
};

/// What callers hear once the writer gave up.
fn stopped(cause: &str) -> AppendError {
    AppendError::Unavailable {
        cause: restart(cause),
        retry: false,
    }
}

fn restart(cause: &str) -> String {
    format!(
        "what the disk holds after a failed write is not known ({cause}): restart to reopen the log"
    )
}

impl Shared {
    /// Tells everybody that a write failed. Health first: whoever is told must also be able to see it.
    pub(super) fn fail(
        &self,
        error: &rusqlite::Error,
        waiting: impl Iterator<Item = oneshot::Sender<Outcome>>,
    ) {
        let cause = error.to_string();
        let (health, refusal) = Trouble::of(error).map_or_else(
            || (Health::Failed(restart(&cause)), stopped(&cause)),
            |trouble| (trouble.health(), trouble.refusal()),
        );
        self.health.send_replace(health);
        for reply in waiting {
            let _ = reply.send(Err(refusal.clone()));
        }
    }

    /// Shows a commit to subscribers and readers, before its writers hear of it: they may read at once.
    pub(super) fn publish(&self, written: Vec<RecordedEvent>) {
        let Some(last) = written.last().map(|event| event.position) else {
            return;
        };
        self.unwritten.show(last);
        self.tail.push(written);
        self.head.send_replace(last);
    }
}

/// Reads where the log ends.
pub(super) fn end_of(connection: &Connection) -> rusqlite::Result<(Position, Moment)> {
    connection.query_row(
        "SELECT coalesce(max(position), 0),
                coalesce((SELECT recorded FROM events ORDER BY position DESC LIMIT 1), 0) FROM events",
        [],
        |row| {
            let (position, recorded) = (row.get(0)?, row.get(1)?);
            let recorded = Moment::from_unix_micros(recorded).unwrap_or(Moment::EPOCH);
            Ok((Position(super::rows::from_column(position)), recorded))
        },
    )
}
