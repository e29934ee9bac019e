//! One process at a time: the lock on a log's directory, which also tells whether the last holder ended well.
//!
//! `log.lock` is locked while the log is open and then holds the holder's process id, and in a second line the address where it
//! takes orders for the log, if it does. A clean close replaces it by `closed` and
//! the length of the main file, which then holds everything. So an unlocked file with an id in it means that the holder
//! died, and that its write-ahead log must still be there; and a main file that is gone or shorter was not lost by us.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{OpenError, SqliteLog};

const FILE: &str = "log.lock";

/// The word of a clean close.
const CLOSED: &str = "closed";

/// What the last holder left, by its lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing: there was none, or it wrote nothing yet.
    Nothing,
    /// Main file and write-ahead log; it did not close, or has not yet.
    Open,
    /// A main file of at least so many bytes.
    Closed(u64),
}

impl Left {
    fn by(text: &str) -> Self {
        let text = text.trim();
        if let Some(bytes) = text.strip_prefix(CLOSED) {
            return Self::Closed(bytes.trim().parse().unwrap_or(0));
        }
        if text.is_empty() {
            return Self::Nothing;
        }
        Self::Open
    }

    /// By the lock in `dir`, whoever holds it.
    pub(super) fn in_directory(dir: &Path) -> Self {
        std::fs::read_to_string(dir.join(FILE)).map_or(Self::Nothing, |text| Self::by(&text))
    }
}

/// Held while the log is open; let go when dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    file: File,
    path: PathBuf,
    /// Of the holder before this one.
    pub(super) left: Left,
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
                let (holder, served_at) = signature(&holder);
                return Err(OpenError::Locked {
                    dir: dir.to_owned(),
                    holder,
                    served_at,
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.read_to_string(&mut holder).map_err(failed)?;
        Ok(Self {
            left: Left::by(&holder),
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
    pub(super) fn clear(&mut self, bytes: u64) {
        if let Err(error) = self.replace(format!("{CLOSED} {bytes}").as_bytes()) {
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

impl SqliteLog {
    /// Says in the lock of `dir`, which this process holds by an open log, where it takes orders for that log.
    ///
    /// # Errors
    /// The lock cannot be written.
    pub fn announce(dir: &Path, address: SocketAddr) -> std::io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(dir.join(FILE))?;
        write!(file, "\n{address}")?;
        file.sync_all()
    }
}

/// Process id and address of whoever wrote `text`, as far as they are there.
fn signature(text: &str) -> (String, Option<SocketAddr>) {
    let mut lines = text.lines();
    let holder = lines.next().unwrap_or_default().trim();
    if holder.starts_with(CLOSED) {
        // The one before has closed, and this one has not signed yet.
        return (String::new(), None);
    }
    let address = lines.next().and_then(|line| line.trim().parse().ok());
    (holder.to_owned(), address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_tells_who_holds_it_and_where_orders_are_taken() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let told = |pid: &str, address| (pid.to_owned(), address);
        assert_eq!(signature("4711"), told("4711", None));
        assert_eq!(
            signature("4711\n[::]:2113\n"),
            told("4711", Some(at("[::]:2113")))
        );
        assert_eq!(signature("4711\nnonsense"), told("4711", None));
        assert_eq!(signature("closed 8192"), told("", None));
        assert_eq!(signature(""), told("", None));
        assert_eq!(Left::by("4711\n127.0.0.1:2113"), Left::Open);
    }

    #[test]
    fn the_address_is_there_while_the_lock_is_held_and_gone_when_it_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let mut lock = DirectoryLock::take(dir.path()).unwrap();
        let early = DirectoryLock::take(dir.path()).unwrap_err().to_string();
        assert!(early.ends_with("is open in another process"), "{early}");
        let address: SocketAddr = "10.0.0.1:2113".parse().unwrap();
        lock.sign().unwrap();
        SqliteLog::announce(dir.path(), address).unwrap();
        let refused = DirectoryLock::take(dir.path()).unwrap_err();
        let OpenError::Locked {
            holder, served_at, ..
        } = refused
        else {
            panic!("{refused}");
        };
        assert_eq!(holder, std::process::id().to_string());
        assert_eq!(served_at, Some(address));
        lock.clear(8192);
        assert_eq!(Left::in_directory(dir.path()), Left::Closed(8192));
        drop(lock);
        assert_eq!(
            DirectoryLock::take(dir.path()).unwrap().left,
            Left::Closed(8192)
        );
    }
}
