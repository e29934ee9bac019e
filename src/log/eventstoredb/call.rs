//! One call to the server: made again until it is answered, in a task that ends with its caller and keeps a panic to itself.

use std::future::Future;
use std::time::Duration;

use eventstore::{Client, Error};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::cluster::Cluster;
use super::trouble::{self, Trouble};

/// How long a call is repeated before the caller is told that the log is unavailable. An election of a new leader takes
/// about two seconds. A caller with less time goes away earlier, which ends the call.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long one try may take: the crate waits for ever where a connection swallows what is sent.
const TRY: Duration = Duration::from_secs(3);

/// First and longest pause between two tries.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_LONGEST: Duration = Duration::from_millis(500);

impl Cluster {
    /// Makes `call` until it is answered, or [`PATIENCE`] is over. What it does must bear being done twice.
    pub(super) async fn call<T, F, Fut>(&self, call: F) -> Result<T, Trouble>
    where
        T: Send + 'static,
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let give_up = Instant::now() + PATIENCE;
        let mut pause = PAUSE_FIRST;
        let mut followed = false;
        loop {
            let (generation, client) = self.client();
            let outcome = timeout_at(give_up, contained(self.runtime(), call(client))).await;
            let trouble = match outcome {
                Ok(Ok(answer)) => {
                    self.works();
                    return Ok(answer);
                }
                Ok(Err(trouble)) => trouble,
                Err(_elapsed) => Trouble::Lost(format!("no answer in {PATIENCE:?}")),
            };
            match &trouble {
                // The crate has turned to the leader by itself; once is enough, since the address may be of a dead one.
                Trouble::NotLeader(_) if !followed => followed = true,
                Trouble::Lost(cause) | Trouble::NotLeader(cause) => {
                    followed = false;
                    self.lost(generation, cause);
                }
                Trouble::WrongRevision(_)
                | Trouble::Precondition
                | Trouble::Deleted
                | Trouble::Refused(_)
                | Trouble::Closed => return Err(trouble),
            }
            if Instant::now() + pause >= give_up {
                return Err(trouble);
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_LONGEST);
        }
    }
}

/// Runs `call` where its panic is its own, and where it ends when nobody waits for it any more.
pub(super) async fn contained<T: Send + 'static>(
    runtime: &Handle,
    call: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Trouble> {
    let mut task = JoinSet::new();
    task.spawn_on(call, runtime);
    match task.join_next().await {
        Some(Ok(outcome)) => outcome.map_err(|error| trouble::of(&error)),
        Some(Err(panicked)) => Err(Trouble::Lost(format!("the client gave up: {panicked}"))),
        None => Err(Trouble::Lost("the client was not asked".into())),
    }
}

/// One step of a call, which has [`TRY`] to come about.
pub(super) async fn step<T>(step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(TRY, step)
        .await
        .unwrap_or(Err(Error::DeadlineExceeded))
}
