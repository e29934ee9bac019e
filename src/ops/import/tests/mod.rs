//! Order, waiting, retries, counting, resuming.

mod fake;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use self::fake::{Running, accepted, bind_again, refusal, serve, serve_on};
use super::{ImportArgs, ImportError, Report, import};
use crate::proto::annals::common::v1::CommandReply;

fn line(key: u32, number: u32) -> String {
    format!(
        r#"{{"key":"k{key}","service":"attendance","method":"ClockIn","request":{{"placementId":"k{key}","date":"{number}"}}}}"#
    )
}

/// `numbers` lines of each of `keys` keys, taking turns.
fn lines(keys: u32, numbers: u32) -> String {
    let mut text = String::new();
    for number in 0..numbers {
        for key in 0..keys {
            writeln!(text, "{}", line(key, number)).unwrap();
        }
    }
    text
}

fn file(directory: &TempDir, text: &str) -> PathBuf {
    let path = directory.path().join("commands.ndjson");
    std::fs::write(&path, text).unwrap();
    path
}

async fn run(file: &Path, server: &Running) -> (Report, Option<ImportError>) {
    let mut args = ImportArgs::new(file, &server.target());
    // Far above anything that a busy machine needs.
    args.give_up_after = 60;
    args.server.token = Some("secret".to_owned());
    import(&args).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_one_key_go_in_order_and_different_keys_side_by_side() {
    let directory = TempDir::new().unwrap();
    let server = serve(|_, _, _| Ok(accepted()));
    let (report, error) = run(&file(&directory, &lines(20, 15)), &server).await;
    assert!(error.is_none() && report.is_clean(), "{error:?} {report}");
    assert_eq!((report.sent, report.accepted), (300, 300));
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen.clashes, 0);
    assert!(seen.most_at_once > 1, "nothing went side by side");
    assert_eq!(seen.arrived.len(), 20);
    assert!(
        seen.arrived
            .values()
            .all(|numbers| numbers.iter().copied().eq(0..15))
    );
    assert_eq!(seen.tokens, HashSet::from(["Bearer secret".to_owned()]));
}

#[tokio::test]
async fn the_next_line_of_a_key_waits_for_the_processes() {
    let directory = TempDir::new().unwrap();
    // The fake keeps a key busy until AwaitProcesses was called with its token.
    let server = serve(|key, _, _| {
        Ok(CommandReply {
            processes_pending: true,
            consistency_token: key.to_owned(),
            ..accepted()
        })
    });
    let (report, _) = run(&file(&directory, &lines(3, 5)), &server).await;
    assert_eq!(report.accepted, 15);
    let seen = server.seen.lock().unwrap();
    assert_eq!((seen.clashes, seen.busy.len()), (0, 0));
}

#[tokio::test]
async fn what_passes_is_tried_again_in_its_place() {
    let directory = TempDir::new().unwrap();
    let server = serve(|_, number, nth| match (number, nth) {
        (1, 1) => Err(Status::unavailable("restarting")),
        (1, 2) => {
            let mut details = ErrorDetails::with_error_info("OVERLOADED", "annals", []);
            details.set_retry_info(Some(Duration::from_millis(1)));
            Err(Status::with_error_details(
                Code::ResourceExhausted,
                "busy",
                details,
            ))
        }
        (2, 1) => Err(Status::deadline_exceeded("slow")),
        (3, 1) => Err(Status::internal("a flaw")),
        _ => Ok(accepted()),
    });
    let (report, _) = run(&file(&directory, &lines(2, 5)), &server).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.accepted, 10);
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen.arrived["k0"], [0, 1, 1, 1, 2, 2, 3, 3, 4]);
}

#[tokio::test]
async fn refused_repeated_failed_and_malformed_are_told_apart() {
    let directory = TempDir::new().unwrap();
    let server = serve(|_, number, _| match number {
        0 => Ok(CommandReply {
            repeated: true,
            ..accepted()
        }),
        1 => Err(refusal("PLACEMENT_NOT_ACTIVE")),
        2 => Err(Status::unimplemented("no such thing")),
        _ => Ok(accepted()),
    });
    let text = format!(
        "{}\n{{\"key\":\"k\"}}\n\n{}\n{}\n",
        lines(2, 4).trim_end(),
        r#"{"key":"k","service":"tasks","method":"Nothing","request":{}}"#,
        r#"{"key":"k","service":"attendance","method":"ClockIn","request":{"day":1}}"#,
    );
    let (report, error) = run(&file(&directory, &text), &server).await;
    assert!(error.is_none());
    assert!(report.complete && !report.is_clean());
    assert_eq!(
        (
            report.accepted,
            report.repeated,
            report.refused,
            report.failed,
            report.malformed
        ),
        (2, 2, 2, 2, 3)
    );
    let counts = &report.methods["attendance.ClockIn"];
    assert_eq!(counts.refused["PLACEMENT_NOT_ACTIVE"], 2);
    assert_eq!(counts.failed["Unimplemented"], 2);
    let numbers: Vec<_> = report.malformed_lines.iter().map(|m| m.line).collect();
    assert_eq!(numbers, [9, 11, 12]);
    assert!(report.malformed_lines[1].problem.contains("tasks.Nothing"));
    assert!(report.malformed_lines[2].problem.contains("day"));
    assert!(report.to_string().contains("PLACEMENT_NOT_ACTIVE"));
}

