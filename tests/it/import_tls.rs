//! `annals import` to a server with TLS, both real processes. Guards against commands and a token that go to somebody else, and
//! against an import that waits for a server which it will never trust.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::support::server::Server;
use crate::support::tls::Files;

/// Commands of the sample that are sent: the first students' whole way.
const COMMANDS: usize = 1_500;

fn served(data: &Path, files: &Files) -> Server {
    let (cert, key) = (files.shown("server.pem"), files.shown("server.key"));
    let settings = [
        format!("server.tls_cert={cert}"),
        format!("server.tls_key={key}"),
    ];
    Server::start_with(data, &["--set", &settings[0], "--set", &settings[1]])
}

/// The beginning of the sample, as a file of its own.
fn sample(directory: &Path) -> String {
    let all =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oulad-sample/commands.ndjson.gz");
    let all = flate2::read::GzDecoder::new(std::fs::File::open(all).unwrap());
    let text = std::io::read_to_string(all).unwrap();
    let lines: Vec<&str> = text.lines().take(COMMANDS).collect();
    let file = directory.join("commands.ndjson");
    std::fs::write(&file, lines.join("\n")).unwrap();
    file.display().to_string()
}

fn annals(token: &str, arguments: &[&str]) -> Output {
    let mut command = Server::command();
    command.args(arguments).env("ANNALS_TOKEN", token);
    command.output().unwrap()
}

#[test]
fn an_import_over_tls_is_decided_line_by_line_and_repeats_nothing() {
    let (data, files) = (tempfile::tempdir().unwrap(), Files::make());
    let server = served(data.path(), &files);
    let (_, port) = server.address.rsplit_once(':').unwrap();
    let target = format!("https://localhost:{port}");
    let (file, ca) = (sample(files.path("").as_path()), files.shown("ca.pem"));
    let token = server.token("import", uuid::Uuid::from_u128(1));
    let import = ["import", &file, "--json", "--target", &target, "--ca", &ca];
    for (new, old) in [("accepted", "repeated"), ("repeated", "accepted")] {
        let output = annals(&token, &import);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["sent"], COMMANDS, "{report:#}");
        assert!(report[new].as_u64() > Some(1_000), "{report:#}");
        assert_eq!(report[old], 0, "{report:#}");
    }
    let auditor = server.token("auditor", uuid::Uuid::from_u128(2));
    let call = [
        "call",
        "audit.ListEvents",
        "{}",
        "--target",
        &target,
        "--ca",
        &ca,
    ];
    let output = annals(&auditor, &call);
    assert!(output.status.success(), "{output:?}");
    server.stop();
}

#[test]
fn a_server_that_is_not_trusted_is_sent_nothing_and_the_import_says_so_at_once() {
    let (data, files, strangers) = (tempfile::tempdir().unwrap(), Files::make(), Files::make());
    let server = served(data.path(), &files);
    let (_, port) = server.address.rsplit_once(':').unwrap();
    let file = sample(files.path("").as_path());
    let token = server.token("import", uuid::Uuid::from_u128(1));
    let (own, other) = (files.shown("ca.pem"), strangers.shown("ca.pem"));
    let named = format!("https://localhost:{port}");
    let misnamed = format!("https://127.0.0.1:{port}");
    for (target, ca) in [
        (&named, Some(&other)),
        (&named, None),
        (&misnamed, Some(&own)),
    ] {
        let mut import = vec!["import", &file, "--json", "--target", target];
        import.extend(ca.into_iter().flat_map(|ca| ["--ca", ca]));
        for verb in [
            &import[..],
            &[&["call", "operations.GetHealthDetails"], &import[3..]].concat(),
        ] {
            let output = annals(&token, verb);
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success());
            assert!(
                error.contains("is not trusted") && error.contains("--ca"),
                "{error}"
            );
        }
    }
    server.stop();
}
