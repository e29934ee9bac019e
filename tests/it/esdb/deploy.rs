//! Guards against: a deployment that says what the program does not know.
//!
//! No container runs here. The environment of `deploy/compose.yaml` starts a real server, its files and hosts replaced by ones
//! that are there, and the server is asked what the health check asks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use annals::log::memory::MemoryLog;
use annals::ops::serve::SERVICES;

use super::{Served, tls};
use crate::support::server::Server;
use crate::support::tls::Files;

const COMPOSE: &str = include_str!("../../../deploy/compose.yaml");
const README: &str = include_str!("../../../deploy/README.md");
const DOCKERFILE: &str = include_str!("../../../deploy/Dockerfile");
const SENT: &str = include_str!("../../../.dockerignore");
const UNTRACKED: &str = include_str!("../../../.gitignore");
const MANIFEST: &str = include_str!("../../../Cargo.toml");

/// `ANNALS_<SECTION>_<NAME>: value` wherever it stands.
fn environment() -> BTreeMap<String, String> {
    COMPOSE
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .filter(|(name, _)| name.starts_with("ANNALS_"))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

/// The same, with what is in the containers replaced by what is here.
fn environment_here(files: &Files, port: u16, jwks: &Path) -> BTreeMap<String, String> {
    let nodes = "node1.eventstore:2113,node2.eventstore:2113,node3.eventstore:2113";
    let replaced = [
        (
            "${EVENTSTORE_PASSWORD:?say it in .env}",
            "p%40ss".to_owned(),
        ),
        (nodes, format!("localhost:{port}")),
        ("/certs/ca/ca.crt", files.shown("ca.pem")),
        ("/certs/annals/node.crt", files.shown("server.pem")),
        ("/certs/annals/node.key", files.shown("server.key")),
        ("/etc/annals/jwks.json", jwks.display().to_string()),
    ];
    let mut environment = environment();
    for (there, here) in replaced {
        assert!(
            environment.values().any(|value| value.contains(there)),
            "{there}"
        );
        for value in environment.values_mut() {
            *value = value.replace(there, &here);
        }
    }
    environment
}

fn annals(arguments: &[&str]) -> Output {
    Server::command().args(arguments).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_of_the_containers_starts_a_server_that_its_health_check_finds_serving() {
    annals::log::eventstoredb::install_provider().unwrap();
    let (files, data) = (Files::make(), tempfile::tempdir().unwrap());
    let node = Served::start(Arc::new(MemoryLog::new())).await;
    let port = tls::front(node.address, &files, false).await;
    let old = tempfile::tempdir().unwrap();
    // The single machine, which made itself a key.
    drop(Server::start(old.path()));
    let old_data = old.path().to_str().unwrap();
    let subject = uuid::Uuid::from_u128(1).to_string();
    let minted = annals(&[
        "token",
        "mint",
        "--data",
        old_data,
        "--role",
        "admin",
        "--subject",
        &subject,
    ]);
    assert!(minted.status.success(), "{minted:?}");
    let environment = environment_here(&files, port, &old.path().join("keys/jwks.json"));
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let server = Server::start_env(data.path(), &environment);

    let (_, port) = server.address.rsplit_once(':').unwrap();
    let check = COMPOSE
        .split_once("annals call ")
        .and_then(|(_, rest)| rest.split_once("| grep"))
        .unwrap()
        .0
        .replace("7400", port)
        .replace("/certs/ca/ca.crt", &files.shown("ca.pem"));
    let arguments: Vec<&str> = ["call"]
        .into_iter()
        .chain(check.split_whitespace())
        .collect();
    let healthy = annals(&arguments);
    assert!(
        String::from_utf8_lossy(&healthy.stdout).contains("\"SERVING\""),
        "{healthy:?}"
    );
    // The key of the single machine goes on being good.
    let token = String::from_utf8(minted.stdout).unwrap();
    let target = format!("https://localhost:{port}");
    let details = annals(&[
        "call",
        "operations.GetHealthDetails",
        "{}",
        "--target",
        &target,
        "--ca",
        &files.shown("ca.pem"),
        "--token",
        token.trim(),
    ]);
    assert!(details.status.success(), "{details:?}");
}

#[test]
fn every_setting_that_is_named_exists() {
    let named = environment();
    assert!(named.len() > 5, "{named:?}");
    let mut command = Server::command();
    command.args(["config", "show"]);
    let image = DOCKERFILE
        .lines()
        .filter_map(|line| line.strip_prefix("ENV ")?.split_once('='));
    for (name, value) in image.chain(named.iter().map(|(name, value)| (&**name, &**value))) {
        command.env(name, value);
    }
    let shown = command.output().unwrap();
    assert!(shown.status.success(), "{shown:?}");
    let text = String::from_utf8(shown.stdout).unwrap();
    for name in named.keys() {
        assert!(text.contains(&format!("environment {name}")), "{name}");
    }
    assert!(text.contains("environment ANNALS_DATA_DIR"));
}

#[test]
fn the_steps_name_services_verbs_and_options_that_exist() {
    let declared = |name: &str| COMPOSE.contains(&format!("\n  {name}:\n"));
    for line in README
        .lines()
        .filter(|line| line.contains("docker compose"))
    {
        for word in line.split([' ', '`', ':']) {
            let is_service =
                word.ends_with(".eventstore") || word.starts_with("annals1") || word == "annals2";
            assert!(!is_service || declared(word), "{word}");
        }
    }
    let looped = format!("for service in {}; do", SERVICES.join(" "));
    assert_eq!(
        README.matches(&looped).count(),
        2,
        "the services are {SERVICES:?}"
    );
    for (verb, options) in [
        (&["log", "copy"][..], &["--service"][..]),
        (&["call"], &["--target", "--ca", "--token", "--table"]),
        (&["token", "mint"], &["--data", "--role", "--subject"]),
        (&["projections", "digest"], &["--commands"]),
        (&["serve"], &["--set", "--data"]),
    ] {
        assert!(
            README.contains(&format!("annals {}", verb.join(" "))),
            "{verb:?}"
        );
        let help = annals(&[verb, &["--help"][..]].concat());
        let help = String::from_utf8(help.stdout).unwrap();
        for option in options {
            assert!(help.contains(option), "{verb:?} has no {option}");
        }
    }
}

#[test]
fn every_volume_is_declared_and_every_port_is_the_one_that_is_listened_on() {
    let (_, declared) = COMPOSE.split_once("\nvolumes:\n").unwrap();
    let mounted = COMPOSE
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ")?.split_once(":/"))
        .map(|(volume, _)| volume);
    for volume in mounted.filter(|volume| !volume.starts_with('.')) {
        assert!(declared.contains(&format!("  {volume}: {{}}")), "{volume}");
    }
    let listen = environment()["ANNALS_SERVER_LISTEN"].clone();
    let (_, port) = listen.rsplit_once(':').unwrap();
    for published in ["7401", "7402"] {
        assert!(
            COMPOSE.contains(&format!("[\"{published}:{port}\"]")),
            "{published}"
        );
        assert!(
            README.contains(&format!("https://localhost:{published}")),
            "{published}"
        );
    }
    assert!(DOCKERFILE.contains(&format!("EXPOSE {port}\n")));
}

#[test]
fn what_the_image_is_built_from_is_all_that_is_sent_to_the_build() {
    let mut rules = SENT.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(rules.next(), Some("*"), "secrets and results are sent");
    let sent: BTreeSet<&str> = rules.filter_map(|rule| rule.strip_prefix('!')).collect();
    let copied: BTreeSet<&str> = DOCKERFILE
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--from"))
        .filter_map(|line| line.rsplit_once(' '))
        .flat_map(|(names, _)| names.split(' '))
        .collect();
    assert_eq!(sent, copied);
    for name in copied {
        assert!(
            Path::new(env!("CARGO_MANIFEST_DIR")).join(name).exists(),
            "{name}"
        );
    }
    let rust = MANIFEST
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap()
        .trim_matches('"');
    assert!(
        DOCKERFILE.contains(&format!("FROM rust:{rust}-")),
        "Rust {rust}"
    );
}

#[test]
fn the_keys_are_a_directory_in_which_a_file_can_be_replaced() {
    let jwks = environment()["ANNALS_AUTH_JWKS"].clone();
    let (directory, file) = jwks.rsplit_once('/').unwrap();
    assert!(COMPOSE.contains(&format!("  source: ./keys\n  target: {directory}\n")));
    assert!(README.contains(&format!("deploy/keys/{file}")));
    for secret in ["/deploy/.env", "/deploy/keys/"] {
        assert!(UNTRACKED.lines().any(|line| line == secret), "{secret}");
    }
}
