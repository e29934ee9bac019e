//! One consumer: its call, what it says, and what it is sent.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};
use uuid::Uuid;

use super::consumers::UNREAD;
use super::group::{Ask, Join};
use super::registry::hold;
use super::requests::key_of;
use super::rpc::ask;
use super::settings::Key;
use crate::log::wire::errors::{self, inbound, malformed, unset};
use crate::log::wire::messages::{UuidForm, read_uuid};
use crate::log::wire::node::Node;
use crate::log::wire::streams::ReplyStream;
use crate::proto::event_store::client::{self as shared, persistent_subscriptions as proto};
use proto::read_req;
use proto::read_req::nack::Action;

/// Lets a consumer join its group; the replies are what the group sends it.
pub(super) async fn consume(
    node: &Arc<Node>,
    request: Request<Streaming<proto::ReadReq>>,
) -> Result<ReplyStream<proto::ReadResp>, Status> {
    let name = request
        .metadata()
        .get("connection-name")
        .and_then(|name| name.to_str().ok())
        .unwrap_or("<unknown>")
        .to_owned();
    let mut requests = request.into_inner();
    let options = match requests.message().await.map_err(inbound)? {
        Some(proto::ReadReq {
            content: Some(read_req::Content::Options(options)),
        }) => options,
        Some(_) => return Err(malformed("a consumer begins with its options")),
        // Who says nothing wants nothing.
        None => return Ok(Box::pin(futures::stream::empty())),
    };
    let (key, room, form) = consumer(&options)?;
    let asks = hold(node).await?.get(&key)?.asks.clone();
    let (replies, receiver) = mpsc::channel(UNREAD);
    let confirmation = proto::read_resp::SubscriptionConfirmation {
        subscription_id: key.subscription_id(),
    };
    let confirmed = proto::ReadResp {
        content: Some(proto::read_resp::Content::SubscriptionConfirmation(
            confirmation,
        )),
    };
    // Its receiver is at hand, and there is room.
    let _ = replies.try_send(Ok(confirmed));
    let (answer, joined) = oneshot::channel();
    let join = Join {
        name,
        form,
        room,
        replies: replies.clone(),
        answer,
    };
    ask(&key, &asks, Ask::Join(join)).await?;
    let consumer = joined.await.map_err(|_| key.dropped())??;
    let node = Arc::clone(node);
    tokio::spawn(async move {
        let last_word = tokio::select! {
            problem = listen(&asks, &mut requests) => problem,
            () = replies.closed() => None,
            () = node.closed() => Some(errors::shutting_down()),
        };
        // A group that is gone has no consumers.
        let _ = asks.send(Ask::Leave(consumer)).await;
        if let Some(status) = last_word {
            // A client that is gone needs not be told.
            let _ = replies.send(Err(status)).await;
        }
    });
    Ok(Box::pin(ReceiverStream::new(receiver)))
}

/// Hears what a consumer says, until it leaves or says what makes no sense. One that only ends its side still gets
/// messages.
async fn listen(
    asks: &mpsc::Sender<Ask>,
    requests: &mut Streaming<proto::ReadReq>,
) -> Option<Status> {
    loop {
        let said = match requests.message().await {
            Ok(Some(proto::ReadReq { content })) => content,
            Ok(None) => return std::future::pending().await,
            Err(_) => return None,
        };
        let ask = match said {
            Some(read_req::Content::Ack(ack)) => Ask::Ack(ids(&ack.ids)),
            Some(read_req::Content::Nack(nack)) => {
                let Ok(action) = Action::try_from(nack.action) else {
                    return Some(malformed(format!("there is no nack {}", nack.action)));
                };
                Ask::Nack(ids(&nack.ids), action, nack.reason)
            }
            Some(read_req::Content::Options(_)) | None => continue,
        };
        if asks.send(ask).await.is_err() {
            return None;
        }
    }
}

/// Ids that are none are passed over, as unknown ones are.
fn ids(ids: &[shared::Uuid]) -> Vec<Uuid> {
    ids.iter()
        .filter_map(|id| read_uuid(Some(id)).ok())
        .collect()
}

fn consumer(options: &read_req::Options) -> Result<(Key, usize, UuidForm), Status> {
    use read_req::options::uuid_option::Content;
    let key = key_of!(read_req, "ReadReq", options);
    let Some(form) = &options.uuid_option else {
        return Err(unset(
            "PersistentSubscriptions.ReadReq+Types+Options+UUIDOption",
        ));
    };
    let form = match form.content {
        Some(Content::String(_)) => UuidForm::Text,
        Some(Content::Structured(_)) | None => UuidForm::Structured,
    };
    let room = usize::try_from(options.buffer_size)
        .ok()
        .filter(|room| *room > 0)
        .ok_or_else(|| {
            malformed(format!(
                "buffer_size is {}, less than 1",
                options.buffer_size
            ))
        })?;
    Ok((key, room, form))
}
