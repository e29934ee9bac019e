//! A server that comes back on the same address, as a service does that its supervisor restarts.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::support::server::Server;

/// The server; killed when dropped.
pub struct Fixed {
    child: Child,
    address: String,
}

impl Fixed {
    /// Starts on an address that is free now.
    pub fn start(data: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        Self::start_at(data, &address)
    }

    fn start_at(data: &Path, address: &str) -> Self {
        let mut child = Server::command()
            .args(["serve", "--listen", address, "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = lines.any(|line| line.unwrap().contains("listening on "));
        assert!(listening, "the server ended before it listened");
        // Reads on, so that the server never waits for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: address.to_owned(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// SIGKILL, then a new process on the same data and address.
    pub fn kill_and_start(self, data: &Path) -> Self {
        let address = self.address.clone();
        drop(self);
        Self::start_at(data, &address)
    }
}

impl Drop for Fixed {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A token of `role`, of the key in `data`, for a caller that is nobody in particular.
pub fn mint(data: &Path, role: &str) -> String {
    let minted = Server::command()
        .args(["token", "mint", "--data"])
        .arg(data)
        .args([
            // All of OULAD takes longer than the default.
            "--ttl",
            "1d",
            "--role",
            role,
            "--subject",
            "6f6d0000-0000-4000-8000-000000000001",
        ])
        .output()
        .unwrap();
    assert!(
        minted.status.success(),
        "{}",
        String::from_utf8_lossy(&minted.stderr)
    );
    String::from_utf8(minted.stdout).unwrap().trim().to_owned()
}
