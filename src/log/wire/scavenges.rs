//! A scavenge and its record in the log, as the official server keeps it: `$scavenges-<id>` has a `$scavengeStarted` and, when
//! it is over, a `$scavengeCompleted`, both linked to in `$scavenges`. Thirty days later they are hidden themselves.
//!
//! Whoever started a scavenge finds its outcome there. One that the node did not live to complete is completed as failed
//! when the log is served again, before another can start.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::links::{self, LINK_TYPE};
use super::node::Node;
use super::subscribe::subscription_id;
use crate::kernel::StreamName;
use crate::log::sqlite::{Scavenged, SqliteLog};
use crate::log::{AppendError, Direction, Expected, NewEvent, ReadFrom, StreamMetadata};

/// The stream of links to all of them; `-<id>` behind it makes the stream of one.
const HISTORY: &str = "$scavenges";

const STARTED: &str = "$scavengeStarted";
const COMPLETED: &str = "$scavengeCompleted";

/// How long records are seen: thirty days.
const HISTORY_SECONDS: i64 = 30 * 24 * 60 * 60;

/// Records looked at for scavenges that were never completed. They run one at a time: only the last can be open.
const RECENT: usize = 16;

/// How often an outcome that cannot be written is tried again, and how much later each time.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Gives back the space of what nobody can see any more.
#[tonic::async_trait]
pub trait Scavenger: Send + Sync + 'static {
    /// Returns when all is given back; `progress` hears what was done so far. Dropping it stops between two
    /// transactions, and nothing is lost by that.
    ///
    /// # Errors
    /// What went wrong, for the operator.
    async fn scavenge(
        &self,
        progress: &(dyn Fn(Scavenged) + Send + Sync),
    ) -> Result<Scavenged, String>;
}

#[tonic::async_trait]
impl Scavenger for SqliteLog {
    async fn scavenge(
        &self,
        progress: &(dyn Fn(Scavenged) + Send + Sync),
    ) -> Result<Scavenged, String> {
        let done = Self::scavenge(self, progress).await;
        done.map_err(|error| error.to_string())
    }
}

/// One scavenge, from its first record to its last.
pub(super) struct Scavenge {
    node: Arc<Node>,
    pub(super) id: Uuid,
    began: Instant,
}

impl Scavenge {
    /// Writes down that one starts.
    pub(super) async fn start(node: &Arc<Node>) -> Result<Self, AppendError> {
        let started = Self {
            node: Arc::clone(node),
            id: subscription_id(),
            began: Instant::now(),
        };
        describe(node, &history()?).await?;
        describe(node, &StreamName::of(HISTORY, started.id)).await?;
        let data = json!({
            "scavengeId": started.id,
            "nodeEndpoint": node.address,
        });
        record(node, started.id, STARTED, &data).await?;
        Ok(started)
    }

    /// Scavenges until it is done or `stopped`, or the node goes down, and writes down what came of it.
    pub(super) async fn run(
        self,
        scavenger: Arc<dyn Scavenger>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let so_far = Mutex::new(Scavenged::default());
        let progress = |done| *so_far.lock().unwrap_or_else(PoisonError::into_inner) = done;
        let outcome = tokio::select! {
            done = scavenger.scavenge(&progress) => match done {
                Ok(done) => {
                    progress(done);
                    ("Success", None)
                }
                Err(problem) => ("Failed", Some(problem)),
            },
            _ = stopped.wait_for(|stopped| *stopped) => ("Stopped", None),
            () = self.node.closed() => ("Stopped", None),
        };
        let done = *so_far.lock().unwrap_or_else(PoisonError::into_inner);
        self.complete(outcome.0, outcome.1, done).await;
    }

    async fn complete(&self, result: &str, error: Option<String>, done: Scavenged) {
        let (
            id,
            Scavenged {
                streams,
                events,
                bytes,
            },
        ) = (self.id, done);
        match &error {
            None => tracing::info!(%id, result, streams, events, bytes, "scavenge over"),
            Some(problem) => tracing::error!(%id, problem, "a scavenge failed"),
        }
        let data = json!(Completion {
            time_taken: time_span(self.began.elapsed()),
            space_saved: bytes,
            streams: Some(streams),
            events: Some(events),
            ..Completion::of(id, &self.node, result, error.as_deref())
        });
        for attempt in 1..=ATTEMPTS {
            let written = record(&self.node, id, COMPLETED, &data).await;
            let Err(error) = written else { return };
            tracing::warn!(%id, %error, attempt, "the end of a scavenge was not written down");
            tokio::time::sleep(PAUSE * attempt).await;
        }
    }
}

/// Completes those that the last server of this log did not live to complete.
pub(super) async fn complete_interrupted(node: &Arc<Node>) {
    for id in interrupted(node).await {
        // Written down, and then there was no time for the link.
        if is_complete(node, id).await {
            continue;
        }
        tracing::warn!(%id, "a scavenge was interrupted by the end of its server");
        let restarted = Some("The node was restarted.");
        let data = json!(Completion::of(id, node, "Failed", restarted));
        if let Err(error) = record(node, id, COMPLETED, &data).await {
            tracing::warn!(%id, %error, "the end of a scavenge was not written down");
        }
    }
}

