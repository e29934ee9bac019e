//! `BatchAppend`: many appends on one call, each by itself, told apart by correlation ids.
//!
//! Appends are handed to the log in the order in which their last fragments came; their replies go out as they are
//! done. A client that ends its side gets what is pending, then OK.

mod fragment;
mod reply;

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Status, Streaming};
use uuid::Uuid;

use self::fragment::{Next, Open, expire, fragment};
use super::append;
use super::errors;
use super::node::Node;
use crate::proto::event_store::client::streams::{BatchAppendReq, BatchAppendResp};

/// Appends of one call that are with the log at once; beyond that the client waits.
const MAX_WRITING: usize = 1024;

type Sender = mpsc::Sender<Result<BatchAppendResp, Status>>;

/// Serves one call.
pub(super) async fn run(node: Arc<Node>, requests: Streaming<BatchAppendReq>, replies: Sender) {
    let last_word = tokio::select! {
        outcome = serve(&node, requests, &replies) => outcome,
        () = replies.closed() => return,
        () = node.closed() => Err(errors::shutting_down()),
    };
    if let Err(status) = last_word {
        // A client that went away does not hear it.
        let _ = replies.send(Err(status)).await;
    }
}

async fn serve(
    node: &Arc<Node>,
    mut requests: Streaming<BatchAppendReq>,
    replies: &Sender,
) -> Result<(), Status> {
    let mut open: HashMap<Uuid, Open> = HashMap::new();
    let mut writing: FuturesUnordered<BoxFuture<'static, BatchAppendResp>> =
        FuturesUnordered::new();
    let mut more = true;
    loop {
        let soonest = open.values().map(|append| append.deadline).min();
        let reply = tokio::select! {
            biased;
            Some(reply) = writing.next(), if !writing.is_empty() => reply,
            () = sleep_until(soonest), if soonest.is_some() => {
                for reply in expire(&mut open, Instant::now()) {
                    send(replies, reply).await?;
                }
                continue;
            }
            request = requests.message(), if more && writing.len() < MAX_WRITING => {
                match request.map_err(errors::inbound)? {
                    None => {
                        more = false;
                        continue;
                    }
                    Some(request) => match fragment(node, &mut open, request)? {
                        Next::Nothing => continue,
                        Next::Reply(reply) => *reply,
                        Next::Write(append) => {
                            writing.push(write(Arc::clone(node), *append));
                            continue;
                        }
                    },
                }
            }
            else => return Ok(()),
        };
        send(replies, reply).await?;
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn send(replies: &Sender, reply: BatchAppendResp) -> Result<(), Status> {
    replies
        .send(Ok(reply))
        .await
        .map_err(|_| Status::cancelled("the client went away"))
}

fn write(node: Arc<Node>, append: Open) -> BoxFuture<'static, BatchAppendResp> {
    Box::pin(async move {
        let head = append.head;
        let expected = match head.expectation.expected() {
            Ok(expected) => expected,
            Err(status) => return head.bad_request(status.message()),
        };
        match append::write(&node, &head.stream, expected, append.events).await {
            Ok(written) => head.success(&written),
            Err(error) => head.refusal(error),
        }
    })
}
