//! Guards against: a service that works on its own log and not on a shared one.

use std::sync::Arc;

use annals::log::memory::MemoryLog;
use annals::log::{Direction, EventLog, Filter};

use super::Served;
use crate::certificate;
use crate::support::server::Server;
use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_application_to_the_certificate_all_services_share_one_server() {
    let log = MemoryLog::new();
    let served = Served::start(Arc::new(log.clone())).await;
    let world = World::with(&format!("log.url={}", served.url())).await;
    certificate::life(world).await;
    let all = log
        .read_all(None, Direction::Forward, usize::MAX, &Filter::default())
        .await
        .unwrap();
    let mut categories: Vec<&str> = all
        .events
        .iter()
        .map(|event| event.stream.category())
        .filter(|category| !category.starts_with('$'))
        .collect();
    categories.sort_unstable();
    categories.dedup();
    assert_eq!(
        categories,
        [
            "application",
            "attendance",
            "candidacy",
            "certification",
            "evaluation",
            "lease",
            "placement",
            "worklist"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_read_models_of_a_shared_log_are_digested_where_they_are() {
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let data = tempfile::tempdir().unwrap();
    let at = format!("log.url={}", served.url());
    drop(Server::start_with(data.path(), &["--set", &at]));
    let digested = Server::command()
        .args(["projections", "digest", "--data"])
        .arg(data.path())
        .args(["--set", &at])
        .output()
        .unwrap();
    assert!(digested.status.success(), "{digested:?}");
    let tables = String::from_utf8(digested.stdout).unwrap();
    assert!(tables.contains("admin_report.report"), "{tables}");
}

#[test]
fn a_server_that_was_never_there_was_not_lost_and_every_setting_that_names_it_is_named() {
    let home = tempfile::tempdir().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let mut serve = Server::command();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]);
    serve.arg(home.path());
    for setting in ["log.placements_url", "log.audit_url"] {
        serve.arg("--set");
        serve.arg(format!("{setting}=esdb://{address}?tls=false"));
    }
    let output = serve.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let last = said.lines().last().unwrap();
    let named = format!(
        "annals: log.audit_url, log.placements_url: esdb://{address}?tls=false does not answer"
    );
    assert!(last.starts_with(&named), "{said}");
    assert!(said.contains("cannot connect, trying again"), "{said}");
    assert!(!said.contains("lost"), "{said}");
}
