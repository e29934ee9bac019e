//! The settings as the program uses them: typed, checked against each other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::layers::{ConfigError, Layers, Resolved};
use super::places::LogPlaces;
use super::table::Value;

/// Everything that was set, typed.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where logs, read models and keys are kept.
    pub data: PathBuf,
    /// The socket.
    pub server: ServerSettings,
    /// Who may call.
    pub auth: AuthSettings,
    /// How much is taken.
    pub limits: LimitSettings,
    /// How commands run.
    pub commands: CommandSettings,
    /// Where the logs are.
    pub log: LogPlaces,
    /// Read models besides the built-in ones.
    pub projections: Option<PathBuf>,
    /// What is written to standard error.
    pub level: String,
    /// How.
    pub format: LogFormat,
}

/// The socket.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where the logs are read over `EventStoreDB`'s protocol, if anywhere.
    pub esdb_listen: Option<SocketAddr>,
    /// Certificate chain and key, both or none.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// How long a stop waits for requests under way.
    pub drain: Duration,
}

/// Who may call.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// The public keys; none: Annals' own, which only a loopback address may use.
    pub jwks: Option<PathBuf>,
    /// The issuer.
    pub issuer: String,
    /// The audience.
    pub audience: String,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// Verified tokens that are remembered.
    pub token_cache: usize,
}

/// How much is taken.
#[derive(Debug, Clone)]
pub struct LimitSettings {
    /// Largest request in bytes.
    pub message_bytes: usize,
    /// Largest metadata in bytes.
    pub metadata_bytes: usize,
    /// Requests under way at once.
    pub concurrent_requests: usize,
    /// The same for one connection.
    pub connection_streams: u32,
    /// Deadline of a request that names none.
    pub default_deadline: Duration,
    /// Longest deadline that is honoured.
    pub max_deadline: Duration,
    /// Largest page.
    pub page_size: usize,
    /// Verifications without a login, per minute.
    pub verifications: u32,
}

/// How commands run.
#[derive(Debug, Clone)]
pub struct CommandSettings {
    /// Aggregates that each room keeps in memory.
    pub identity_map: usize,
    /// Appends that may wait in each log.
    pub append_queue: usize,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads all layers.
    pub fn load(layers: &Layers) -> Result<Self, ConfigError> {
        Self::typed(&layers.resolve()?)
    }

    /// Types what was resolved.
    pub fn typed(from: &Resolved) -> Result<Self, ConfigError> {
        let config = Self {
            data: path(from, "data.dir").unwrap_or_default(),
            server: server(from)?,
            auth: AuthSettings {
                jwks: path(from, "auth.jwks"),
                issuer: text(from, "auth.issuer"),
                audience: text(from, "auth.audience"),
                leeway: Duration::from_secs(whole(from, "auth.leeway")),
                token_cache: size(from, "auth.token_cache"),
            },
            limits: limits(from),
            commands: CommandSettings {
                identity_map: size(from, "commands.identity_map"),
                append_queue: size(from, "log.append_queue"),
            },
            log: LogPlaces::read(from),
            projections: path(from, "projections.dir"),
            level: text(from, "telemetry.level"),
            format: match text(from, "telemetry.format").as_str() {
                "json" => LogFormat::Json,
                _ => LogFormat::Text,
            },
        };
        if config.limits.default_deadline > config.limits.max_deadline {
            return Err(ConfigError::Contradiction(format!(
                "limits.default_deadline ({} ms) is longer than limits.max_deadline ({} ms)",
                config.limits.default_deadline.as_millis(),
                config.limits.max_deadline.as_millis()
            )));
        }
        Ok(config)
    }
}

fn server(from: &Resolved) -> Result<ServerSettings, ConfigError> {
    let tls = match (path(from, "server.tls_cert"), path(from, "server.tls_key")) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err(ConfigError::Contradiction(
                "server.tls_cert and server.tls_key go together: set both or none".to_owned(),
            ));
        }
    };
    Ok(ServerSettings {
        listen: text(from, "server.listen")
            .parse()
            .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)),
        esdb_listen: text(from, "server.esdb_listen").parse().ok(),
        tls,
        drain: Duration::from_secs(whole(from, "server.drain_timeout")),
    })
}

fn limits(from: &Resolved) -> LimitSettings {
    LimitSettings {
        message_bytes: size(from, "limits.message_bytes"),
        metadata_bytes: size(from, "limits.metadata_bytes"),
        concurrent_requests: size(from, "limits.concurrent_requests"),
        connection_streams: narrow(from, "limits.connection_streams"),
        default_deadline: Duration::from_millis(whole(from, "limits.default_deadline")),
        max_deadline: Duration::from_millis(whole(from, "limits.max_deadline")),
        page_size: size(from, "limits.page_size"),
        verifications: narrow(from, "limits.verifications"),
    }
}

// The table has checked kinds and limits, so what follows never falls back; the tests walk the whole table.

fn whole(from: &Resolved, key: &str) -> u64 {
    match from.value(key) {
        Value::Whole(number) => *number,
        Value::Unset | Value::Text(_) => 0,
    }
}

fn size(from: &Resolved, key: &str) -> usize {
    usize::try_from(whole(from, key)).unwrap_or(usize::MAX)
}

fn narrow(from: &Resolved, key: &str) -> u32 {
    u32::try_from(whole(from, key)).unwrap_or(u32::MAX)
}

fn text(from: &Resolved, key: &str) -> String {
    from.value(key).to_string()
}

fn path(from: &Resolved, key: &str) -> Option<PathBuf> {
    match from.value(key) {
        Value::Text(path) => Some(PathBuf::from(path)),
        Value::Unset | Value::Whole(_) => None,
    }
}
