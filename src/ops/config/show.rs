//! `annals config show`: what is in force, as text (itself a valid `annals.toml`) and as JSON.

use std::fmt::Write as _;

use serde_json::json;

use super::layers::Resolved;
use super::table::{Kind, Setting, Value};
use crate::log::eventstoredb::shown;

/// TOML with unit, limit and origin as comments, section by section.
#[must_use]
pub fn as_text(resolved: &Resolved) -> String {
    let mut text = String::new();
    let mut open = "";
    for (setting, value, origin) in resolved.rows() {
        let (section, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if section != open {
            let gap = if open.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{section}]");
            open = section;
        }
        let line = match value {
            Value::Unset => format!("# {name} is not set"),
            Value::Whole(number) => format!("{name} = {number}"),
            Value::Text(content) => {
                format!(
                    "{name} = {}",
                    toml::Value::from(open_text(setting, content))
                )
            }
        };
        let _ = writeln!(text, "# {}", setting.about);
        let _ = writeln!(text, "# {}; from {origin}", limit(setting));
        let _ = writeln!(text, "{line}");
    }
    text
}

/// A value without what nobody else should read: the user and password of a connection string.
fn open_text(setting: &Setting, content: &str) -> String {
    match setting.kind {
        Kind::Log => shown(content),
        Kind::Whole { .. } | Kind::Path | Kind::Address | Kind::OneOf(_) | Kind::Text(_) => {
            content.to_owned()
        }
    }
}

fn limit(setting: &Setting) -> String {
    if setting.default.is_empty() {
        return setting.limit();
    }
    format!("{}, default {}", setting.limit(), setting.default)
}

/// An array of one object a setting.
#[must_use]
pub fn as_json(resolved: &Resolved) -> serde_json::Value {
    resolved
        .rows()
        .map(|(setting, value, origin)| {
            json!({
                "key": setting.key,
                "value": match value {
                    Value::Unset => serde_json::Value::Null,
                    Value::Whole(number) => json!(number),
                    Value::Text(text) => json!(open_text(setting, text)),
                },
                "unit": setting.unit(),
                "limit": setting.limit(),
                "default": setting.default,
                "origin": origin.to_string(),
                "variable": setting.variable(),
                "about": setting.about,
            })
        })
        .collect()
}
