//! A generation that is opened and not at work yet: found or made, with the plans of its queries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::directory::{file_of, generations, remove};
use super::file;
use super::model::Model;
use super::plan::Plan;
use super::readers;
use super::sqlite::SqliteStore;
use super::store::StoreError;

/// A store and the plans of its queries, opened but not at work yet.
pub(super) struct Opened {
    pub(super) model: Model,
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) store: SqliteStore,
    pub(super) plans: BTreeMap<String, Plan>,
}

impl Opened {
    /// The live generation of `model` in `dir`, be it of an older text of the folder; a new one where there is none.
    /// What is neither is removed. Blocking.
    pub(super) fn live(dir: &Path, model: &Model, known: &[&str]) -> Result<Self, StoreError> {
        let mut found = None;
        let mut highest = 0;
        for (number, path) in generations(dir, &model.name)? {
            highest = highest.max(number);
            if found.is_none() {
                found = Self::existing(&path, number, model, known);
                if found.is_some() {
                    continue;
                }
            }
            remove(&path);
        }
        match found {
            Some(opened) => Ok(opened),
            None => Self::new(dir, model, highest + 1, true, None),
        }
    }

    /// A new generation; `passed` is another one whose events that were passed over by hand stay so. Blocking.
    pub(super) fn new(
        dir: &Path,
        model: &Model,
        number: u64,
        live: bool,
        passed: Option<&Path>,
    ) -> Result<Self, StoreError> {
        let path = file_of(dir, &model.name, number);
        remove(&path);
        let mut store = SqliteStore::create(&path, model, live)?;
        if let Some(other) = passed {
            store.pass_over_as(other)?;
        }
        Self::with(model.clone(), number, path, store)
    }

    fn existing(path: &Path, number: u64, model: &Model, known: &[&str]) -> Option<Self> {
        let (stored, live) = match file::describe(path) {
            Ok(described) => described?,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a read model's file cannot be read and is built anew");
                return None;
            }
        };
        if !live
            || !stored
                .sources
                .iter()
                .all(|source| known.contains(&source.as_str()))
        {
            return None;
        }
        // The same tables: today's queries hold. Other tables: theirs do, until the rebuild is through.
        let served = if stored.digest() == model.digest() {
            model.clone()
        } else {
            stored
        };
        let opened = SqliteStore::open(path, &served)
            .and_then(|store| Self::with(served, number, path.to_path_buf(), store));
        opened
            .inspect_err(|error| {
                tracing::warn!(path = %path.display(), %error, "a read model's file does not open and is built anew");
            })
            .ok()
    }

    fn with(
        model: Model,
        number: u64,
        path: PathBuf,
        store: SqliteStore,
    ) -> Result<Self, StoreError> {
        let conn = readers::connect(&path)?;
        let mut plans = BTreeMap::new();
        for (name, text) in &model.queries {
            let plan = readers::plan(&conn, text)
                .map_err(|problem| StoreError::Permanent(format!("query/{name}.sql: {problem}")))?;
            plans.insert(name.clone(), plan);
        }
        Ok(Self {
            model,
            number,
            path,
            store,
            plans,
        })
    }
}
