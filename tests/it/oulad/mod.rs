//! Guards against: an import that loses, doubles or misjudges a record, and read models that depend on when or how
//! often the server died while they were built.
//!
//! Runs on the sample in `tests/data`; with `ANNALS_FULL=1` on all of OULAD, in the folder that `ANNALS_OULAD_DIR` names.

mod files;
mod fixed;
mod models;
mod view;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use self::files::Files;
use self::fixed::{Fixed, mint};
use self::models::{rows, without_what_differs};
use self::view::View;
use crate::support::server::Server;

#[test]
fn the_commands_lead_to_what_the_files_imply() {
    let files = Files::make();
    files.check();
    assert!(files.count() > 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_import_shows_what_the_files_imply_and_a_second_one_changes_nothing() {
    let files = Files::make();
    let data = TempDir::new().unwrap();
    let server = Server::start(data.path());

    let report = import(&server.address, data.path(), &files);
    println!("first import: {}", speed(&report));
    assert_eq!(answered(&report, "repeated"), 0, "{report:#}");
    files.assert_report(&report);
    let view = View::of(&server).await;
    view.settled().await;
    view.assert_shows(&files).await;

    let report = import(&server.address, data.path(), &files);
    println!("second import: {}", speed(&report));
    assert_eq!(answered(&report, "accepted"), 0, "{report:#}");
    files.assert_report(&report);
    view.settled().await;
    view.assert_shows(&files).await;
    server.stop();
    let live = rows(data.path());

    println!(
        "replaying {} rows of {} tables",
        live.values().map(Vec::len).sum::<usize>(),
        live.len()
    );
    std::fs::remove_dir_all(data.path().join("projections")).unwrap();
    let server = Server::start(data.path());
    View::of(&server).await.settled().await;
    server.stop();
    let replayed = rows(data.path());
    models::assert_same("replayed", &live, &replayed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_on_the_way_ends_with_the_same_read_models() {
    let files = Files::make();
    let (calm, rough) = (TempDir::new().unwrap(), TempDir::new().unwrap());

    let server = Server::start(calm.path());
    import(&server.address, calm.path(), &files);
    View::of(&server).await.settled().await;
    server.stop();

    let mut server = Fixed::start(rough.path());
    let address = server.address().to_owned();
    let token = mint(rough.path(), "import");
    let mut importing = begin_import(&address, &token, &files);
    let kills = 4;
    for kill in 1..=kills {
        // The last one hits the import itself, too: it resumes from its state file.
        let line = files.count() * kill / (kills + 1);
        files.until_done_before(line, &mut importing);
        server = server.kill_and_start(rough.path());
        if kill == kills {
            importing.kill().unwrap();
            importing.wait().unwrap();
            importing = begin_import(&address, &token, &files);
        }
    }
    let report = end_import(importing);
    println!("with {kills} kills: {}", speed(&report));
    assert!(report["from_line"].as_u64() > Some(1), "{report:#}");
    drop(server);

    // What the last kill left undone is done by the server alone.
    let server = Server::start(rough.path());
    let view = View::of(&server).await;
    view.settled().await;
    view.assert_shows(&files).await;
    server.stop();
    models::assert_same(
        "killed on the way",
        &without_what_differs(rows(calm.path())),
        &without_what_differs(rows(rough.path())),
    );
}

/// Imports everything and answers the report.
fn import(address: &str, data: &Path, files: &Files) -> Value {
    let token = mint(data, "import");
    end_import(begin_import(address, &token, files))
}

fn begin_import(address: &str, token: &str, files: &Files) -> Child {
    Command::new(Server::binary())
        .arg("import")
        .arg(files.commands())
        .args(["--json", "--target", &format!("http://{address}")])
        .env("ANNALS_TOKEN", token)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

fn end_import(importing: Child) -> Value {
    let output = importing.wait_with_output().unwrap();
    let report = serde_json::from_slice::<Value>(&output.stdout).unwrap();
    assert!(output.status.success(), "{report:#}");
    report
}

fn answered(report: &Value, how: &str) -> u64 {
    report[how].as_u64().unwrap()
}

fn speed(report: &Value) -> String {
    format!(
        "{} commands in {:.1} s, {:.0} a second",
        report["sent"],
        report["seconds"].as_f64().unwrap(),
        report["per_second"].as_f64().unwrap()
    )
}
