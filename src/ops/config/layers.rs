//! Default, file, environment, flag: the later layer wins, and each value remembers where it came from.

use std::fmt;
use std::path::{Path, PathBuf};

use super::table::{SETTINGS, Setting, Value};

/// The file that is read where none is named.
const FILE: &str = "annals.toml";
/// The variable that names another file.
const FILE_VARIABLE: &str = "ANNALS_CONFIG";
/// Variables that `annals call` and `annals import` read themselves: where the server is, and who calls.
pub const ENVIRONMENT_OF_CLIENTS: [&str; 2] = ["ANNALS_TARGET", "ANNALS_TOKEN"];
const PREFIX: &str = "ANNALS_";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The table.
    Default,
    /// This file.
    File(PathBuf),
    /// This environment variable.
    Environment(String),
    /// This flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No such setting.
    #[error(
        "unknown setting {key} ({origin}){}; `annals config show` lists them all",
        did_you_mean(key)
    )]
    Unknown {
        /// As it was written.
        key: String,
        /// Where.
        origin: Origin,
    },
    /// A value outside its limit.
    #[error("{key} = {value:?} ({origin}) is not {limit}")]
    OutOfLimit {
        /// Which setting.
        key: &'static str,
        /// As it was written.
        value: String,
        /// Where.
        origin: Origin,
        /// What it takes.
        limit: String,
    },
    /// Two settings that do not go together.
    #[error("{0}")]
    Contradiction(String),
    /// The file cannot be read.
    #[error("configuration file {path} cannot be read: {cause}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is not TOML.
    #[error("configuration file {path} is not TOML: {cause}")]
    NotToml {
        /// Which file.
        path: PathBuf,
        /// Where it stops being TOML.
        cause: String,
    },
    /// `--set` without `=`.
    #[error("--set {0} is not section.name=value")]
    NotAnAssignment(String),
}

fn did_you_mean(key: &str) -> String {
    let name = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    SETTINGS
        .iter()
        .find(|setting| !name.is_empty() && setting.key.ends_with(&name))
        .map_or_else(String::new, |setting| {
            format!(", did you mean {}?", setting.key)
        })
}

/// What is read besides the table. Everything of the process comes in here, so that tests can say it.
#[derive(Debug, Default, Clone)]
pub struct Layers {
    /// `--config`: a file that must exist.
    pub file: Option<PathBuf>,
    /// The environment, whole or in part.
    pub environment: Vec<(String, String)>,
    /// (`section.name`, value, the flag as written), in order.
    pub flags: Vec<(String, String, String)>,
}

/// Every setting with its value and origin, in the order of the table.
#[derive(Debug, Clone)]
pub struct Resolved(Vec<(&'static Setting, Value, Origin)>);

impl Layers {
    /// A flag of its own for one setting, where it was given.
    pub fn flag(&mut self, flag: &str, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.flags.push((key.to_owned(), value, flag.to_owned()));
        }
    }

    /// Adds `--set section.name=value`.
    pub fn assign(&mut self, assignment: &str) -> Result<(), ConfigError> {
        let (key, value) = assignment
            .split_once('=')
            .ok_or_else(|| ConfigError::NotAnAssignment(assignment.to_owned()))?;
        let flag = format!("--set {key}");
        self.flags
            .push((key.trim().to_owned(), value.trim().to_owned(), flag));
        Ok(())
    }

    /// Lays them over the table.
    pub fn resolve(&self) -> Result<Resolved, ConfigError> {
        let mut resolved = Resolved::defaults()?;
        if let Some(path) = self.file_to_read() {
            resolved.file(&path)?;
        }
        for (name, value) in &self.environment {
            resolved.variable(name, value)?;
        }
        for (key, value, flag) in &self.flags {
            resolved.set(key, value, Origin::Flag(flag.clone()))?;
        }
        Ok(resolved)
    }

    fn file_to_read(&self) -> Option<PathBuf> {
        let named = self
            .environment
            .iter()
            .find(|(name, _)| name == FILE_VARIABLE)
            .map(|(_, path)| PathBuf::from(path));
        self.file
            .clone()
            .or(named)
            .or_else(|| Some(PathBuf::from(FILE)).filter(|path| path.exists()))
    }
}

impl Resolved {
    /// The rows: setting, value, origin.
    pub fn rows(&self) -> impl Iterator<Item = &(&'static Setting, Value, Origin)> {
        self.0.iter()
    }

    /// The value of `key`; unset for a key that is not in the table.
    #[must_use]
    pub fn value(&self, key: &str) -> &Value {
        self.0
            .iter()
            .find(|(setting, ..)| setting.key == key)
            .map_or(&Value::Unset, |(_, value, _)| value)
    }

    fn defaults() -> Result<Self, ConfigError> {
        SETTINGS
            .iter()
            .map(|setting| {
                let value = read(setting, setting.default, &Origin::Default)?;
                Ok((setting, value, Origin::Default))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn set(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), ConfigError> {
        let Some(row) = self.0.iter_mut().find(|(setting, ..)| setting.key == key) else {
            return Err(ConfigError::Unknown {
                key: key.to_owned(),
                origin,
            });
        };
        let value = read(row.0, text, &origin)?;
        *row = (row.0, value, origin);
        Ok(())
    }

    fn variable(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        if !name.starts_with(PREFIX)
            || name == FILE_VARIABLE
            || ENVIRONMENT_OF_CLIENTS.contains(&name)
        {
            return Ok(());
        }
        let origin = Origin::Environment(name.to_owned());
        match SETTINGS.iter().find(|setting| setting.variable() == name) {
            Some(setting) => self.set(setting.key, value, origin),
            None => Err(ConfigError::Unknown {
                key: name.to_owned(),
                origin,
            }),
        }
    }

    fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
            path: path.to_owned(),
            cause,
        })?;
        let table: toml::Table = text.parse().map_err(|cause| ConfigError::NotToml {
            path: path.to_owned(),
            cause: one_line(&cause),
        })?;
        for (section, content) in &table {
            let toml::Value::Table(names) = content else {
                return Err(ConfigError::Unknown {
                    key: section.clone(),
                    origin: Origin::File(path.to_owned()),
                });
            };
            for (name, value) in names {
                let key = format!("{section}.{name}");
                self.set(&key, &plain(value), Origin::File(path.to_owned()))?;
            }
        }
        Ok(())
    }
}

fn read(setting: &'static Setting, text: &str, origin: &Origin) -> Result<Value, ConfigError> {
    setting.read(text).map_err(|limit| ConfigError::OutOfLimit {
        key: setting.key,
        value: text.to_owned(),
        origin: origin.clone(),
        limit,
    })
}

/// A TOML string without its quotes; anything else as TOML writes it, for the table to judge.
fn plain(value: &toml::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn one_line(cause: &toml::de::Error) -> String {
    cause.message().lines().collect::<Vec<_>>().join(" ")
}
