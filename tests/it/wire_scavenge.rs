//! A scavenge that a client starts: what it takes, and the record that is kept of it.

use std::sync::Arc;
use std::time::Duration;

use annals::log::memory::MemoryLog;
use annals::log::sqlite::{Options as EngineOptions, Scavenged, SqliteLog};
use annals::log::wire::{self, Scavenger};
use annals::log::{Direction, EventLog, ReadFrom};
use annals::proto::event_store::client::operations::operations_client::OperationsClient;
use annals::proto::event_store::client::operations::scavenge_resp::ScavengeResult;
use annals::proto::event_store::client::operations::{
    StartScavengeReq, StopScavengeReq, start_scavenge_req, stop_scavenge_req,
};
use annals::proto::event_store::client::streams::read_req;
use serde_json::{Value, json};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::wire_client::*;
use crate::wire_consumer::{create, join, until};

/// How often, and after which pauses, something that comes soon is looked for.
const LOOKS: usize = 1_000;
const LOOK: Duration = Duration::from_millis(10);

/// One that takes something, and then does what it is.
enum Stuck {
    ForEver,
    OnAnError,
}

#[tonic::async_trait]
impl Scavenger for Stuck {
    async fn scavenge(
        &self,
        progress: &(dyn Fn(Scavenged) + Send + Sync),
    ) -> Result<Scavenged, String> {
        progress(Scavenged {
            streams: 1,
            events: 2,
            bytes: 4096,
        });
        match self {
            Self::ForEver => std::future::pending().await,
            Self::OnAnError => Err("the disk is gone".to_owned()),
        }
    }
}

async fn start(node: &Node) -> (String, ScavengeResult) {
    let request = StartScavengeReq {
        options: Some(start_scavenge_req::Options::default()),
    };
    let mut operations = OperationsClient::new(node.channel.clone());
    let reply = operations.start_scavenge(request).await.unwrap();
    let reply = reply.into_inner();
    (reply.scavenge_id.clone(), reply.scavenge_result())
}

async fn stop(node: &Node, id: &str) -> Result<ScavengeResult, Status> {
    let request = StopScavengeReq {
        options: Some(stop_scavenge_req::Options {
            scavenge_id: id.to_owned(),
        }),
    };
    let mut operations = OperationsClient::new(node.channel.clone());
    let reply = operations.stop_scavenge(request).await?;
    Ok(reply.into_inner().scavenge_result())
}

/// Types and data of what is recorded of a scavenge.
async fn record(log: &Arc<dyn EventLog>, id: &str) -> Vec<(String, Value)> {
    let stream = annals::kernel::StreamName::new(format!("$scavenges-{id}")).unwrap();
    let read = log.read_stream(&stream, ReadFrom::Start, Direction::Forward, 10);
    let events = read.await.unwrap().events.into_iter();
    events
        .map(|event| {
            let data = serde_json::from_slice(&event.data).unwrap();
            (event.event_type.to_string(), data)
        })
        .collect()
}

/// The same, when it is complete.
async fn outcome(log: &Arc<dyn EventLog>, id: &str) -> Value {
    for _ in 0..LOOKS {
        let found = record(log, id).await;
        if let [(first, _), (second, data)] = &found[..] {
            assert_eq!(
                (first.as_str(), second.as_str()),
                ("$scavengeStarted", "$scavengeCompleted")
            );
            return data.clone();
        }
        tokio::time::sleep(LOOK).await;
    }
    panic!("{id} did not end");
}

async fn served_with(scavenger: Stuck) -> (Node, Arc<dyn EventLog>) {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let options = wire::Options {
        scavenger: Some(Arc::new(scavenger)),
        ..wire::Options::default()
    };
    (Node::over(Arc::clone(&log), options, None).await, log)
}

/// An engine that scavenges itself.
async fn scavenging() -> (Node, Arc<dyn EventLog>) {
    let dir = tempfile::tempdir().unwrap();
    let engine = Arc::new(SqliteLog::open(dir.path(), EngineOptions::default()).unwrap());
    let options = wire::Options {
        scavenger: Some(Arc::<SqliteLog>::clone(&engine)),
        ..wire::Options::default()
    };
    let log: Arc<dyn EventLog> = engine;
    let node = Node::over(Arc::clone(&log), options, Some(dir)).await;
    (node, log)
}

