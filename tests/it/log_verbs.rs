//! `annals log ...` with the real binary: what an operator sees and what the exit code says.

use std::path::Path;

use annals::kernel::StreamName;
use annals::log::sqlite::{Options, SqliteLog};
use annals::log::{EventLog, Expected, NewEvent, StreamMetadata};
use uuid::Uuid;

use crate::support::log_verbs::{annals, annals_with, complaint, json, out};
use crate::support::server::Server;

fn event(id: u128) -> NewEvent {
    NewEvent {
        id: Uuid::from_u128(id + 1),
        event_type: "Tested".into(),
        is_json: true,
        data: format!("{{\"number\":{id}}}").into(),
        metadata: "{}".into(),
    }
}

fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

/// 40 events in four streams, of one of which only the last two are seen.
async fn written(dir: &Path) -> SqliteLog {
    let log = SqliteLog::open(dir, Options::default()).unwrap();
    for turn in 0..40 {
        let s = stream(&format!("a-{}", turn % 4));
        log.append(&s, Expected::Any, vec![event(turn)])
            .await
            .unwrap();
    }
    let metadata = StreamMetadata {
        max_count: Some(2),
        ..StreamMetadata::default()
    };
    log.set_metadata(&stream("a-1"), Expected::Any, metadata)
        .await
        .unwrap();
    log
}

#[tokio::test]
async fn a_log_that_is_served_is_looked_at_from_beside_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("one");
    let log = written(&dir).await;
    let at = dir.to_str().unwrap();
    let figures = json(&annals(&["stat", at, "--json"]));
    assert_eq!(
        (&figures["head"], &figures["events"], &figures["streams"]),
        (&41.into(), &41.into(), &5.into()),
        "{figures}"
    );
    assert!(out(&annals(&["stat", "--data", at])).contains("last position     41"));
    let found = json(&annals(&["verify", at, "--json"]));
    assert_eq!(
        (&found["whole"], &found["damaged"]),
        (&41.into(), &0.into())
    );
    assert_eq!(out(&annals(&["dump", at])).lines().count(), 41);
    let two = home.path().join("two");
    out(&annals(&["copy", at, two.to_str().unwrap()]));

    for verb in [&["scavenge", at][..], &["copy", two.to_str().unwrap(), at]] {
        let line = complaint(&annals(verb));
        assert!(
            line.contains(&format!("process {}", std::process::id())) && line.contains("stop"),
            "{line}"
        );
    }
    log.append(&stream("a-0"), Expected::Exact(9), vec![event(99)])
        .await
        .unwrap();
    log.close().await;
    // A copy is idempotent, and goes on where it ended.
    let done = json(&annals(&["copy", "--json", at, two.to_str().unwrap()]));
    assert_eq!(
        (&done["events"], &done["position"]),
        (&42.into(), &42.into())
    );
    assert_eq!(
        out(&annals(&["dump", two.to_str().unwrap()])),
        out(&annals(&["dump", at]))
    );
}

#[tokio::test]
async fn a_dump_goes_through_files_and_pipes_and_comes_back_equal() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    written(Path::new(&path("one"))).await.close().await;
    let (one, file) = (path("one"), path("one.ndjson"));
    let text = out(&annals(&["copy", &one, &file]));
    assert!(
        text.contains("41 events up to position 41, compared and equal"),
        "{text}"
    );
    let lines = out(&annals(&["copy", &one, "-"]));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), lines);
    for _ in 0..2 {
        out(&annals(&["copy", &file, &path("two")]));
        out(&annals_with(
            lines.as_bytes(),
            &["copy", "-", &path("three")],
        ));
    }
    for copy in ["two", "three"] {
        assert_eq!(out(&annals(&["dump", &path(copy)])), lines);
        out(&annals(&["verify", &path(copy)]));
    }
    let forged = lines.replace("\"number\":7}", "\"number\":8}");
    let line = complaint(&annals_with(
        forged.as_bytes(),
        &["copy", "-", &path("four")],
    ));
    let both = format!("- -> {}: line 8 of the dump: its digest", path("four"));
    assert!(line.contains(&both), "{line}");
    // A log of its own is no copy of this one.
    SqliteLog::open(Path::new(&path("five")), Options::default())
        .unwrap()
        .append(&stream("a-0"), Expected::Any, vec![event(500)])
        .await
        .unwrap();
    complaint(&annals(&["copy", &one, &path("five")]));
}

