//! The directory of read models: how their files are named, found and removed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::store::StoreError;

/// The file of a model's generation.
pub(super) fn file_of(dir: &Path, model: &str, number: u64) -> PathBuf {
    dir.join(format!("{model}.{number}.db"))
}

/// The files `<model>.<number>.db` in `dir`, newest first.
pub(super) fn generations(dir: &Path, model: &str) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let mut found = files(dir)?;
    found.retain(|(name, ..)| name == model);
    found.sort_by_key(|(_, number, _)| std::cmp::Reverse(*number));
    Ok(found
        .into_iter()
        .map(|(_, number, path)| (number, path))
        .collect())
}

/// The models that have files in `dir`.
pub(super) fn model_names(dir: &Path) -> Result<BTreeSet<String>, StoreError> {
    Ok(files(dir)?.into_iter().map(|(name, ..)| name).collect())
}

fn files(dir: &Path) -> Result<Vec<(String, u64, PathBuf)>, StoreError> {
    let failed = |error: std::io::Error| {
        StoreError::Transient(format!("cannot list {}: {error}", dir.display()))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let parsed = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".db")?.rsplit_once('.'))
            .and_then(|(model, number)| Some((model.to_owned(), number.parse().ok()?)));
        if let Some((model, number)) = parsed {
            found.push((model, number, path));
        }
    }
    Ok(found)
}

/// A database file and the two that `SQLite` keeps beside it. What is not there is fine.
pub(super) fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::fs::remove_file(name).ok();
    }
}
