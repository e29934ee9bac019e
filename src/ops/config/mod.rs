//! What an operator can set: one table, one TOML file, environment and flags above it.
//!
//! ```text
//!   table's default  <  annals.toml  <  ANNALS_<SECTION>_<NAME>  <  --set section.name=value, --data, --listen
//! ```
//!
//! Does: refuse unknown keys and values outside their limits, naming key, limit and origin. Does not: look at
//! anything else of the process; what is read here is read once, at start.

mod layers;
mod places;
mod settings;
mod show;
mod table;

pub use layers::{ConfigError, ENVIRONMENT_OF_CLIENTS, Layers, Origin, Resolved};
pub use places::{LogPlace, LogPlaces};
pub use settings::{
    AuthSettings, CommandSettings, Config, LimitSettings, LogFormat, ServerSettings,
};
pub use show::{as_json, as_text};
pub use table::{Kind, SETTINGS, Setting, Value};

#[cfg(test)]
mod tests;
