//! Guards against: an event lost or handled out of order, a parked event that its stream overtakes, a settle that
//! returns before the last consequence.

use std::sync::Arc;

use async_trait::async_trait;

use super::listener::{Listener, append, clock, logs, settle};
use crate::kernel::{Moment, Position};
use crate::log::memory::MemoryLog;
use crate::log::witness::Witness;
use crate::log::{EventLog, RecordedEvent};
use crate::processes::{Process, ProcessError, ProcessStore, Processes, Source};

fn start(listener: &Arc<Listener>, log: &MemoryLog, dir: &std::path::Path) -> Processes {
    let store = Arc::new(ProcessStore::open(dir).unwrap());
    let process: Arc<dyn Process> = Arc::clone(listener) as _;
    Processes::start(vec![process], &logs(log), store, clock).unwrap()
}

#[tokio::test]
async fn each_streams_events_come_in_order_and_a_restart_goes_on_where_it_was() {
    let (log, dir, listener) = (
        MemoryLog::new(),
        tempfile::tempdir().unwrap(),
        Arc::new(Listener::default()),
    );
    let processes = start(&listener, &log, dir.path());
    let mut last = Position::START;
    for n in 0..50 {
        last = append(&log, &format!("s-{}", n % 3), &n.to_string()).await;
    }
    settle(&processes, last).await;
    processes.stop().await;
    let last = append(&log, "s-0", "after").await;
    let processes = start(&listener, &log, dir.path());
    settle(&processes, last).await;
    let numbers: Vec<String> = (0..50)
        .filter(|n| n % 3 == 0)
        .map(|n| format!("s-0:{n}"))
        .chain(["s-0:after".to_owned()])
        .collect();
    assert_eq!(listener.heard_of("s-0"), numbers);
    assert_eq!(listener.heard.lock().unwrap().len(), 51);
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_until_it_does() {
    let (log, dir, listener) = (
        MemoryLog::new(),
        tempfile::tempdir().unwrap(),
        Arc::new(Listener::default()),
    );
    listener
        .stumbles
        .lock()
        .unwrap()
        .insert("s-1:x".to_owned(), 5);
    let processes = start(&listener, &log, dir.path());
    append(&log, "s-1", "x").await;
    let last = append(&log, "s-1", "y").await;
    settle(&processes, last).await;
    assert_eq!(listener.heard_of("s-1"), ["s-1:x", "s-1:y"]);
}

#[tokio::test]
async fn a_parked_event_holds_back_its_own_stream_and_no_other_until_it_is_retried() {
    let (log, dir, listener) = (
        MemoryLog::new(),
        tempfile::tempdir().unwrap(),
        Arc::new(Listener::default()),
    );
    listener
        .refuses
        .lock()
        .unwrap()
        .insert("s-1:bad".to_owned());
    let processes = start(&listener, &log, dir.path());
    let bad = append(&log, "s-1", "bad").await;
    append(&log, "s-2", "good").await;
    let last = append(&log, "s-1", "behind").await;
    settle(&processes, last).await;
    // In a batch of its own.
    let last = append(&log, "s-1", "later").await;
    settle(&processes, last).await;
    assert_eq!(*listener.heard.lock().unwrap(), ["s-2:good"]);

    // A restart remembers which streams wait.
    processes.stop().await;
    let processes = start(&listener, &log, dir.path());
    let last = append(&log, "s-1", "last").await;
    settle(&processes, last).await;
    let parked = processes.store().parked(None, 10, 0).unwrap();
    assert_eq!(
        parked
            .iter()
            .map(|event| event.cause.as_str())
            .collect::<Vec<_>>(),
        ["no", "", "", ""]
    );

    assert_eq!(
        processes.retry("listener", "a", bad).await.unwrap(),
        Some(Err("no".to_owned()))
    );
    listener.refuses.lock().unwrap().clear();
    assert_eq!(
        processes.retry("listener", "a", bad).await.unwrap(),
        Some(Ok(()))
    );
    assert_eq!(
        listener.heard_of("s-1"),
        ["s-1:bad", "s-1:behind", "s-1:later", "s-1:last"]
    );
    let last = append(&log, "s-1", "free").await;
    settle(&processes, last).await;
    assert_eq!(listener.heard_of("s-1").last().unwrap(), "s-1:free");
    assert_eq!(
        processes.retry("listener", "a", bad).await.unwrap(),
        None,
        "it is parked no more"
    );
}

#[tokio::test]
async fn an_event_that_is_passed_over_frees_its_stream() {
    let (log, dir, listener) = (
        MemoryLog::new(),
        tempfile::tempdir().unwrap(),
        Arc::new(Listener::default()),
    );
    listener
        .refuses
        .lock()
        .unwrap()
        .insert("s-1:bad".to_owned());
    let processes = start(&listener, &log, dir.path());
    let bad = append(&log, "s-1", "bad").await;
    let last = append(&log, "s-1", "behind").await;
    settle(&processes, last).await;
    assert!(processes.skip("listener", "a", bad).await.unwrap());
    assert_eq!(listener.heard_of("s-1"), ["s-1:behind"]);
    assert_eq!(processes.store().parked_count("listener").unwrap(), 0);
}

/// Passes what is said in one log on to the next: the longest chain of consequences.
struct Relay {
    name: &'static str,
    sources: &'static [Source],
    to: MemoryLog,
}

#[async_trait]
impl Process for Relay {
    fn name(&self) -> &'static str {
        self.name
    }
    fn sources(&self) -> &'static [Source] {
        self.sources
    }
    async fn handle(
        &self,
        _: &'static str,
        event: &RecordedEvent,
        _: Moment,
    ) -> Result<(), ProcessError> {
        tokio::task::yield_now().await;
        append(
            &self.to,
            event.stream.as_str(),
            &String::from_utf8_lossy(&event.data),
        )
        .await;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settling_waits_for_the_last_consequence_of_the_longest_chain() {
    const HOPS: [(&str, &[Source]); 4] = [
        (
            "one",
            &[Source {
                service: "a",
                event_types: &["Said"],
            }],
        ),
        (
            "two",
            &[Source {
                service: "b",
                event_types: &["Said"],
            }],
        ),
        (
            "three",
            &[Source {
                service: "c",
                event_types: &["Said"],
            }],
        ),
        (
            "four",
            &[Source {
                service: "d",
                event_types: &["Said"],
            }],
        ),
    ];
    let names = ["a", "b", "c", "d", "e"];
    let chain: Vec<MemoryLog> = names.iter().map(|_| MemoryLog::new()).collect();
    // Those that are followed: each answers only when all are asked.
    let gate = Arc::new(tokio::sync::Barrier::new(HOPS.len()));
    let logs = names
        .iter()
        .zip(&chain)
        .map(|(name, log)| {
            let log = Witness::of(log.clone()).behind(&gate);
            (*name, Arc::new(log) as Arc<dyn EventLog>)
        })
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let relays = HOPS
        .iter()
        .zip(&chain[1..])
        .map(|((name, sources), to)| {
            Arc::new(Relay {
                name,
                sources,
                to: to.clone(),
            }) as Arc<dyn Process>
        })
        .collect();
    let processes = Processes::start(
        relays,
        &logs,
        Arc::new(ProcessStore::open(dir.path()).unwrap()),
        clock,
    )
    .unwrap();
    for n in 1..=50_u64 {
        let position = append(&chain[0], "s-1", &n.to_string()).await;
        settle(&processes, position).await;
        assert_eq!(chain[4].head().await.unwrap(), Position(n));
    }
    processes.stop().await;
}
