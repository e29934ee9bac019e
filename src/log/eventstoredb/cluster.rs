//! One connection to a server or cluster, shared by the logs on it; replaced whenever it is lost.
//!
//! The crate's client has one task that connects. Where that task fails or panics, every later call of the client fails,
//! and where its node dies, it stays with the dead node. So no client is trusted twice: whatever may be the
//! connection's fault makes a new client, and the call is made again (see [`call`](super::call)).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eventstore::{Client, ClientSettings, Credentials};
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, watch};
use tokio::time::Instant;

use super::handshake::{Answers, answers, refused};
use super::hub::Hub;
use super::line::Line;
use super::provider::{ProviderError, install_provider};
use super::trouble::Trouble;
use super::url::{self, Connection, UrlError};
use crate::kernel::Position;
use crate::log::Health;

/// A client is not replaced more often than this, however many callers find it lost.
const REPLACE: Duration = Duration::from_millis(100);

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The connection string.
    #[error("connection string: {0}")]
    Url(#[from] UrlError),
    /// TLS.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Nobody answers there, or not as an `EventStoreDB` would.
    #[error("{server} does not answer: {cause}")]
    Unreachable {
        /// Where, without user and password.
        server: String,
        /// What was seen last.
        cause: String,
    },
}

/// See the module. Cheap to share behind an [`Arc`].
pub struct Cluster {
    connection: Connection,
    shown: String,
    /// Where everything of the connection runs, whoever calls: callers may be on threads that others go before.
    runtime: Handle,
    current: Mutex<Current>,
    logs: Mutex<Vec<watch::Sender<Health>>>,
    /// The largest position seen so far: an append that lands below it was there before.
    seen: AtomicU64,
    /// Whether nothing was answered since the connection was lost.
    broken: AtomicBool,
    /// Whether anything was ever answered.
    answered: AtomicBool,
    hub: OnceCell<Hub>,
    line: Line,
}

struct Current {
    generation: u64,
    since: Instant,
    client: Client,
}

impl Cluster {
    /// Connects to what `url` names, and makes sure that it answers.
    ///
    /// # Errors
    /// The connection string makes no sense, or nobody answers for [`PATIENCE`](super::PATIENCE).
    pub async fn connect(url: &str) -> Result<Arc<Self>, ConnectError> {
        let connection = url::parse(url)?;
        install_provider()?;
        let shown = url::shown(url);
        let unreachable = |cause: String| ConnectError::Unreachable {
            server: shown.clone(),
            cause,
        };
        let runtime = Handle::current();
        let client = Client::with_runtime_handle(runtime.clone(), connection.settings.clone())
            .map_err(|error| unreachable(error.to_string()))?;
        let cluster = Arc::new(Self {
            current: Mutex::new(Current {
                generation: 0,
                since: Instant::now(),
                client,
            }),
            shown: shown.clone(),
            runtime,
            connection,
            logs: Mutex::new(Vec::new()),
            seen: AtomicU64::new(0),
            broken: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            hub: OnceCell::new(),
            line: Line::default(),
        });
        let Err(trouble) = cluster.head().await else {
            return Ok(cluster);
        };
        let cause = match trouble {
            Trouble::Lost(cause) | Trouble::NotLeader(cause) | Trouble::Refused(cause) => cause,
            other @ (Trouble::WrongRevision(_)
            | Trouble::Precondition
            | Trouble::Deleted
            | Trouble::Closed) => format!("{other:?}"),
        };
        let settings = &cluster.connection.settings;
        if let Some((host, says)) = mistaken(settings, &cause).await {
            return Err(unreachable(format!("{cause}; {host} {says}")));
        }
        Err(unreachable(nobody(settings).await.unwrap_or(cause)))
    }

    /// Where it is, without user and password.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The tail of the log, followed since somebody first asked for it.
    pub(super) async fn hub(self: &Arc<Self>) -> Result<&Hub, Trouble> {
        self.hub
            .get_or_try_init(|| async { Ok(Hub::start(self, self.head().await?)) })
            .await
    }

    /// Adds a log that wants to know how the connection is.
    pub(super) fn add(&self, health: watch::Sender<Health>) {
        self.logs().push(health);
    }

    /// The largest position seen.
    pub(super) fn seen(&self) -> Position {
        Position(self.seen.load(Ordering::Acquire))
    }

