//! A read model: what its folder says, and whether that has the form.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::folder::FolderError;

/// The name of the file for every event.
const ANY: &str = "_any";

/// A read model, as its folder says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Its name: that of the folder.
    pub name: String,
    /// For people; a change of it rebuilds the model too.
    pub version: u32,
    /// The services whose logs feed it, sorted.
    pub sources: Vec<String>,
    /// `schema.sql`.
    pub schema: String,
    /// `on/_any.sql`.
    pub any: Option<String>,
    /// `on/<EventType>.sql`, by event type.
    pub on: BTreeMap<String, String>,
    /// `query/<name>.sql`, by name.
    pub queries: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    #[serde(default = "first_version")]
    version: u32,
    sources: Vec<String>,
}

const fn first_version() -> u32 {
    1
}

impl Model {
    /// Hex SHA-256 of everything that decides what the tables hold. Queries are not part of it: they change nothing.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut take = |text: &str| {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        };
        take(&self.name);
        take(&self.version.to_string());
        take(&self.schema);
        take(self.any.as_deref().unwrap_or_default());
        for text in &self.sources {
            take(text);
        }
        for (event_type, sql) in &self.on {
            take(event_type);
            take(sql);
        }
        context
            .finish()
            .as_ref()
            .iter()
            .fold(String::new(), |mut hex, byte| {
                // Writing to a String cannot fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            })
    }

    /// From the files of a folder: relative path and text.
    pub(super) fn from_files<'a>(
        name: &str,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, FolderError> {
        let wrong = |problem: String| FolderError::Form {
            model: name.to_owned(),
            problem,
        };
        let (mut manifest, mut schema, mut any) = (None, None, None);
        let (mut on, mut queries) = (BTreeMap::new(), BTreeMap::new());
        for (path, text) in files {
            let sql = |folder: &str| {
                path.strip_prefix(folder)
                    .and_then(|rest| rest.strip_suffix(".sql"))
            };
            if path == "model.toml" {
                let read: Manifest = toml::from_str(text)
                    .map_err(|error| wrong(format!("model.toml: {}", error.message())))?;
                manifest = Some(read);
            } else if path == "schema.sql" {
                schema = Some(text.to_owned());
            } else if sql("on/") == Some(ANY) {
                any = Some(text.to_owned());
            } else if let Some(event_type) = sql("on/") {
                on.insert(event_type.to_owned(), text.to_owned());
            } else if let Some(query) = sql("query/") {
                queries.insert(query.to_owned(), text.to_owned());
            } else if !path.starts_with("sample/") {
                return Err(wrong(format!(
                    "{path} is none of model.toml, schema.sql, on/*.sql, query/*.sql, sample/*"
                )));
            }
        }
        let manifest = manifest.ok_or_else(|| wrong("it lacks model.toml".to_owned()))?;
        let model = Self {
            name: manifest.name,
            version: manifest.version,
            sources: manifest
                .sources
                .into_iter()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            schema: schema.ok_or_else(|| wrong("it lacks schema.sql".to_owned()))?,
            any,
            on,
            queries,
        };
        model.well_formed(name).map_err(wrong)?;
        Ok(model)
    }

    fn well_formed(&self, folder: &str) -> Result<(), String> {
        let plain = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.len() <= 64
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if self.name != folder {
            return Err(format!(
                "model.toml names it {}, the folder {folder}",
                self.name
            ));
        }
        if let Some(name) = [&self.name]
            .into_iter()
            .chain(self.queries.keys())
            .find(|name| !plain(name))
        {
            return Err(format!(
                "the name {name} is not a-z, 0-9 and _ from a letter on, at most 64"
            ));
        }
        if self.sources.is_empty() {
            return Err("model.toml names no sources".to_owned());
        }
        if self.any.is_none() && self.on.is_empty() {
            return Err("no file in on/, so nothing would ever be in it".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::projection) fn folder(
        files: &[(&'static str, &'static str)],
    ) -> Result<Model, FolderError> {
        Model::from_files("board", files.iter().copied())
    }

    pub(in crate::projection) const GOOD: [(&str, &str); 4] = [
        ("model.toml", "name = \"board\"\nsources = [\"tasks\"]"),
        ("schema.sql", "CREATE TABLE a (b TEXT)"),
        ("on/TaskAssigned.sql", "INSERT INTO a VALUES (:title)"),
        ("query/list.sql", "-- order: b\nSELECT b FROM a"),
    ];

    #[test]
    fn a_query_may_change_without_a_rebuild_and_nothing_else_may() {
        let model = folder(&GOOD).unwrap();
        let changed = |change: &dyn Fn(&mut Model)| {
            let mut other = model.clone();
            change(&mut other);
            other.digest() != model.digest()
        };
        assert!(!changed(&|m| m.queries.clear()));
        assert!(changed(&|m| m.schema.push(' ')));
        assert!(changed(&|m| m.version = 2));
        assert!(changed(&|m| m.any = Some("DELETE FROM a".into())));
        assert!(changed(&|m| m
            .on
            .values_mut()
            .for_each(|sql| sql.push(' '))));
    }

    #[test]
    fn a_folder_that_does_not_follow_the_form_is_refused() {
        assert!(folder(&GOOD).is_ok());
        for missing in ["model.toml", "schema.sql", "on/TaskAssigned.sql"] {
            let mut files = GOOD.to_vec();
            files.retain(|(path, _)| *path != missing);
            assert!(folder(&files).is_err(), "without {missing}");
        }
        for (path, text) in [
            ("on/readme.md", ""),
            ("model.toml", "name = \"other\"\nsources = [\"tasks\"]"),
            ("model.toml", "name = \"board\"\nsources = []"),
            (
                "model.toml",
                "name = \"board\"\nsources = [\"tasks\"]\ncolour = 1",
            ),
            ("query/Bad Name.sql", "SELECT 1"),
        ] {
            let mut files = GOOD.to_vec();
            files.push((path, text));
            assert!(folder(&files).is_err(), "{path}: {text}");
        }
    }
}
