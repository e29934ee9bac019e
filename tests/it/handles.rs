//! Guards against: a server without a free file handle that turns in circles, says nothing, or does not come back.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::server::Server;

/// More than the server of this test can have, with what it needs for its files.
const CONNECTIONS: usize = 120;

/// Far above what is needed: only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_server_without_file_handles_says_so_and_comes_back_when_there_are_some() {
    let data = tempfile::tempdir().unwrap();
    // Made before, so that what is open is what a running server has open.
    drop(Server::start(data.path()));
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 150; exec \"$0\" \"$@\"", Server::binary()])
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        // The tests' own variables are no settings.
        .env_clear()
        .env("ANNALS_TELEMETRY_FORMAT", "text")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap();

    let strangers: Vec<TcpStream> = (0..CONNECTIONS)
        .map_while(|_| {
            let address = address.parse().unwrap();
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()
        })
        .collect();
    let (say, heard) = std::sync::mpsc::channel();
    let complaints = BufReader::new(child.stderr.take().unwrap());
    let listening = std::thread::spawn(move || {
        for line in complaints.lines().map_while(Result::ok) {
            let _ = say.send(line);
        }
    });
    loop {
        let line = heard.recv_timeout(PATIENCE).unwrap();
        if line.contains("no connection can be accepted now") {
            break;
        }
    }
    drop(strangers);
    let healthy = Server::command()
        .args(["call", "grpc.health.v1.Health/Check", "--target"])
        .arg(format!("http://{address}"))
        .output()
        .unwrap();
    assert!(healthy.status.success(), "{healthy:?}");

    let stopped = Command::new("kill").arg(child.id().to_string()).status();
    assert!(stopped.unwrap().success());
    assert!(child.wait().unwrap().success());
    listening.join().unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
}
