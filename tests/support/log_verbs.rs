//! `annals log ...`, the real binary, and what it says.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::Value;

use super::server::Server;

/// Runs `annals log ...`, `input` on its standard input.
pub fn annals_with(input: &[u8], arguments: &[&str]) -> Output {
    let mut child = Server::command()
        .arg("log")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may end without reading.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// The same without input.
pub fn annals(arguments: &[&str]) -> Output {
    annals_with(b"", arguments)
}

/// What a verb that could said.
pub fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The same, of one that was asked for JSON.
pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The one line of a verb that could not.
pub fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}