#[tokio::test]
async fn a_copy_goes_only_where_nothing_else_is() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (one, two) = (path("one"), path("two"));
    written(Path::new(&one)).await.close().await;
    out(&annals(&["copy", &one, &two]));
    std::os::unix::fs::symlink(&two, path("link")).unwrap();
    for same in [two.clone(), format!("{two}/log.db"), path("link")] {
        let line = complaint(&annals(&["copy", &two, &same]));
        assert!(line.contains("source and target are the same"), "{line}");
    }
    // What the copy has last is hidden in the source since, and still the same.
    let log = SqliteLog::open(Path::new(&one), Options::default()).unwrap();
    let hidden = StreamMetadata {
        truncate_before: Some(i64::MAX),
        ..StreamMetadata::default()
    };
    for name in ["a-0", "a-1", "a-2", "a-3"] {
        log.set_metadata(&stream(name), Expected::Any, hidden.clone())
            .await
            .unwrap();
    }
    log.close().await;
    out(&annals(&["copy", &one, &two]));
    // Both go on by themselves.
    for (dir, id) in [(&one, 1_000), (&two, 2_000)] {
        let log = SqliteLog::open(Path::new(dir), Options::default()).unwrap();
        let other = stream(&format!("b-{id}"));
        log.append(&other, Expected::NoStream, vec![event(id)])
            .await
            .unwrap();
        log.close().await;
    }
    let before = out(&annals(&["dump", &two]));
    let line = complaint(&annals(&["copy", &one, &two]));
    assert!(
        line.contains("no copy of this log") && line.contains("position 46 (b-2000, revision 0)"),
        "{line}"
    );
    assert_eq!(out(&annals(&["dump", &two])), before);
}

#[tokio::test]
async fn scavenging_gives_back_what_is_hidden() {
    let home = tempfile::tempdir().unwrap();
    written(home.path()).await.close().await;
    let at = home.path().to_str().unwrap();
    let done = json(&annals(&["scavenge", at, "--json"]));
    assert_eq!((&done["events"], &done["streams"]), (&8.into(), &1.into()));
    assert_eq!(json(&annals(&["stat", at, "--json"]))["scavenged"], 8);
    out(&annals(&["verify", at]));
    assert!(out(&annals(&["scavenge", at])).starts_with("0 events"));
}

#[tokio::test]
async fn damage_is_named_and_ends_in_failure() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("log.db");
    let at = file.to_str().unwrap();
    written(home.path()).await.close().await;
    let whole = std::fs::read(&file).unwrap();
    let needle = b"{\"number\":17}";
    let place = whole
        .windows(needle.len())
        .position(|bytes| bytes == needle)
        .unwrap();
    let mut flipped = whole.clone();
    flipped[place + 10] ^= 1;
    std::fs::write(&file, &flipped).unwrap();
    let found = annals(&["verify", at]);
    let line = complaint(&found);
    assert!(line.contains("damaged in 1 place"), "{line}");
    let named = String::from_utf8(found.stdout).unwrap();
    assert!(
        named.contains("position 18, stream a-1: its digest does not fit"),
        "{named}"
    );
    let found = json(&annals(&["verify", at, "--json"]));
    assert_eq!(found["damages"][0]["position"], 18);
    assert!(complaint(&annals(&["dump", at])).contains("position 18"));

    std::fs::write(&file, &whole[..whole.len() - 4096]).unwrap();
    assert!(complaint(&annals(&["verify", at])).contains("was cut off"));
    std::fs::write(&file, "dear diary ".repeat(10_000)).unwrap();
    assert!(complaint(&annals(&["verify", at])).contains("is no log"));
    std::fs::write(&file, &whole).unwrap();
    // As after a crash, but for the file that it leaves.
    std::fs::write(home.path().join("log.lock"), "4711").unwrap();
    std::fs::remove_file(home.path().join("log.db-wal")).unwrap();
    assert!(complaint(&annals(&["verify", at])).contains("log.db-wal is missing"));
}

