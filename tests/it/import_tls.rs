//! `annals import` to a server with TLS, both real processes. Guards against commands and a token that go to somebody else, and
//! against an import that waits for a server which it will never trust, or that says nothing of a URL with the wrong scheme.

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

/// What each of the verbs that call a server says of `target`.
fn complaints(data: &Path, target: &str, ca: &str) -> Vec<String> {
    let (file, data) = (sample(data), data.display().to_string());
    let to = ["--target", target, "--ca", ca];
    let import = [&["import", &file, "--give-up-after", "3"], &to[..]].concat();
    let call = [&["call", "operations.GetHealthDetails"], &to[..]].concat();
    let list = [&["projections", "list", "--data", &data], &to[..]].concat();
    let said = [import, call, list].map(|verb| {
        let output = annals("none", &verb);
        assert!(!output.status.success(), "{verb:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    });
    said.into()
}

#[test]
fn a_url_that_speaks_tls_to_a_server_without_or_the_other_way_round_is_told_so() {
    let (data, files) = (tempfile::tempdir().unwrap(), Files::make());
    let ca = files.shown("ca.pem");
    let secure = served(data.path(), &files);
    let (_, port) = secure.address.rsplit_once(':').unwrap();
    let misnamed = format!("http://localhost:{port}");
    for said in complaints(data.path(), &misnamed, &ca) {
        assert!(said.contains("use https://"), "{said}");
    }
    secure.stop();
    let nobody = complaints(data.path(), &misnamed, &ca);
    let plain = Server::start(data.path());
    let (_, port) = plain.address.rsplit_once(':').unwrap();
    for said in complaints(data.path(), &format!("https://localhost:{port}"), &ca) {
        assert!(said.contains("use http://"), "{said}");
    }
    // Where the scheme is right, or nobody is there, it is not what is wrong.
    let refused = complaints(data.path(), &format!("http://localhost:{port}"), &ca);
    for said in nobody.iter().chain(&refused[..2]) {
        assert!(!said.contains("use http"), "{said}");
    }
    plain.stop();
}
