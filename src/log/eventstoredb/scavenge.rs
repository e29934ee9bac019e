//! A scavenge of the server's own: asked for, and followed in the record that the server keeps of it.
//!
//! The record is the stream `$scavenges-<id>`. It is read again and again rather than subscribed to: a server that dies is
//! noticed, and one that comes back has completed the record of what it did not live to complete.

use std::time::Duration;

use eventstore::operations;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::call::step;
use super::cluster::Cluster;
use super::engine::EsdbLog;
use super::trouble::Trouble;
use crate::kernel::StreamName;
use crate::log::{Direction, EventLog as _, ReadError, ReadFrom};

/// What the last event of a record is when the scavenge is over.
const COMPLETED: &str = "$scavengeCompleted";

/// First and longest pause between two looks at the record.
const LOOK_FIRST: Duration = Duration::from_millis(50);
const LOOK_LONGEST: Duration = Duration::from_secs(1);

/// A server that has written nothing of a scavenge after so long keeps no record of it.
const RECORDED_WITHIN: Duration = Duration::from_secs(30);

/// The outcome of a scavenge, as the server wrote it down.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScavengeOutcome {
    /// Which one.
    pub scavenge_id: String,
    /// `Success`, or another word.
    pub result: String,
    /// What went wrong, for the operator.
    pub error: Option<String>,
    /// Bytes given back.
    #[serde(default)]
    pub space_saved: i64,
    /// Events removed and streams that lost some, which only servers of ours say.
    pub events: Option<u64>,
    /// See [`events`](Self::events).
    pub streams: Option<u64>,
}

/// Why nothing is known of the outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScavengeError {
    /// The server will not.
    #[error("{server} does not scavenge: {cause}")]
    Refused {
        /// Which.
        server: String,
        /// Why.
        cause: String,
    },
    /// The record cannot be read.
    #[error(
        "scavenge {id} was begun, and what became of it is not known ({cause}): nothing is lost by that, scavenge again when the server answers"
    )]
    Lost {
        /// Which scavenge.
        id: String,
        /// Why.
        cause: String,
    },
}

impl Cluster {
    /// Asks the server to scavenge, or finds that it already does; answers the scavenge's id.
    ///
    /// # Errors
    /// [`ScavengeError::Refused`].
    pub async fn start_scavenge(&self) -> Result<String, ScavengeError> {
        let asked = self.call(|_| {
            let (settings, user) = (self.settings(), self.user());
            async move {
                let client = operations::Client::new(settings);
                let mut options = operations::OperationalOptions::default();
                if let Some(user) = user {
                    options = options.authenticated(user);
                }
                step(client.start_scavenge(1, 0, &options)).await
            }
        });
        let refused = |cause| ScavengeError::Refused {
            server: self.shown().to_owned(),
            cause,
        };
        match asked.await {
            Ok(begun) => Ok(begun.id().to_owned()),
            Err(Trouble::Refused(cause) | Trouble::Lost(cause) | Trouble::NotLeader(cause)) => {
                Err(refused(cause))
            }
            Err(
                other @ (Trouble::WrongRevision(_)
                | Trouble::Precondition
                | Trouble::Deleted
                | Trouble::Closed),
            ) => Err(refused(format!("{other:?}"))),
        }
    }
}

impl EsdbLog {
    /// Waits until the scavenge `id` is over. `progress` hears for how long.
    ///
    /// # Errors
    /// [`ScavengeError::Lost`].
    pub async fn scavenge_outcome(
        &self,
        id: &str,
        mut progress: impl FnMut(Duration),
    ) -> Result<ScavengeOutcome, ScavengeError> {
        let lost = |cause: String| ScavengeError::Lost {
            id: id.to_owned(),
            cause,
        };
        let record = StreamName::new(format!("$scavenges-{id}"));
        let record = record.map_err(|error| lost(error.to_string()))?;
        let (since, mut pause) = (Instant::now(), LOOK_FIRST);
        loop {
            let read = self.read_stream(&record, ReadFrom::End, Direction::Backward, 1);
            let slice = read
                .await
                .map_err(|error: ReadError| lost(error.to_string()))?;
            match slice.events.first() {
                Some(newest) if &*newest.event_type == COMPLETED => {
                    return serde_json::from_slice(&newest.data)
                        .map_err(|error| lost(error.to_string()));
                }
                None if since.elapsed() > RECORDED_WITHIN => {
                    let cause = format!("nothing of it was written to {record}");
                    return Err(lost(cause));
                }
                Some(_) | None => {}
            }
            progress(since.elapsed());
            sleep(pause).await;
            pause = (pause * 2).min(LOOK_LONGEST);
        }
    }
}
