//! `annals log scavenge` on a log that a server has open, both real processes. Guards against a scavenge that takes what can be
//! seen, gives nothing back, or leaves whoever asked for it without a word.

use std::path::Path;

use annals::log::sqlite::{Options, SqliteLog};
use annals::log::{Direction, EventLog as _, Filter};
use annals::proto::event_store::client::streams::append_req::ProposedMessage;
use annals::proto::event_store::client::streams::streams_client::StreamsClient;
use serde_json::Value;
use tokio::sync::oneshot;
use tonic::transport::Channel;

use crate::support::log_verbs::{annals, complaint, json, out};
use crate::support::server::Server;
use crate::wire_client::{ANY, typed};
use crate::wire_process::append;

/// Events of the stream of which only the last two are seen, 4 KiB each.
const HIDDEN: u128 = 600;

/// In one append.
const BATCH: usize = 50;

fn large(id: u128) -> ProposedMessage {
    typed(
        id,
        "Tested",
        &format!("{{\"filler\":\"{}\"}}", "x".repeat(4096)),
    )
}

/// A stream of much that nobody sees.
async fn fill(client: &mut StreamsClient<Channel>) {
    let events: Vec<_> = (1..=HIDDEN).map(large).collect();
    for batch in events.chunks(BATCH) {
        append(client, "s", ANY, batch.to_vec()).await.unwrap();
    }
    let hides = typed(9_000, "$metadata", r#"{"$maxCount":2}"#);
    append(client, "$$s", ANY, vec![hides]).await.unwrap();
}

async fn filled(server: &Server) -> StreamsClient<Channel> {
    let mut client = StreamsClient::new(server.connect().await);
    fill(&mut client).await;
    client
}

/// Runs the verb while this test goes on.
async fn scavenge(log: &str) -> std::process::Output {
    let log = log.to_owned();
    let verb = move || annals(&["scavenge", &log, "--json"]);
    tokio::task::spawn_blocking(verb).await.unwrap()
}

/// Streams, revisions and data of what is in the log of `dir`, the records of scavenges excepted.
async fn events_in(dir: &Path) -> Vec<(String, u64, Value)> {
    let log = SqliteLog::open(dir, Options::default()).unwrap();
    let (mut events, mut from) = (Vec::new(), None);
    loop {
        let all = Filter::default();
        let slice = log.read_all(from, Direction::Forward, 1_000, &all).await;
        let slice = slice.unwrap();
        events.extend(slice.events);
        from = Some(slice.examined);
        if slice.end {
            break;
        }
    }
    log.close().await;
    events
        .into_iter()
        .filter(|event| !event.stream.as_str().contains("$scavenges"))
        .map(|event| {
            let data = serde_json::from_slice(&event.data).unwrap();
            (event.stream.to_string(), event.revision, data)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_scavenged_by_its_directory_while_its_server_takes_appends() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_log(home.path(), &[]);
    let mut client = filled(&server).await;
    let (stop, mut stopped) = oneshot::channel::<()>();
    let busy = tokio::spawn(async move {
        let mut count = 0;
        while stopped.try_recv().is_err() {
            let event = typed(10_000 + count, "Tested", &format!("{{\"number\":{count}}}"));
            append(&mut client, "busy", ANY, vec![event]).await.unwrap();
            count += 1;
        }
        count
    });
    let at = home.path().to_str().unwrap();
    let output = scavenge(at).await;
    stop.send(()).unwrap();
    let appended = busy.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let done = json(&output);
    assert_eq!(
        (&done["events"], &done["streams"]),
        (&598.into(), &1.into()),
        "{done}"
    );
    let freed = done["freed_bytes"].as_u64().unwrap();
    assert!(freed > 598 * 4096 / 2, "{done}");
    assert!(
        done["server"].as_str().unwrap().contains(&server.address),
        "{done}"
    );
    server.stop();
    // The file has become shorter, too.
    let bytes = std::fs::metadata(home.path().join("log.db")).unwrap().len();
    assert!(
        bytes < 598 * 4096 / 2 + 512 * appended as u64,
        "{bytes} bytes"
    );
    out(&annals(&["verify", at]));
    let events = events_in(home.path()).await;
    let of = |stream: &str| {
        events
            .iter()
            .filter(|event| event.0 == stream)
            .collect::<Vec<_>>()
    };
    let kept: Vec<_> = of("s").iter().map(|event| event.1).collect();
    assert_eq!(kept, [598, 599]);
    for (number, (_, revision, data)) in of("busy").into_iter().enumerate() {
        assert_eq!(
            (*revision, &data["number"]),
            (number as u64, &number.into())
        );
    }
    assert_eq!(of("busy").len() as u128, appended);
    // With nobody there, the verb does it, and finds nothing that it hid itself.
    assert_eq!(json(&scavenge(at).await)["events"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_asked_by_its_address() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_log(home.path(), &[]);
    filled(&server).await;
    let url = format!("esdb://{}?tls=false", server.address);
    let done = json(&scavenge(&url).await);
    assert_eq!(done["events"], 598, "{done}");
    let text = out(&annals(&["scavenge", &url]));
    assert!(text.starts_with("0 events of 0 streams removed"), "{text}");
    server.stop();
    let line = complaint(&annals(&["scavenge", "-"]));
    assert!(line.contains("a file of lines hides nothing"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_the_log_with_a_process_that_takes_no_orders_is_told_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path());
    let log = home.path().join("placements");
    let line = complaint(&scavenge(log.to_str().unwrap()).await);
    assert!(
        line.contains(&format!("process {}", server.pid())) && line.contains("stop it first"),
        "{line}"
    );
    server.stop();
    assert!(scavenge(log.to_str().unwrap()).await.status.success());
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_while_it_scavenges_is_noticed_and_nothing_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let mut server = Server::start_log(home.path(), &[("FAILPOINTS", "log-scavenge=panic")]);
    filled(&server).await;
    let at = home.path().to_str().unwrap();
    let line = complaint(&scavenge(at).await);
    assert!(
        line.contains("what became of it is not known") && line.contains("nothing is lost"),
        "{line}"
    );
    assert!(server.has_ended());
    // It died between two batches: some of what is hidden is gone, and nothing else.
    let server = Server::start_log(home.path(), &[]);
    let done = json(&scavenge(at).await);
    assert_eq!(done["events"], 598 - 512, "{done}");
    server.stop();
    out(&annals(&["verify", at]));
    let kept: Vec<_> = events_in(home.path())
        .await
        .into_iter()
        .map(|event| event.1)
        .collect();
    assert_eq!(kept, [598, 599, 0]);
}

/// A server may be found at the address that is that of another log by now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_log_is_not_taken_for_this_ones() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start_log(two.path(), &[]);
    let log = SqliteLog::open(one.path(), Options::default()).unwrap();
    SqliteLog::announce(one.path(), server.address.parse().unwrap()).unwrap();
    let line = complaint(&scavenge(one.path().to_str().unwrap()).await);
    assert!(line.contains("serves another log"), "{line}");
    log.close().await;
    server.stop();
}
