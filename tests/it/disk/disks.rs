//! Disks that fail when they are told to, and small ones.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::server::Server;

/// A directory on a disk that can be made to fail under a server.
pub(super) struct Failing {
    _home: TempDir,
    pub(super) data: PathBuf,
    pub(super) fault: Fault,
}

impl Failing {
    /// None where there is no compiler.
    pub(super) fn disk() -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        Some(Self {
            fault: Fault::build(home.path())?,
            data: home.path().join("data"),
            _home: home,
        })
    }

    /// `annals log serve` on it.
    pub(super) fn serve_log(&self) -> Server {
        Server::start_log(&self.data, &self.fault.environment())
    }

    /// What `annals log serve` says when it does not start.
    pub(super) fn refusal_of_log(&self) -> String {
        let mut serve = Server::command();
        serve
            .args(["log", "serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .envs(self.fault.environment());
        refusal(&mut serve)
    }

    /// `annals serve` on it.
    pub(super) fn serve(&self) -> Server {
        Server::start_env(&self.data, &self.fault.environment())
    }
}

/// What a server says that does not start.
pub(super) fn refusal(serve: &mut Command) -> String {
    let mut child = serve
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        child.try_wait().unwrap().is_some()
    });
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(ended, "it serves");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

/// The library that makes disks fail, and the file that tells it when.
pub(super) struct Fault {
    library: PathBuf,
    control: PathBuf,
}

impl Fault {
    /// None where there is no compiler.
    fn build(home: &Path) -> Option<Self> {
        let library = home.join("fault.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fault.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .status();
        if !built.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: no C compiler, disks cannot be made to fail");
            return None;
        }
        let control = home.join("fault");
        Some(Self { library, control })
    }

    fn environment(&self) -> [(&str, &str); 2] {
        [
            ("LD_PRELOAD", self.library.to_str().unwrap()),
            ("FAULT_CONTROL", self.control.to_str().unwrap()),
        ]
    }

    /// Files with `part` in their path fail that way from now on.
    pub(super) fn begin(&self, what: &str, part: &str) {
        std::fs::write(&self.control, format!("{what} {part}")).unwrap();
    }

    pub(super) fn end(&self) {
        std::fs::write(&self.control, "").unwrap();
    }
}

/// A disk of its own, of some MiB, with a directory for a server.
pub(super) struct Small {
    home: TempDir,
    pub(super) data: PathBuf,
}

impl Small {
    /// None where mounting is not allowed.
    pub(super) fn disk(mebibytes: usize) -> Option<Self> {
        Self::of_kibibytes(1024 * mebibytes)
    }

    /// The same.
    pub(super) fn of_kibibytes(kibibytes: usize) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let size = format!("size={kibibytes}k");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(home.path())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: no tmpfs may be mounted here");
            return None;
        }
        let data = home.path().join("data");
        Some(Self { home, data })
    }

    /// Writes until there is no room.
    pub(super) fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        let _ = std::io::copy(&mut std::io::repeat(0), &mut ballast).unwrap_err();
    }

    /// Takes that away again.
    pub(super) fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    pub(super) fn make_read_only(&self) {
        let done = Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(self.home.path())
            .status();
        assert!(done.unwrap().success());
    }

    fn ballast(&self) -> PathBuf {
        self.home.path().join("ballast")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let at = self.home.path();
        let _ = Command::new("umount").arg("-l").arg(at).status();
    }
}
