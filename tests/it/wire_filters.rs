//! Filters as clients meet them. Guards against: a filtered read that stops early or goes on past its count, and an
//! event that is skipped because nobody could judge it, and checkpoints that lie elsewhere when the log is read otherwise.

use annals::proto::event_store::client::persistent_subscriptions::create_req;
use annals::proto::event_store::client::streams::{
    append_req, read_req, read_req::options, read_resp,
};
use tonic::Code;

use crate::wire_client::*;
use crate::wire_consumer::{create_of, join, until};

fn at_most(mut read: read_req::Options, count: u64) -> read_req::Options {
    read.count_option = Some(options::CountOption::Count(count));
    read
}

fn from_the_end(read: read_req::Options) -> read_req::Options {
    let mut read = backwards(read);
    read.stream_option = Some(options::StreamOption::All(options::AllOptions {
        all_option: Some(options::all_options::AllOption::End(EMPTY)),
    }));
    read
}

/// One in a hundred is rare.
fn mixed(from: u128, count: u128) -> Vec<append_req::ProposedMessage> {
    (from..from + count)
        .map(|n| typed(n, if n % 100 == 0 { "rare" } else { "usual" }, "{}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filtered_read_brings_its_count_however_little_passes() {
    for node in [Node::memory().await, Node::engine().await] {
        for batch in 0..3 {
            node.put("s", ANY, mixed(batch * 700 + 1, 700)).await;
        }
        let rare = || by_type(all(), "^(?=ra)", 32);
        let revisions = |of: Vec<u64>| of.iter().map(|n| format!("s@{}", n * 100 - 1)).collect();
        let table: [(read_req::Options, Vec<String>); 5] = [
            (rare(), revisions((1..=21).collect())),
            (at_most(rare(), 5), revisions((1..=5).collect())),
            (at_most(rare(), 0), Vec::new()),
            (from_the_end(rare()), revisions((1..=21).rev().collect())),
            (
                at_most(from_the_end(rare()), 3),
                revisions(vec![21, 20, 19]),
            ),
        ];
        for (read, expected) in table {
            assert_eq!(briefly(&node.read(read).await.unwrap()), expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_no_filter_can_judge_ends_the_call_and_is_named() {
    let endless = || by_type(all(), "^(a|b|ab)*(?!x)c", 32);
    for node in [Node::memory().await, Node::engine().await] {
        node.put("s", ANY, vec![typed(1, "abc", "{}")]).await;
        assert_eq!(briefly(&node.read(endless()).await.unwrap()), ["s@0"]);
        let mut open = node.open(live(endless())).await.unwrap();
        assert_eq!(take(&mut open, 3).await, ["confirmed", "s@0", "caught up"]);
        let maze = "ab".repeat(30);
        node.put("s", ANY, vec![typed(2, &maze, "{}")]).await;
        let refused = [
            node.read(endless()).await.unwrap_err(),
            open.message().await.unwrap_err(),
        ];
        for status in refused {
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().contains(&maze), "{status:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_expression_is_refused_before_anything_is_read() {
    let node = Node::memory().await;
    for read in [by_type(all(), "a(b", 32), live(by_type(all(), "a(b", 32))] {
        let refused = node.open(read).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("a(b"), "{refused:?}");
    }
}

/// Where an event lies, and whether it is rare.
fn places(all: &[read_resp::Content]) -> Vec<(u64, bool)> {
    let place = |content: &read_resp::Content| match content {
        read_resp::Content::Event(read) => {
            let event = read.event.as_ref()?;
            Some((event.commit_position, event.metadata.get("type")? == "rare"))
        }
        _ => None,
    };
    all.iter().filter_map(place).collect()
}

/// What is said of them while a subscription to the rare ones catches up: of each window its last rare one, or its first
/// event without a prepare position.
fn said_of(places: &[(u64, bool)], window: usize) -> Vec<String> {
    let mut said = vec!["confirmed".to_owned()];
    for window in places
        .chunks(window)
        .map(|chunk| (chunk, chunk.len() == window))
    {
        let (events, whole) = window;
        let rare: Vec<u64> = events.iter().filter(|at| at.1).map(|at| at.0).collect();
        said.extend(rare.iter().map(|at| format!("event {at}")));
        let told = rare.last().map(|last| (*last, *last));
        let (commit, prepare) = told.unwrap_or((events[0].0, 0));
        if whole {
            said.push(format!("checkpoint {commit} {prepare}"));
        }
    }
    said.push("caught up".to_owned());
    said
}

fn exactly(content: read_resp::Content) -> String {
    match content {
        read_resp::Content::Event(read) => format!("event {}", read.event.unwrap().commit_position),
        read_resp::Content::Checkpoint(at) => {
            format!("checkpoint {} {}", at.commit_position, at.prepare_position)
        }
        other => brief(&other),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_lie_where_events_were_examined_whatever_the_log_is_read_by() {
    for node in [Node::memory().await, Node::engine().await] {
        for batch in 0..5 {
            node.put("s", ANY, mixed(batch * 1000 + 1, 1000)).await;
            // Notes of a group on everything: nobody is told of them, and they do not count.
            let notes = "$persistentsubscription-$all::g-checkpoint";
            node.put(notes, ANY, mixed(10_000 + batch * 200, 107)).await;
        }
        let places = places(&node.read(all()).await.unwrap());
        assert_eq!(places.len(), 5000);
        for window in [1, 7, 32, 100, 2048, 5000, 5001] {
            let rare = live(by_type(all(), "^rare$", window));
            let mut open = node.open(rare).await.unwrap();
            let mut said = Vec::new();
            while said.last().is_none_or(|last| last != "caught up") {
                let reply = open.message().await.unwrap().unwrap();
                said.push(exactly(reply.content.unwrap()));
            }
            let expected = said_of(&places, window as usize);
            assert!(said == expected, "window {window}: {said:?} {expected:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filtered_group_on_everything_gets_what_is_there_and_what_comes() {
    use create_req::all_options::{self, AllOption, FilterOption};
    use create_req::options::StreamOption;
    for node in [Node::memory().await, Node::engine().await] {
        for batch in 0..5 {
            node.put("s", ANY, mixed(batch * 700 + 1, 700)).await;
        }
        let expression = all_options::filter_options::Expression {
            regex: "^(?=ra)".to_owned(),
            prefix: Vec::new(),
        };
        let filter = all_options::FilterOptions {
            filter: Some(all_options::filter_options::Filter::EventType(expression)),
            window: Some(all_options::filter_options::Window::Max(32)),
            checkpoint_interval_multiplier: 1,
        };
        let of = create_req::AllOptions {
            all_option: Some(AllOption::Start(EMPTY)),
            filter_option: Some(FilterOption::Filter(filter)),
        };
        create_of(&node, StreamOption::All(of)).await.unwrap();
        let mut consumer = join(&node, "$all", 1).await.unwrap();
        for nth in 1..=36 {
            if nth == 36 {
                node.put("s", ANY, mixed(3501, 100)).await;
            }
            let (id, revision, retries) = consumer.next().await;
            assert_eq!((revision, retries), (nth * 100 - 1, 0));
            consumer.ack(id).await;
        }
        // What was left out behind the last one is passed as well.
        node.put("s", ANY, vec![typed(9999, "usual", "{}")]).await;
        let all = node.read(all()).await.unwrap();
        let last = places(&all).last().unwrap().0;
        let last = format!("C:{last}/P:{last}");
        until(&node, "$all", |info| {
            info.last_checkpointed_event_position == last
        })
        .await;
    }
}
