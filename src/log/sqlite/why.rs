//! Why a database cannot be used: `SQLite` says that something is the matter with it ("unable to open database file", "disk I/O
//! error"), the system says with what, and what.
//!
//! Asks the system again, and leaves everything as it was. Nothing is opened that `SQLite` may have open: closing it would give
//! `SQLite`'s locks back.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode, ffi};
use rustix::fs::{Access, access};

/// A database and what `SQLite` keeps beside it.
const ENDINGS: [&str; 3] = ["", "-wal", "-shm"];

/// Bytes that have to fit: 64 KiB, twice the first piece of the write-ahead log's index.
static ROOM: [u8; 64 * 1024] = [0; 64 * 1024];

/// What `error` says of the database at `path`, and what the system does.
pub(crate) fn plainly(path: &Path, error: &rusqlite::Error) -> String {
    let text = error.to_string();
    let named = format!(": {}", path.display());
    let text = text.strip_suffix(&named).unwrap_or(&text);
    let Some(failure) = error.sqlite_error() else {
        return text.to_owned();
    };
    let is_vague = matches!(
        failure.code,
        ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::SystemIoFailure
    );
    match unusable(path).filter(|_| is_vague) {
        Some(cause) => format!("{text} ({cause})"),
        None if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
            format!("{text} (no room on the disk)")
        }
        None => text.to_owned(),
    }
}

/// What is the matter with a database that is there and cannot be read and written, before `SQLite` opens it for reading all the
/// same and makes files beside it that nobody can write either.
pub(crate) fn locked_up(path: &Path) -> Option<String> {
    let cause = refused(path)?;
    Some(format!("it has to be readable and writable ({cause})"))
}

/// What the system says where the database at `path` cannot be read and written, and beside what.
pub(crate) fn unusable(path: &Path) -> Option<String> {
    refused(path).or_else(|| {
        let dir = path.parent()?;
        let cause = room_in(dir).err()?;
        Some(format!("{}: {cause}", dir.display()))
    })
}

fn refused(path: &Path) -> Option<String> {
    ENDINGS.iter().find_map(|ending| {
        let file = PathBuf::from(format!("{}{ending}", path.display()));
        let cause = usable(&file).err()?;
        Some(format!("{}: {cause}", file.display()))
    })
}

/// A file that is not there may be made.
fn usable(file: &Path) -> io::Result<()> {
    match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => {}
    }
    Ok(access(file, Access::READ_OK | Access::WRITE_OK)?)
}

fn room_in(dir: &Path) -> io::Result<()> {
    let probe = dir.join(format!("annals-{}.probe", std::process::id()));
    let made = File::create(&probe);
    let written = made.and_then(|mut file| file.write_all(&ROOM));
    let removed = fs::remove_file(&probe);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn opened(path: &Path) -> rusqlite::Error {
        let connection = match Connection::open(path) {
            Ok(connection) => connection,
            Err(error) => return error,
        };
        connection.execute_batch("CREATE TABLE t (c)").unwrap_err()
    }

    #[test]
    fn what_sqlite_leaves_open_the_system_says() {
        let home = tempfile::tempdir().unwrap();
        let gone = home.path().join("gone").join("some.db");
        assert_eq!(
            plainly(&gone, &opened(&gone)),
            format!(
                "unable to open database file ({}: No such file or directory (os error 2))",
                home.path().join("gone").display()
            )
        );
        let taken = home.path().join("taken.db");
        fs::create_dir(&taken).unwrap();
        let said = plainly(&taken, &opened(&taken));
        let of_system = format!("({}: is a directory)", taken.display());
        assert!(said.ends_with(&of_system), "{said}");
    }

    #[test]
    fn what_sqlite_says_plainly_stays_and_nothing_is_left_behind() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("some.db");
        assert_eq!(unusable(&path), None);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        fs::write(&path, [7; 4096]).unwrap();
        assert_eq!(plainly(&path, &opened(&path)), "file is not a database");
    }
}
