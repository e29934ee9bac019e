//! The Streams service: each call, its deadline, and its replies.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use super::body::Whole;
use super::node::Node;
use super::read::{AllRead, StreamRead};
use super::replies::{Chunks, Over, Replies};
use super::request::{self, Target};
use super::server::Deadline;
use super::subscribe::{AllSubscription, StreamSubscription};
use super::{append, batch, delete, errors};
use crate::proto::event_store::client::streams as proto;
use proto::streams_server::{Streams, StreamsServer};

/// The official server's limit on a message: a chunk's record less its framing.
pub(super) const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024 - 10_000;

/// Replies to a batch that wait for its client.
const BATCH_REPLIES: usize = 256;

/// The service over a node.
pub(super) fn routes(node: &Arc<Node>) -> Routes {
    let service = Service {
        node: Arc::clone(node),
    };
    Routes::new(StreamsServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

struct Service {
    node: Arc<Node>,
}

/// Replies of a streaming call.
pub(super) type ReplyStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Streams for Service {
    type ReadStream = ReplyStream<proto::ReadResp>;
    type BatchAppendStream = ReplyStream<proto::BatchAppendResp>;

    async fn read(
        &self,
        request: Request<proto::ReadReq>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let deadline = deadline_of(&request);
        let plan = request::plan(request.into_inner())?;
        let node = Arc::clone(&self.node);
        let (direction, shape) = (plan.direction, plan.shape);
        let replies = within(deadline, async {
            Ok(match plan.target {
                Target::Stream(stream, from, count) => {
                    let read = StreamRead::begin(node, stream, from, count, direction, shape);
                    let read = read.await?;
                    spawn(&self.node, deadline, |replies| read.run(replies))
                }
                Target::All(from, count, filter) => {
                    let read = AllRead::begin(node, from, count, filter, direction, shape);
                    let read = read.await?;
                    spawn(&self.node, deadline, |replies| read.run(replies))
                }
                Target::StreamLive(stream, from) => {
                    let live = StreamSubscription::begin(node, stream, from, shape).await?;
                    spawn(&self.node, deadline, |replies| live.run(replies))
                }
                Target::AllLive(from, filter) => {
                    let live = AllSubscription::begin(node, from, filter, shape).await?;
                    spawn(&self.node, deadline, |replies| live.run(replies))
                }
            })
        });
        // The messages go as bytes: the stream of them stays empty.
        let mut response: Response<Self::ReadStream> =
            Response::new(Box::pin(futures::stream::empty()));
        response.extensions_mut().insert(replies.await?);
        Ok(response)
    }

    async fn append(
        &self,
        request: Request<Streaming<proto::AppendReq>>,
    ) -> Result<Response<proto::AppendResp>, Status> {
        let deadline = deadline_of(&request);
        let whole = request.extensions().get::<Whole>().cloned();
        let appended = append::append(&self.node, request.into_inner(), whole);
        Ok(Response::new(within(deadline, appended).await?))
    }

    async fn delete(
        &self,
        request: Request<proto::DeleteReq>,
    ) -> Result<Response<proto::DeleteResp>, Status> {
        let deadline = deadline_of(&request);
        let deleted = delete::delete(&self.node, request.into_inner());
        Ok(Response::new(within(deadline, deleted).await?))
    }

    async fn tombstone(
        &self,
        request: Request<proto::TombstoneReq>,
    ) -> Result<Response<proto::TombstoneResp>, Status> {
        let deadline = deadline_of(&request);
        let ended = delete::tombstone(&self.node, request.into_inner());
        Ok(Response::new(within(deadline, ended).await?))
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<proto::BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        let (replies, receiver) = mpsc::channel(BATCH_REPLIES);
        let node = Arc::clone(&self.node);
        tokio::spawn(batch::run(node, request.into_inner(), replies));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// When a call must be answered.
pub(super) fn deadline_of<T>(request: &Request<T>) -> Option<Deadline> {
    request.extensions().get::<Deadline>().copied()
}

/// Answers in time, or says that time is up.
pub(super) async fn within<T>(
    deadline: Option<Deadline>,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    match deadline {
        None => answer.await,
        Some(Deadline(at)) => tokio::time::timeout_at(at, answer)
            .await
            .unwrap_or_else(|_| Err(errors::deadline_exceeded())),
    }
}

/// Runs what sends the replies of one call until it is done, the client is gone, time is up, or the node goes down.
fn spawn<R>(node: &Arc<Node>, deadline: Option<Deadline>, run: impl FnOnce(Replies) -> R) -> Chunks
where
    R: Future<Output = Result<(), Over>> + Send + 'static,
{
    let (replies, last_word, chunks) = Replies::new();
    let sending = run(replies);
    let node = Arc::clone(node);
    tokio::spawn(async move {
        let out_of_time = async {
            match deadline {
                Some(Deadline(at)) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let status = tokio::select! {
            // How it ended was sent, if there was anybody to hear it.
            _ = sending => return,
            () = last_word.unheard() => return,
            () = node.closed() => errors::shutting_down(),
            () = out_of_time => errors::deadline_exceeded(),
        };
        last_word.say(status).await;
    });
    chunks
}
