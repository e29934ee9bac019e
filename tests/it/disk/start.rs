//! Servers that cannot start for want of room or permission. Guards against: an error that names no file or no reason, and a
//! server that starts and cannot write.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::disks::{Small, refusal};
use crate::support::server::Server;

/// Too little for the first directory, and for everything else that is made at the start.
const KIBIBYTES: [usize; 9] = [4, 16, 64, 200, 300, 400, 500, 600, 800];

/// In one of these words SQLite or the system says it.
const FULL: [&str; 3] = [
    "disk is full",
    "No space left on device",
    "no room on the disk",
];

fn serve(command: &mut Command, data: &Path) -> String {
    refusal(
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data),
    )
}

#[test]
fn on_a_disk_without_room_for_it_a_server_names_the_file_that_it_had_no_room_for() {
    for kibibytes in KIBIBYTES {
        let Some(small) = Small::of_kibibytes(kibibytes) else {
            return;
        };
        let said = serve(&mut Server::command(), &small.data);
        let last = said.lines().last().unwrap();
        let named = small.data.to_str().unwrap();
        assert!(last.contains(named), "of {kibibytes} KiB: {last}");
        assert!(
            FULL.iter().any(|full| last.contains(full)),
            "of {kibibytes} KiB: {last}"
        );
    }
}

#[test]
fn on_a_disk_that_is_read_only_a_server_names_the_file_that_it_would_write() {
    let Some(small) = Small::disk(16) else { return };
    Server::start(&small.data).stop();
    small.make_read_only();
    let said = serve(&mut Server::command(), &small.data);
    let key = small.data.join("keys/jwks.json");
    let named = format!(
        "annals: {}: Read-only file system (os error 30)\n",
        key.display()
    );
    assert_eq!(said, named);
}

/// A server's data, and a user whom permissions hold: whoever runs the tests, or nobody where that is root.
struct Somebody {
    data: PathBuf,
    program: PathBuf,
    is_root: bool,
    _home: TempDir,
}

/// Root's stand-in.
const NOBODY: u32 = 65534;

impl Somebody {
    fn with_data() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (data, program) = (home.path().join("data"), home.path().join("annals"));
        Server::start(&data).stop();
        // Where it was built nobody else may be let in.
        if fs::hard_link(Server::binary(), &program).is_err() {
            fs::copy(Server::binary(), &program).unwrap();
        }
        let is_root = fs::metadata(&data).unwrap().uid() == 0;
        if is_root {
            let mut give = Command::new("chown");
            give.args(["-R", "65534:65534"]).arg(&data);
            assert!(give.status().unwrap().success());
            fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        }
        Self {
            data,
            program,
            is_root,
            _home: home,
        }
    }

    /// What `annals serve` says where `place` has these permissions.
    fn refused(&self, place: &str, mode: u32) -> String {
        let place = self.data.join(place);
        let before = fs::metadata(&place).unwrap().permissions();
        fs::set_permissions(&place, Permissions::from_mode(mode)).unwrap();
        let mut command = Server::command_of(&self.program);
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        let said = serve(&mut command, &self.data);
        fs::set_permissions(&place, before).unwrap();
        said
    }
}

#[test]
fn a_server_that_may_not_read_or_write_a_file_names_it_and_says_why() {
    let somebody = Somebody::with_data();
    let refused = [
        ("keys/signing.pk8", 0o000, ""),
        ("applications", 0o000, "/log.lock"),
        (
            "applications",
            0o555,
            "/log.db: attempt to write a readonly database",
        ),
        (
            "applications/log.db",
            0o000,
            ": it has to be readable and writable",
        ),
        (
            "applications/log.db",
            0o444,
            ": it has to be readable and writable",
        ),
        (
            "processes.db",
            0o000,
            ": it has to be readable and writable",
        ),
        (
            "processes.db",
            0o444,
            ": it has to be readable and writable",
        ),
    ];
    for (place, mode, says) in refused {
        let said = somebody.refused(place, mode);
        let path = somebody.data.join(place);
        let (says, path) = (
            format!("{}{says}", path.display()),
            path.display().to_string(),
        );
        let why = "Permission denied (os error 13)";
        let (plainly, of_system) = (format!("{says}: {why}"), format!("{says} ({path}: {why})"));
        assert!(
            said.contains(&plainly) || said.contains(&of_system),
            "{place} {mode:o}: {said}"
        );
    }
    let said = somebody.refused("projections", 0o555);
    let why = format!(
        "({}: Permission denied",
        somebody.data.join("projections").display()
    );
    assert!(said.lines().last().unwrap().contains(&why), "{said}");
}