#[tokio::test]
async fn a_backup_is_of_one_moment_and_a_log_like_any_other() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (one, two) = (path("one"), path("two"));
    let log = std::sync::Arc::new(written(Path::new(&one)).await);
    // Somebody appends all the time.
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let appending = std::sync::Arc::clone(&log);
    let busy = tokio::spawn(async move {
        for id in 1_000.. {
            if stopped.try_recv().is_ok() {
                return;
            }
            let events = vec![event(id)];
            appending
                .append(&stream("busy-1"), Expected::Any, events)
                .await
                .unwrap();
        }
    });
    let (from, to) = (one.clone(), two.clone());
    let done = tokio::task::spawn_blocking(move || annals(&["backup", "--json", &from, &to]));
    let done = json(&done.await.unwrap());
    stop.send(()).unwrap();
    busy.await.unwrap();
    assert!(done["position"].as_u64().unwrap() >= 41, "{done}");
    assert_eq!(done["position"], done["events"]);
    log.close().await;
    let (whole, backup) = (out(&annals(&["dump", &one])), out(&annals(&["dump", &two])));
    assert!(whole.starts_with(&backup));
    assert!(complaint(&annals(&["backup", &one, &two])).contains("holds no log"));
    // Somebody else is writing one there.
    std::fs::create_dir(path("three")).unwrap();
    let other = std::fs::File::open(path("three")).unwrap();
    other.try_lock().unwrap();
    let line = complaint(&annals(&["backup", &one, &path("three")]));
    assert!(line.contains("another backup"), "{line}");
    let part = std::fs::File::create(path("four.ndjson.part")).unwrap();
    part.try_lock().unwrap();
    let line = complaint(&annals(&["copy", &one, &path("four.ndjson")]));
    assert!(line.contains("another copy"), "{line}");
    let copy = SqliteLog::open(Path::new(&two), Options::default()).unwrap();
    copy.append(&stream("a-0"), Expected::Exact(9), vec![event(99)])
        .await
        .unwrap();
    copy.close().await;
}

#[tokio::test]
async fn a_full_output_is_named_and_a_damaged_log_too() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    written(Path::new(&path("one"))).await.close().await;
    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut dump = Server::command();
    dump.args(["log", "dump", &path("one")])
        .stdout(full.unwrap());
    let line = String::from_utf8(dump.output().unwrap().stderr).unwrap();
    assert!(line.contains("standard output: No space"), "{line}");
    let file = home.path().join("one/log.db");
    let mut bytes = std::fs::read(&file).unwrap();
    // All pages but the first, which says what it is.
    bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0xff);
    std::fs::write(&file, bytes).unwrap();
    for verb in [
        &["stat", &path("one")][..],
        &["dump", &path("one")],
        &["copy", &path("one"), &path("two")],
        &["backup", &path("one"), &path("three")],
    ] {
        let line = complaint(&annals(verb));
        assert!(line.contains(&path("one")), "{verb:?}: {line}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named_with_what_the_system_says() {
    let home = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let to = home.path().join("tasks");
    let url = format!("esdb://{address}?tls=false");
    let line = complaint(&annals(&["copy", &url, to.to_str().unwrap()]));
    assert!(
        line.contains(&format!("{address}: Connection refused")),
        "{line}"
    );
    assert!(!line.contains("MetadataMap"), "{line}");
}

#[test]
fn what_cannot_be_meant_is_said() {
    let home = tempfile::tempdir().unwrap();
    let at = home.path().to_str().unwrap();
    assert!(complaint(&annals(&["stat", at])).contains("no log in"));
    let server = complaint(&annals(&["stat", "esdb://u:secret@127.0.0.1:1?tls=false"]));
    assert!(server.contains("esdb://127.0.0.1:1?tls=false: this verb takes a log's directory"));
    assert!(complaint(&annals(&["stat"])).contains("which log must be said"));
    assert!(complaint(&annals(&["copy", "-", "-"])).contains("one end must be a log"));
    assert!(complaint(&annals(&["copy", "ftp://x", at])).contains("no engine"));
    let tasks = home.path().join("tasks");
    drop(SqliteLog::open(&tasks, Options::default()).unwrap());
    // Where the logs of all services are there is no room for one of its own.
    for verb in [
        &["verify", at][..],
        &["copy", tasks.to_str().unwrap(), at],
        &["serve", "--data", at, "--listen", "127.0.0.1:0"],
    ] {
        let line = complaint(&annals(verb));
        assert!(
            line.contains("several logs") && line.contains("tasks"),
            "{line}"
        );
    }
    assert!(!home.path().join("log.db").exists());
    let listening = ["serve", "--memory", "--listen", "192.0.2.1:1"];
    assert!(complaint(&annals(&listening)).contains("cannot listen on 192.0.2.1:1"));
}