#[tokio::test]
async fn an_import_survives_a_server_that_goes_away() {
    let directory = TempDir::new().unwrap();
    let path = file(&directory, &lines(8, 20));
    let first = serve(|_, _, _| Ok(accepted()));
    let (address, target) = (first.address, first.target());
    let importing = tokio::spawn(async move { import(&ImportArgs::new(&path, &target)).await });
    while first.seen.lock().unwrap().arrived.len() < 8 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let before = Arc::clone(&first.seen);
    drop(first);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let listener = bind_again(address).await;
    let second = serve_on(listener, |_, _, _| Ok(accepted()));
    let (report, error) = importing.await.unwrap().unwrap();
    assert!(error.is_none(), "{error:?}");
    assert_eq!(report.accepted, 160);
    let (before, after) = (before.lock().unwrap(), second.seen.lock().unwrap());
    for key in before.arrived.keys() {
        let mut numbers = before.arrived[key].clone();
        numbers.extend(after.arrived.get(key).into_iter().flatten());
        numbers.dedup();
        assert!(numbers.into_iter().eq(0..20), "{key}");
    }
}

#[tokio::test]
async fn an_interrupted_import_resumes_where_everything_before_is_done() {
    let directory = TempDir::new().unwrap();
    let path = file(&directory, &lines(4, 50));
    let first = serve(|key, number, _| {
        if key == "k2" && number == 30 {
            Err(Status::unauthenticated("expired"))
        } else {
            Ok(accepted())
        }
    });
    let address = first.address;
    let (report, error) = run(&path, &first).await;
    assert!(
        matches!(error, Some(ImportError::Unauthenticated { line: 123, .. })),
        "{error:?}"
    );
    assert!(!report.complete);
    drop(first);
    let listener = bind_again(address).await;
    let second = serve_on(listener, |_, _, _| Ok(accepted()));
    let (report, error) = run(&path, &second).await;
    assert!(error.is_none(), "{error:?}");
    assert!(
        report.complete && report.from_line > 1 && report.from_line <= 123,
        "{report}"
    );
    let seen = second.seen.lock().unwrap();
    // Whoever was slower than k2 decides where; from there on nothing is left out.
    let arrived = &seen.arrived["k2"];
    let from = arrived[0];
    assert!(
        from <= 30 && arrived.iter().copied().eq(from..50),
        "{arrived:?}"
    );
    assert!(
        !path.with_extension("ndjson.progress").exists(),
        "a complete import leaves no state"
    );
}

#[tokio::test]
async fn a_state_of_another_file_is_not_resumed() {
    let directory = TempDir::new().unwrap();
    let server = serve(|_, number, _| match number {
        2 => Err(Status::unauthenticated("expired")),
        _ => Ok(accepted()),
    });
    let path = file(&directory, &lines(1, 4));
    assert!(run(&path, &server).await.1.is_some());
    let path = file(&directory, &lines(1, 2));
    let (report, error) = run(&path, &server).await;
    assert!(error.is_none());
    assert_eq!((report.from_line, report.sent), (1, 2));
}

#[tokio::test]
async fn gives_up_in_bounded_time_and_says_where() {
    let directory = TempDir::new().unwrap();
    let server = serve(|_, _, _| Err(Status::unavailable("closed")));
    let mut args = ImportArgs::new(&file(&directory, &lines(2, 2)), &server.target());
    args.give_up_after = 0;
    let (report, error) = import(&args).await.unwrap();
    assert!(
        matches!(error, Some(ImportError::GaveUp { .. })),
        "{error:?}"
    );
    assert_eq!((report.complete, report.accepted), (false, 0));
}

#[tokio::test]
async fn gzip_reads_as_the_plain_file_does() {
    use std::io::Write as _;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("commands.ndjson.gz");
    let packed = std::fs::File::create(&path).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    packed.write_all(lines(3, 3).as_bytes()).unwrap();
    packed.finish().unwrap();
    let server = serve(|_, _, _| Ok(accepted()));
    let (report, _) = run(&path, &server).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.accepted, 9);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let directory = TempDir::new().unwrap();
    let path = file(&directory, "");
    for target in ["http://", "https://"] {
        let refused = import(&ImportArgs::new(&path, target)).await;
        assert!(matches!(refused, Err(ImportError::Target(_))), "{target}");
    }
    let missing = ImportArgs::new(&directory.path().join("none"), "http://127.0.0.1:1");
    assert!(matches!(
        import(&missing).await,
        Err(ImportError::Read { .. })
    ));
}