    pub(super) fn saw(&self, position: Position) {
        self.seen.fetch_max(position.0, Ordering::AcqRel);
    }

    /// The client in use, and its number for [`lost`](Self::lost).
    pub(super) fn client(&self) -> (u64, Client) {
        let current = self.current();
        (current.generation, current.client.clone())
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// The call that appends share.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Whether nothing was answered since the connection was lost.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(super) fn settings(&self) -> ClientSettings {
        self.connection.settings.clone()
    }

    pub(super) fn user(&self) -> Option<Credentials> {
        self.connection.user.clone()
    }

    /// Whoever got no sense out of the client of `generation` says so; the next caller gets a new one.
    pub(super) fn lost(&self, generation: u64, cause: &str) {
        {
            let mut current = self.current();
            if current.generation != generation || current.since.elapsed() < REPLACE {
                return;
            }
            let settings = self.connection.settings.clone();
            match Client::with_runtime_handle(self.runtime.clone(), settings) {
                Ok(client) => {
                    *current = Current {
                        generation: generation + 1,
                        since: Instant::now(),
                        client,
                    }
                }
                Err(error) => tracing::error!(%error, "no new client; the old one stays"),
            }
        }
        // Once; that it goes on is news to nobody.
        if self.broken.swap(true, Ordering::AcqRel) {
            tracing::debug!(server = self.shown, cause, "connecting anew");
        } else if !self.answered.load(Ordering::Acquire) {
            tracing::warn!(server = self.shown, cause, "cannot connect, trying again");
        } else {
            tracing::warn!(
                server = self.shown,
                cause,
                "connection lost, connecting anew"
            );
        }
        self.tell(&Health::Degraded(format!("{}: {cause}", self.shown)));
    }

    /// The connection works.
    pub(super) fn works(&self) {
        let again = self.answered.load(Ordering::Acquire);
        if !again {
            self.answered.store(true, Ordering::Release);
        }
        if self.broken.load(Ordering::Acquire) && self.broken.swap(false, Ordering::AcqRel) {
            let what = if again {
                "connected again"
            } else {
                "connected"
            };
            tracing::info!(server = self.shown, "{what}");
        }
        self.tell(&Health::Serving);
    }

    fn tell(&self, health: &Health) {
        for log in self.logs().iter() {
            log.send_if_modified(|now| {
                let changed = *now != Health::Closed && now != health;
                if changed {
                    now.clone_from(health);
                }
                changed
            });
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn logs(&self) -> MutexGuard<'_, Vec<watch::Sender<Health>>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the crate's text has where not even TLS came about. It does not say why.
const NO_CONNECTION: &str = "(Connect)";

/// Why no host that is named can be connected to, which the crate's text does not say; none where one can.
async fn nobody(settings: &ClientSettings) -> Option<String> {
    let mut why = Vec::new();
    for host in settings.hosts() {
        let (name, port) = (&host.host, host.port);
        let refused = match u16::try_from(port) {
            Ok(port) => refused(name, port).await?,
            Err(_) => "no such port".to_owned(),
        };
        why.push(format!("{name}:{port}: {refused}"));
    }
    (!why.is_empty()).then(|| why.join("; "))
}

/// The first host that speaks TLS where the connection string does not, or the other way round, or that is not trusted, and what to
/// do about it. `cause` is what was seen last.
async fn mistaken(settings: &ClientSettings, cause: &str) -> Option<(String, &'static str)> {
    // What is named is then no server, but a place to ask for some.
    if settings.is_dns_discovery_enabled() {
        return None;
    }
    for host in settings.hosts() {
        let Ok(port) = u16::try_from(host.port) else {
            continue;
        };
        let says = match answers(&host.host, port).await {
            Some(Answers::Tls) if !settings.is_secure_mode_enabled() => {
                "speaks TLS: leave out tls=false"
            }
            Some(Answers::Plainly) if settings.is_secure_mode_enabled() => {
                "does not speak TLS: say tls=false"
            }
            Some(Answers::Tls) if cause.contains(NO_CONNECTION) => {
                "speaks TLS, but no connection comes about: is its certificate signed by the authority in tlsCaFile and made for this name, \
                 and does it ask for userCertFile?"
            }
            Some(Answers::Tls | Answers::Plainly) | None => continue,
        };
        return Some((format!("{}:{port}", host.host), says));
    }
    None
}
