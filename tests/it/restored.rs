//! Guards against: read models and processes that believe what a log no longer says, after an older state of the log was put back
//! from a backup.

use std::path::Path;
use std::process::Command;

use crate::support::journey::Journey;
use crate::support::server::Server;
use uuid::Uuid;

fn copied(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(done.unwrap().success());
}

fn digests(data: &Path) -> String {
    let digested = Server::command()
        .args(["projections", "digest", "--commands", "--data"])
        .arg(data)
        .output()
        .unwrap();
    assert!(digested.status.success(), "{digested:?}");
    String::from_utf8(digested.stdout).unwrap()
}

/// Each table and how many rows it has: the second time the same is done at another time.
fn rows(digests: &str) -> Vec<(&str, &str)> {
    let words = digests.lines().map(str::split_whitespace);
    words
        .map(|mut words| (words.next().unwrap(), words.next().unwrap()))
        .collect()
}

/// Walks `journey` on a server in `data`, stops it, and answers what the read models hold.
async fn after(data: &Path, journey: Option<&Journey>) -> String {
    let server = Server::start(data);
    if let Some(journey) = journey {
        let caller = server.caller("import", Uuid::from_u128(1)).await;
        journey.to_placement(&caller).await.unwrap();
    }
    let listed = Server::command()
        .args(["projections", "list", "--wait", "--data"])
        .arg(data)
        .args(["--target", &format!("http://{}", server.address)])
        .output()
        .unwrap();
    assert!(listed.status.success(), "{listed:?}");
    server.stop();
    digests(data)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_derived_from_events_that_a_restored_log_has_not_is_derived_anew() {
    let home = tempfile::tempdir().unwrap();
    let (data, backup) = (home.path().join("data"), home.path().join("backup"));
    let (kept, lost) = (
        Journey::new("kept", "2024-01-01"),
        Journey::new("lost", "2024-01-01"),
    );
    let before = after(&data, Some(&kept)).await;
    copied(&data, &backup);
    let with_both = after(&data, Some(&lost)).await;
    assert_ne!(before, with_both);

    for service in annals::ops::serve::SERVICES {
        std::fs::remove_dir_all(data.join(service)).unwrap();
        copied(&backup.join(service), &data.join(service));
    }
    assert_eq!(after(&data, None).await, before);
    // Its events take positions at which others were handled before.
    let again = after(&data, Some(&lost)).await;
    assert_eq!(rows(&again), rows(&with_both));
    // Nothing is derived anew without need.
    assert!(!data.join("projections/admin_report.2.db").exists());
}