/// Ids of scavenges that were started and not completed.
async fn interrupted(node: &Arc<Node>) -> Vec<Uuid> {
    let Ok(history) = history() else {
        return Vec::new();
    };
    let read = node
        .log
        .read_stream(&history, ReadFrom::End, Direction::Backward, RECENT);
    let Ok(slice) = read.await else {
        return Vec::new();
    };
    let (mut completed, mut open) = (HashSet::new(), Vec::new());
    // Newest first: what completes a scavenge comes before what started it.
    for link in slice.events {
        let resolved = links::resolve(node, link).await.ok();
        let Some(event) = resolved.and_then(|resolved| resolved.event) else {
            continue;
        };
        let data: Value = serde_json::from_slice(&event.data).unwrap_or_default();
        let id = data.get("scavengeId").and_then(Value::as_str);
        let Some(id) = id.and_then(|id| id.parse().ok()) else {
            continue;
        };
        match &*event.event_type {
            COMPLETED => _ = completed.insert(id),
            STARTED if !completed.contains(&id) => open.push(id),
            _ => {}
        }
    }
    open
}

async fn is_complete(node: &Node, id: Uuid) -> bool {
    let stream = StreamName::of(HISTORY, id);
    let read = node
        .log
        .read_stream(&stream, ReadFrom::End, Direction::Backward, 1);
    let last = read
        .await
        .ok()
        .and_then(|slice| slice.events.into_iter().next());
    last.is_some_and(|event| &*event.event_type == COMPLETED)
}

/// What is written down of a scavenge that is over.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Completion<'a> {
    scavenge_id: Uuid,
    node_endpoint: SocketAddr,
    result: &'a str,
    error: Option<&'a str>,
    time_taken: String,
    space_saved: u64,
    /// A log of ours has no chunks.
    max_chunk_scavenged: u64,
    /// These two are ours; nobody knows them of one that was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    streams: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
}

impl<'a> Completion<'a> {
    fn of(id: Uuid, node: &Node, result: &'a str, error: Option<&'a str>) -> Self {
        Self {
            scavenge_id: id,
            node_endpoint: node.address,
            result,
            error,
            time_taken: time_span(Duration::ZERO),
            space_saved: 0,
            max_chunk_scavenged: 0,
            streams: None,
            events: None,
        }
    }
}

/// Appends to the stream of one scavenge, and a link to that to the history.
async fn record(node: &Node, id: Uuid, event_type: &str, data: &Value) -> Result<(), AppendError> {
    let stream = StreamName::of(HISTORY, id);
    let event = NewEvent {
        id: subscription_id(),
        event_type: event_type.into(),
        is_json: true,
        data: data.to_string().into(),
        metadata: bytes::Bytes::new(),
    };
    let done = node.log.append(&stream, Expected::Any, vec![event]).await?;
    let link = NewEvent {
        id: subscription_id(),
        event_type: LINK_TYPE.into(),
        is_json: false,
        data: format!("{}@{stream}", done.revision.unwrap_or_default()).into(),
        metadata: bytes::Bytes::new(),
    };
    let linked = node
        .log
        .append(&history()?, Expected::Any, vec![link])
        .await;
    linked.map(|_| ())
}

/// Gives a stream of records its metadata, where it has none.
async fn describe(node: &Node, stream: &StreamName) -> Result<(), AppendError> {
    let acl = json!({"$r": "$ops", "$w": [], "$d": [], "$mr": [], "$mw": []});
    let metadata = StreamMetadata {
        max_age_seconds: Some(HISTORY_SECONDS),
        other: serde_json::Map::from_iter([("$acl".to_owned(), acl)]),
        ..StreamMetadata::default()
    };
    let set = node.log.set_metadata(stream, Expected::NoStream, metadata);
    match set.await {
        Ok(_) | Err(AppendError::WrongExpected { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn history() -> Result<StreamName, AppendError> {
    StreamName::new(HISTORY).map_err(|error| AppendError::Invalid {
        index: 0,
        problem: error.to_string(),
    })
}

/// As .NET writes a time span: days only where there are any, and tenths of microseconds.
fn time_span(taken: Duration) -> String {
    let (seconds, fraction) = (taken.as_secs(), taken.subsec_nanos() / 100);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let time = format!("{hours:02}:{minutes:02}:{:02}.{fraction:07}", seconds % 60);
    match days {
        0 => time,
        days => format!("{days}.{time}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_is_written_as_dotnet_does() {
        assert_eq!(time_span(Duration::from_millis(1_500)), "00:00:01.5000000");
        let long = Duration::from_secs(2 * 86_400 + 3 * 3_600 + 4 * 60 + 5);
        assert_eq!(time_span(long), "2.03:04:05.0000000");
    }
}
