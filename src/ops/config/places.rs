//! Where the log of each service is.

use std::collections::BTreeMap;
use std::fmt;

use super::layers::Resolved;
use super::table::{EMBEDDED, Value};
use crate::log::eventstoredb::shown;

/// Where a log is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogPlace {
    /// In the data directory.
    Embedded,
    /// In what this connection string names.
    Esdb(String),
}

impl fmt::Debug for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str(EMBEDDED),
            Self::Esdb(url) => f.write_str(&shown(url)),
        }
    }
}

/// One place for all services, and those that have another.
#[derive(Debug, Clone)]
pub struct LogPlaces {
    all: LogPlace,
    own: BTreeMap<String, LogPlace>,
}

impl LogPlaces {
    /// Where the log of `service` is.
    #[must_use]
    pub fn of(&self, service: &str) -> &LogPlace {
        self.own.get(service).unwrap_or(&self.all)
    }

    /// The setting that says where the log of `service` is.
    #[must_use]
    pub fn setting_of(&self, service: &str) -> String {
        if self.own.contains_key(service) {
            format!("log.{service}_url")
        } else {
            "log.url".to_owned()
        }
    }

    pub(super) fn read(from: &Resolved) -> Self {
        let own = from
            .rows()
            .filter_map(|(setting, value, _)| {
                let service = setting.key.strip_prefix("log.")?.strip_suffix("_url")?;
                Some((service.to_owned(), place(value)?))
            })
            .collect();
        Self {
            all: place(from.value("log.url")).unwrap_or(LogPlace::Embedded),
            own,
        }
    }
}

fn place(value: &Value) -> Option<LogPlace> {
    match value {
        Value::Text(text) if text == EMBEDDED => Some(LogPlace::Embedded),
        Value::Text(text) => Some(LogPlace::Esdb(text.clone())),
        Value::Unset | Value::Whole(_) => None,
    }
}
