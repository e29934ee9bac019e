//! What a copy is from and to, as written on the command line.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::place::directory_of;
use crate::log::eventstoredb::{is_esdb, shown};

/// How a dump's file ends.
const DUMP: &str = "ndjson";

/// The scheme of the embedded engine, which may be left out.
const EMBEDDED: &str = "sqlite:";

/// One end of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// A log of the embedded engine, by its directory.
    Log(PathBuf),
    /// A file of lines of JSON.
    Dump(PathBuf),
    /// Such lines on standard input or output.
    Pipe,
    /// A server of `EventStoreDB`'s protocol, by its connection string.
    Server(String),
    /// An address with a scheme that nothing here speaks.
    Unknown(String),
}

impl Endpoint {
    /// Whether both are the same log, server or file, however they are written.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Log(one), Self::Log(other)) | (Self::Dump(one), Self::Dump(other)) => {
                match (one.canonicalize(), other.canonicalize()) {
                    (Ok(one), Ok(other)) => one == other,
                    _ => false,
                }
            }
            (Self::Server(one), Self::Server(other)) => shown(one) == shown(other),
            _ => false,
        }
    }
}

impl FromStr for Endpoint {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        if text == "-" {
            return Ok(Self::Pipe);
        }
        if is_esdb(text) {
            return Ok(Self::Server(text.to_owned()));
        }
        if text.contains("://") {
            return Ok(Self::Unknown(text.to_owned()));
        }
        let path = PathBuf::from(text.strip_prefix(EMBEDDED).unwrap_or(text));
        if path.extension().is_some_and(|extension| extension == DUMP) {
            return Ok(Self::Dump(path));
        }
        Ok(Self::Log(directory_of(&path)))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(path) | Self::Dump(path) => path.display().fmt(f),
            Self::Pipe => f.write_str("-"),
            Self::Server(url) => f.write_str(&shown(url)),
            Self::Unknown(address) => f.write_str(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_by_its_spelling() {
        let told = |text: &str| text.parse::<Endpoint>().unwrap();
        for log in ["data/tasks", "data/tasks/log.db", "sqlite:data/tasks"] {
            assert_eq!(told(log), Endpoint::Log("data/tasks".into()), "{log}");
        }
        assert_eq!(told("a/b.ndjson"), Endpoint::Dump("a/b.ndjson".into()));
        assert_eq!(told("-"), Endpoint::Pipe);
        assert_eq!(told("esdb://a"), Endpoint::Server("esdb://a".into()));
        assert_eq!(told("esdb://u:secret@a").to_string(), "esdb://a");
        assert_eq!(told("ftp://x"), Endpoint::Unknown("ftp://x".into()));
    }
}
