//! Filters as clients meet them. Guards against: a filtered read that stops early or goes on past its count, and an
//! event that is skipped because nobody could judge it.

use annals::proto::event_store::client::streams::{append_req, read_req, read_req::options};
use tonic::Code;

use crate::wire_client::*;

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
