//! The table: every setting's key, meaning, unit, default and limit.

use std::net::SocketAddr;

use crate::log::eventstoredb::is_esdb;

/// The word for the engine that is built in.
pub(super) const EMBEDDED: &str = "embedded";

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// `section.name`.
    pub key: &'static str,
    /// What it decides, one line.
    pub about: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// What holds where nobody set it, as one would write it; empty: not set.
    pub default: &'static str,
}

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of `unit` between both, inclusive.
    Whole {
        /// What is counted.
        unit: &'static str,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A path of the file system.
    Path,
    /// An IP address and a port.
    Address,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Text of 1 to so many bytes.
    Text(usize),
    /// Where a log is.
    Log,
}

/// What a setting holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Unset,
    /// A number.
    Whole(u64),
    /// Anything else.
    Text(String),
}

/// Every setting there is, by section.
pub const SETTINGS: &[Setting] = &[
    row(
        "data.dir",
        "where logs, read models and keys are kept",
        Kind::Path,
        "data",
    ),
    row(
        "server.listen",
        "where clients connect; not loopback: needs auth.jwks, server.tls_cert and server.tls_key",
        Kind::Address,
        "127.0.0.1:7400",
    ),
    row(
        "server.esdb_listen",
        "where auditors' EventStoreDB tools read the logs (user: a service, password: a token); loopback only",
        Kind::Address,
        "",
    ),
    row(
        "server.tls_cert",
        "PEM file of the certificate chain",
        Kind::Path,
        "",
    ),
    row(
        "server.tls_key",
        "PEM file of its private key",
        Kind::Path,
        "",
    ),
    row(
        "server.drain_timeout",
        "how long a stop waits for requests under way",
        whole("seconds", 0, 3_600),
        "20",
    ),
    row(
        "auth.jwks",
        "JWKS file with the public keys that sign tokens; re-read when it changes",
        Kind::Path,
        "",
    ),
    row(
        "auth.issuer",
        "the iss that a token must carry",
        Kind::Text(200),
        "annals",
    ),
    row(
        "auth.audience",
        "the aud that a token must carry",
        Kind::Text(200),
        "annals",
    ),
    row(
        "auth.leeway",
        "how far the clock of whoever made a token may be off",
        whole("seconds", 0, 300),
        "5",
    ),
    // A token is about 400 bytes: 10,000 of them are 4 MB.
    row(
        "auth.token_cache",
        "verified tokens that are remembered",
        whole("tokens", 1, 1_000_000),
        "10000",
    ),
    row(
        "limits.message_bytes",
        "largest request",
        whole("bytes", KIB, 64 * MIB),
        "1048576",
    ),
    row(
        "limits.metadata_bytes",
        "largest request metadata (names and values)",
        whole("bytes", 256, MIB),
        "16384",
    ),
    row(
        "limits.concurrent_requests",
        "requests under way at once; more are answered OVERLOADED",
        whole("requests", 1, 100_000),
        "1024",
    ),
    row(
        "limits.connection_streams",
        "requests under way at once on one connection",
        whole("requests", 1, 100_000),
        "1024",
    ),
    row(
        "limits.default_deadline",
        "deadline of a request that names none",
        whole("milliseconds", 10, 600_000),
        "10000",
    ),
    row(
        "limits.max_deadline",
        "longest deadline that is honoured",
        whole("milliseconds", 10, 3_600_000),
        "60000",
    ),
    row(
        "limits.page_size",
        "largest page of a query",
        whole("rows", 1, 1_000),
        "1000",
    ),
    row(
        "limits.verifications",
        "certificate verifications without a login, of one address",
        whole("per minute", 1, 1_000_000),
        "600",
    ),
    // 65,536 x 200 bytes in each of six rooms: 80 MB when all are full, and up to 8,000 aggregates in each.
    row(
        "commands.identity_map",
        "aggregates that each room keeps in memory: 8 for one, and 1 for each request that it remembers",
        whole("x 200 bytes", 1, 10_000_000),
        "65536",
    ),
    row(
        "log.url",
        "where the logs are: embedded in data.dir, or in an EventStoreDB or KurrentDB",
        Kind::Log,
        EMBEDDED,
    ),
    log("log.applications_url", "the same for applications alone"),
    log("log.placements_url", "the same for placements alone"),
    log("log.attendance_url", "the same for attendance alone"),
    log("log.tasks_url", "the same for tasks alone"),
    log("log.evaluations_url", "the same for evaluations alone"),
    log("log.certificates_url", "the same for certificates alone"),
    log("log.audit_url", "the same for audit alone"),
    row(
        "log.append_queue",
        "appends that may wait in each embedded log; more are answered OVERLOADED",
        whole("appends", 1, 1_000_000),
        "4096",
    ),
    row(
        "projections.dir",
        "read models that are added to the built-in ones or replace them",
        Kind::Path,
        "",
    ),
    row(
        "telemetry.level",
        "what is written to standard error",
        Kind::OneOf(&["error", "warn", "info", "debug", "trace"]),
        "info",
    ),
    row(
        "telemetry.format",
        "how it is written",
        Kind::OneOf(&["text", "json"]),
        "text",
    ),
];

const fn row(key: &'static str, about: &'static str, kind: Kind, default: &'static str) -> Setting {
    Setting {
        key,
        about,
        kind,
        default,
    }
}

const fn log(key: &'static str, about: &'static str) -> Setting {
    row(key, about, Kind::Log, "")
}

const fn whole(unit: &'static str, min: u64, max: u64) -> Kind {
    Kind::Whole { unit, min, max }
}

impl Setting {
    /// The row of `key`.
    #[must_use]
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// The environment variable that sets it.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("ANNALS_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// Reads `text` as a value of this setting; the error is the limit that it breaks.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        if text.is_empty() && self.default.is_empty() {
            return Ok(Value::Unset);
        }
        let fits = match self.kind {
            Kind::Whole { min, max, .. } => {
                return text
                    .parse()
                    .ok()
                    .filter(|number| (min..=max).contains(number))
                    .map(Value::Whole)
                    .ok_or_else(|| self.limit());
            }
            Kind::Path => !text.is_empty() && !text.contains('\0'),
            Kind::Address => text.parse::<SocketAddr>().is_ok(),
            Kind::OneOf(words) => words.contains(&text),
            Kind::Text(max) => (1..=max).contains(&text.len()),
            Kind::Log => text == EMBEDDED || is_esdb(text),
        };
        if fits {
            Ok(Value::Text(text.to_owned()))
        } else {
            Err(self.limit())
        }
    }

    /// Its limit in words.
    #[must_use]
    pub fn limit(&self) -> String {
        match self.kind {
            Kind::Whole { unit, min, max } => format!("a whole number of {unit}, {min} to {max}"),
            Kind::Path => "a path".to_owned(),
            Kind::Address => "an IP address and a port, as 127.0.0.1:7400".to_owned(),
            Kind::OneOf(words) => format!("one of {}", words.join(", ")),
            Kind::Text(max) => format!("text of 1 to {max} bytes"),
            Kind::Log => format!("{EMBEDDED}, or a connection string as esdb://host:2113"),
        }
    }

    /// Its unit; empty where there is none.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        match self.kind {
            Kind::Whole { unit, .. } => unit,
            Kind::Path | Kind::Address | Kind::OneOf(_) | Kind::Text(_) | Kind::Log => "",
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unset => Ok(()),
            Self::Whole(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}