#[tokio::test]
async fn after_a_scavenge_a_derived_stream_has_each_event_that_is_left_once() {
    const EVENTS: u128 = 300;
    let (node, log) = scavenging().await;
    node.put("x-cut", ANY, (1..=EVENTS).map(event).collect())
        .await;
    let kept = EVENTS + 1..=2 * EVENTS;
    node.put("x-kept", ANY, kept.map(event).collect()).await;
    let read = || async { briefly(&node.read(resolved(stream("$ce-x"))).await.unwrap()) };
    assert_eq!(read().await.len(), 600);
    let hides = typed(9999, "$metadata", r#"{"$maxCount":1}"#);
    node.put("$$x-cut", ANY, vec![hides]).await;
    let (id, _) = start(&node).await;
    assert_eq!(outcome(&log, &id).await["events"], 299);
    let mut left = vec!["x-cut@299 via $ce-x@299".to_owned()];
    left.extend((0..300).map(|n| format!("x-kept@{n} via $ce-x@{}", n + 300)));
    assert_eq!(read().await, left);
    let last = node.read(backwards(stream("$ce-x"))).await.unwrap();
    let links: Vec<_> = (299..600).rev().map(|n| format!("$ce-x@{n}")).collect();
    assert_eq!(briefly(&last), links);
}

/// Guards against: a checkpoint in a derived stream that points further on once events before it are gone, so that those
/// in between are never delivered; or further back, so that some come twice.
#[tokio::test]
async fn who_has_a_checkpoint_in_a_derived_stream_goes_on_there_after_a_scavenge() {
    let (mut node, log) = scavenging().await;
    node.put("x-cut", ANY, (1..=6).map(event).collect()).await;
    node.put("x-kept", ANY, (7..=10).map(event).collect()).await;
    create(&node, "$ce-x").await.unwrap();
    let mut consumer = join(&node, "$ce-x", 10).await.unwrap();
    let mut listener = node.open(live(stream("$ce-x"))).await.unwrap();
    assert_eq!(take(&mut listener, 12).await.last().unwrap(), "caught up");
    for expected in 0..8 {
        assert_eq!(consumer.next_place().await, format!("$ce-x@{expected}"));
    }
    until(&node, "$ce-x", |info| {
        info.last_checkpointed_event_position == "7"
    })
    .await;
    drop(consumer);

    let hides = typed(9999, "$metadata", r#"{"$maxCount":1}"#);
    node.put("$$x-cut", ANY, vec![hides]).await;
    let (id, _) = start(&node).await;
    // Checkpoints that the group has passed go as well.
    let gone = outcome(&log, &id).await["events"].as_u64();
    assert!(gone >= Some(5), "{gone:?}");
    node.put("x-kept", ANY, vec![event(11)]).await;
    assert_eq!(take(&mut listener, 1).await, ["$ce-x@10"]);
    node.stop();
    // Nothing but the log's file knows now.
    let next = Node::over(Arc::clone(&log), wire::Options::default(), None).await;
    let mut consumer = join(&next, "$ce-x", 10).await.unwrap();
    let mut listener = next.open(live(at(7))).await.unwrap();
    let mut read = next.open(at(8)).await.unwrap();
    assert_eq!(take(&mut listener, 1).await, ["confirmed"]);
    for expected in 8..=10 {
        let link = format!("$ce-x@{expected}");
        assert_eq!(consumer.next_place().await, link);
        assert_eq!(take(&mut listener, 1).await, [link.as_str()]);
        assert_eq!(take(&mut read, 1).await, [link.as_str()]);
    }
    assert_eq!(take(&mut listener, 1).await, ["caught up"]);
    next.put("x-new", ANY, vec![event(12)]).await;
    assert_eq!(consumer.next_place().await, "$ce-x@11");
    assert_eq!(take(&mut listener, 1).await, ["$ce-x@11"]);
}

/// A read of `$ce-x` from this revision on; a subscription begins after it.
fn at(revision: u64) -> read_req::Options {
    let of = read_req::options::StreamOptions {
        stream_identifier: Some(name("$ce-x")),
        revision_option: Some(read_req::options::stream_options::RevisionOption::Revision(
            revision,
        )),
    };
    read_req::Options {
        stream_option: Some(read_req::options::StreamOption::Stream(of)),
        ..stream("$ce-x")
    }
}

#[tokio::test]
async fn a_scavenge_takes_what_nobody_can_see_and_is_written_down() {
    let (node, log) = scavenging().await;
    node.put("s", ANY, (1..=5).map(event).collect()).await;
    let hides = typed(9, "$metadata", r#"{"$maxCount":2}"#);
    node.put("$$s", ANY, vec![hides]).await;
    assert_eq!(node.read(all()).await.unwrap().len(), 6);

    let (id, begun) = start(&node).await;
    assert_eq!(begun, ScavengeResult::Started);
    // The reply comes after the record began.
    let (first, data) = record(&log, &id).await.remove(0);
    assert_eq!(first, "$scavengeStarted");
    assert_eq!(
        data,
        json!({"scavengeId": id, "nodeEndpoint": node.address.to_string()})
    );
    let mut done = outcome(&log, &id).await;
    let taken = done["timeTaken"].take();
    assert!(taken.as_str().unwrap().starts_with("00:00:"), "{taken}");
    assert_eq!(
        done,
        json!({
            "scavengeId": id, "nodeEndpoint": node.address.to_string(), "result": "Success", "error": null,
            "timeTaken": null, "spaceSaved": 0, "maxChunkScavenged": 0, "streams": 1, "events": 3,
        })
    );
    let mine = briefly(&node.read(all()).await.unwrap());
    let mine = mine.iter().filter(|place| !place.contains("$scavenges"));
    assert_eq!(mine.collect::<Vec<_>>(), ["s@3", "s@4", "$$s@0"]);
    let linked = [0, 1].map(|at| format!("$scavenges-{id}@{at} via $scavenges@{at}"));
    let mut history = Vec::new();
    for _ in 0..LOOKS {
        history = briefly(&node.read(resolved(stream("$scavenges"))).await.unwrap());
        if history.len() == linked.len() {
            break;
        }
        // The link comes after what it points at.
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(history, linked);
    let described = annals::kernel::StreamName::new(format!("$scavenges-{id}")).unwrap();
    let (metadata, _) = log.metadata(&described).await.unwrap();
    assert_eq!(metadata.max_age_seconds, Some(2_592_000));
    assert_eq!(metadata.other["$acl"]["$r"], "$ops");

    assert_eq!(stop(&node, &id).await.unwrap(), ScavengeResult::Stopped);
    assert_eq!(record(&log, &id).await.len(), 2);
    let unknown = stop(&node, &Uuid::nil().to_string()).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let exception = unknown.metadata().get("exception").unwrap();
    assert_eq!(exception, "scavenge-not-found");
}

#[tokio::test]
async fn a_scavenge_that_is_stopped_or_fails_is_written_down_as_that() {
    let (node, log) = served_with(Stuck::ForEver).await;
    let (id, _) = start(&node).await;
    assert_eq!(start(&node).await, (id.clone(), ScavengeResult::InProgress));
    assert_eq!(stop(&node, &id).await.unwrap(), ScavengeResult::Stopped);
    let done = record(&log, &id).await.remove(1).1;
    assert_eq!(
        (&done["result"], &done["error"]),
        (&"Stopped".into(), &Value::Null)
    );
    assert_eq!(
        (&done["events"], &done["spaceSaved"]),
        (&2.into(), &4096.into())
    );
    let (next, begun) = start(&node).await;
    assert_eq!(begun, ScavengeResult::Started);
    assert_ne!(next, id);

    let (node, log) = served_with(Stuck::OnAnError).await;
    let (id, _) = start(&node).await;
    let done = outcome(&log, &id).await;
    assert_eq!(
        (&done["result"], &done["error"]),
        (&"Failed".into(), &"the disk is gone".into())
    );
}

#[tokio::test]
async fn a_server_that_goes_down_stops_its_scavenge_and_the_next_one_lets_the_record_be() {
    let (mut node, log) = served_with(Stuck::ForEver).await;
    let (id, _) = start(&node).await;
    node.stop();
    assert_eq!(outcome(&log, &id).await["result"], "Stopped");
    let options = wire::Options {
        scavenger: Some(Arc::new(Stuck::OnAnError)),
        ..wire::Options::default()
    };
    let next = Node::over(Arc::clone(&log), options, None).await;
    let (second, _) = start(&next).await;
    outcome(&log, &second).await;
    assert_eq!(record(&log, &id).await.len(), 2);
}

#[tokio::test]
async fn a_scavenge_that_its_server_did_not_survive_is_completed_by_the_next_one() {
    let (node, log) = served_with(Stuck::ForEver).await;
    let (id, _) = start(&node).await;
    let options = wire::Options {
        scavenger: Some(Arc::new(Stuck::ForEver)),
        ..wire::Options::default()
    };
    let next = Node::over(Arc::clone(&log), options, None).await;
    let (_, begun) = start(&next).await;
    assert_eq!(begun, ScavengeResult::Started);
    let done = outcome(&log, &id).await;
    assert_eq!(
        (&done["result"], &done["error"]),
        (&"Failed".into(), &"The node was restarted.".into())
    );
}
