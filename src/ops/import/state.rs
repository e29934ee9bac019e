//! How far an import came: a small file beside the commands, replaced as a whole.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The beginning of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Its number, from 1.
    pub(super) line: u64,
    /// Bytes before it.
    pub(super) offset: u64,
}

impl Place {
    /// Of the first line.
    pub(super) const START: Self = Self { line: 1, offset: 0 };
}

/// What the state file holds (JSON).
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Saved {
    /// Where the commands went.
    target: String,
    /// Which commands they were.
    fingerprint: String,
    /// Every line before it is done.
    done_before: Place,
}

/// The state file of one import.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    target: String,
    fingerprint: String,
}

impl State {
    /// Of the commands in `file`, which go to `target`.
    pub(super) fn of(path: PathBuf, file: &Path, target: &str) -> io::Result<Self> {
        Ok(Self {
            path,
            target: target.to_owned(),
            fingerprint: fingerprint(file)?,
        })
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where to go on: the start, unless the same file went to the same target before and was interrupted.
    pub(super) fn load(&self) -> Place {
        fs::read(&self.path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Saved>(&bytes).ok())
            .filter(|saved| saved.target == self.target && saved.fingerprint == self.fingerprint)
            .map_or(Place::START, |saved| saved.done_before)
    }

    /// Remembers that every line before `done_before` is done. The old state stays whole until the new one is.
    pub(super) fn save(&self, done_before: Place) -> io::Result<()> {
        let saved = Saved {
            target: self.target.clone(),
            fingerprint: self.fingerprint.clone(),
            done_before,
        };
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec(&saved)?)?;
        file.sync_data()?;
        fs::rename(&beside, &self.path)
    }

    /// Forgets: the import is complete, or begins anew.
    pub(super) fn forget(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Length and digest of the beginning: what tells another file of the same name, without reading gigabytes.
fn fingerprint(file: &Path) -> io::Result<String> {
    const HEAD_BYTES: u64 = 64 * 1024;
    let mut head = Vec::new();
    let open = File::open(file)?;
    let length = open.metadata()?.len();
    open.take(HEAD_BYTES).read_to_end(&mut head)?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &head);
    Ok(format!("{length}-{digest:?}"))
}
