//! A read model as a folder of SQL.
//!
//! ```text
//!   <model>/model.toml            name, version, sources = [services]
//!          /schema.sql            its tables
//!          /on/<EventType>.sql    what that event changes; a file may hold several statements
//!          /on/_any.sql           what every event of the sources changes
//!          /query/<name>.sql      one SELECT; its first lines are comments that the engine reads (see `plan`)
//!          /sample/               given.jsonl and then.txt: its test and its manual
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::model::Model;

include!(concat!(env!("OUT_DIR"), "/projections.rs"));

/// Longest file of a folder, in bytes: SQL that people read stays far below.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Why a folder is no read model.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The disk said no.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the disk said.
        source: std::io::Error,
    },
    /// The folder does not follow the form.
    #[error("read model {model}: {problem}")]
    Form {
        /// Which model.
        model: String,
        /// What is wrong.
        problem: String,
    },
}

/// The models that are compiled in, by name.
pub fn built_in() -> Result<BTreeMap<String, Model>, FolderError> {
    FOLDERS
        .iter()
        .map(|(name, files)| {
            let model = Model::from_files(name, files.iter().copied())?;
            Ok((model.name.clone(), model))
        })
        .collect()
}

/// The models in force: those compiled in, and those of `extra` in addition or in their place.
pub fn in_force(extra: Option<&Path>) -> Result<BTreeMap<String, Model>, FolderError> {
    let mut models = built_in()?;
    if let Some(dir) = extra {
        models.extend(load(dir)?);
    }
    Ok(models)
}

/// Every model in `dir`: one a folder.
pub fn load(dir: &Path) -> Result<BTreeMap<String, Model>, FolderError> {
    let mut models = BTreeMap::new();
    for path in entries(dir)? {
        if !path.is_dir() {
            continue;
        }
        let name = file_name(&path);
        let mut files = Vec::new();
        for file in entries(&path)? {
            if !file.is_dir() {
                files.push((file_name(&file), text(&file)?));
                continue;
            }
            let folder = file_name(&file);
            if folder == "sample" {
                continue;
            }
            for inner in entries(&file)? {
                files.push((format!("{folder}/{}", file_name(&inner)), text(&inner)?));
            }
        }
        let model = Model::from_files(
            &name,
            files
                .iter()
                .map(|(path, text)| (path.as_str(), text.as_str())),
        )?;
        models.insert(name, model);
    }
    Ok(models)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let failed = |source| FolderError::Io {
        path: dir.to_path_buf(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // Editors leave hidden files behind.
        if !file_name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn text(path: &Path) -> Result<String, FolderError> {
    let failed = |source| FolderError::Io {
        path: path.to_path_buf(),
        source,
    };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MAX_FILE_BYTES {
        return Err(failed(std::io::Error::other(format!(
            "{size} bytes, more than {MAX_FILE_BYTES}"
        ))));
    }
    std::fs::read_to_string(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::model::tests::{GOOD, folder};

    #[test]
    fn a_folder_on_disk_replaces_the_one_compiled_in() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("board");
        std::fs::create_dir_all(model.join("on")).unwrap();
        std::fs::create_dir_all(model.join("query")).unwrap();
        for (path, text) in GOOD {
            std::fs::write(model.join(path), text).unwrap();
        }
        let models = in_force(Some(dir.path())).unwrap();
        assert_eq!(models["board"], folder(&GOOD).unwrap());
        assert!(models.len() > 1, "those compiled in are still there");
    }
}
