//! One process at a time: the lock on a log's directory, which also tells whether the last holder ended well.
//!
//! `log.lock` is locked while the log is open and then holds the holder's process id. A clean close empties it. So
//! an unlocked file with an id in it means that the holder died, and that its write-ahead log must still be there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::OpenError;

const FILE: &str = "log.lock";

/// Whether the log in `dir` is open, or its last holder died.
pub(super) fn is_signed(dir: &Path) -> bool {
    std::fs::read(dir.join(FILE)).is_ok_and(|holder| !holder.trim_ascii().is_empty())
}

/// Held while the log is open; let go when dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    file: File,
    path: PathBuf,
    /// The holder before this one did not close.
    pub(super) after_crash: bool,
}

impl DirectoryLock {
    /// Locks `dir`.
    pub(super) fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(FILE);
        let failed = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let mut holder = String::new();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let _ = file.read_to_string(&mut holder);
                return Err(OpenError::Locked {
                    dir: dir.to_owned(),
                    holder: holder.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.read_to_string(&mut holder).map_err(failed)?;
        Ok(Self {
            after_crash: !holder.trim().is_empty(),
            path,
            file,
        })
    }

    /// Writes who holds it. Only once the write-ahead log exists: see the module.
    pub(super) fn sign(&mut self) -> Result<(), OpenError> {
        let pid = std::process::id().to_string();
        self.replace(pid.as_bytes())
            .map_err(|source| OpenError::Io {
                path: self.path.clone(),
                source,
            })
    }

    /// Says that everything lies in the main file. Failing to say so only makes the next open more careful.
    pub(super) fn clear(&mut self) {
        if let Err(error) = self.replace(b"") {
            tracing::warn!(path = %self.path.display(), %error, "cannot mark the log as closed");
        }
    }

    fn replace(&mut self, text: &[u8]) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(text)?;
        self.file.sync_all()
    }
}
