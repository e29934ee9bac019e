//! Guards against: an import that loses, doubles or misjudges a record, and read models that depend on when or how
//! often the server died while they were built.
//!
//! Runs on the sample in `tests/data`; with `ANNALS_FULL=1` on all of OULAD, where `ANNALS_OULAD_DIR` names its folder.

mod files;
mod fixed;
mod models;
mod view;

use std::path::Path;
use std::process::{Child, Stdio};

use annals::projection::Scope;
use serde_json::Value;
use tempfile::TempDir;

use self::files::Files;
use self::fixed::{Fixed, mint};
use self::models::{digests, rows, without_what_differs};
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
    let live = digests(data.path(), Scope::Everything);
    println!("replaying\n{}", live.join("\n"));
    // All rows are compared only to say where they differ: those of all of OULAD do not fit in memory.
    let kept = TempDir::new().unwrap().keep();
    std::fs::rename(data.path().join("projections"), kept.join("projections")).unwrap();

    let server = Server::start(data.path());
    View::of(&server).await.settled().await;
    if digests(data.path(), Scope::Everything) != live {
        models::assert_same("replayed", &rows(&kept), &rows(data.path()));
        unreachable!("the digests differ, the rows do not");
    }
    rebuild_all(&server, data.path());
    server.stop();
    if digests(data.path(), Scope::Everything) != live {
        models::assert_same("rebuilt", &rows(&kept), &rows(data.path()));
        unreachable!("the digests differ, the rows do not");
    }
    std::fs::remove_dir_all(kept).unwrap();
}

/// Builds every read model beside the live one, as an operator does.
fn rebuild_all(server: &Server, data: &Path) {
    let built = Server::command()
        .args(["projections", "rebuild", "--all", "--data"])
        .arg(data)
        .args(["--target", &format!("http://{}", server.address)])
        .output()
        .unwrap();
    let said = String::from_utf8(built.stdout).unwrap();
    let error = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{error}");
    assert_eq!(said.lines().count(), 7, "{said}");
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
        // Well before the end: the state file is a little behind a fast import.
        let line = files.count() * kill / (kills + 3);
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
    if digests(calm.path(), Scope::Commands) != digests(rough.path(), Scope::Commands) {
        models::assert_same(
            "killed on the way",
            &without_what_differs(rows(calm.path())),
            &without_what_differs(rows(rough.path())),
        );
        unreachable!("the digests differ, the rows do not");
    }
}

/// Imports everything and answers the report.
fn import(address: &str, data: &Path, files: &Files) -> Value {
    let token = mint(data, "import");
    end_import(begin_import(address, &token, files))
}

fn begin_import(address: &str, token: &str, files: &Files) -> Child {
    Server::command()
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
