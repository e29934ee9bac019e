//! The calls of persistent subscriptions.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::group::{Ask, Join};
use super::registry::{Running, hold};
use super::settings::{
    FilterSetting, Key, Settings, Source, Start, Strategy, start_of_all, start_of_stream,
};
use crate::log::wire::errors::{self, inbound, malformed, unset};
use crate::log::wire::messages::{UuidForm, read_stream_name, read_uuid};
use crate::log::wire::node::Node;
use crate::log::wire::streams::ReplyStream;
use crate::proto::event_store::client::{self as shared, persistent_subscriptions as proto};
use proto::persistent_subscriptions_server::{
    PersistentSubscriptions, PersistentSubscriptionsServer,
};
use proto::{
    create_req, delete_req, get_info_req, list_req, read_req, replay_parked_req, update_req,
};

/// The service and its methods, as the list of features names them.
pub(in crate::log::wire) const SERVED: (&str, [&str; 8]) = (
    "persistent_subscriptions.persistentsubscriptions",
    [
        "create",
        "update",
        "delete",
        "read",
        "getinfo",
        "replayparked",
        "list",
        "restartsubsystem",
    ],
);

/// 100 ns ticks in a millisecond.
const TICKS_PER_MILLI: i64 = 10_000;

/// Adds the service.
pub(in crate::log::wire) fn add(routes: Routes, node: &Arc<Node>) -> Routes {
    let service = Service {
        node: Arc::clone(node),
    };
    routes.add_service(PersistentSubscriptionsServer::new(service))
}

struct Service {
    node: Arc<Node>,
}

#[tonic::async_trait]
impl PersistentSubscriptions for Service {
    type ReadStream = ReplyStream<proto::ReadResp>;

    async fn create(
        &self,
        request: Request<proto::CreateReq>,
    ) -> Result<Response<proto::CreateResp>, Status> {
        self.node.check_writable()?;
        let (key, settings) = self.to_create(request.into_inner()).await?;
        let mut groups = hold(&self.node).await?;
        if groups.get(&key).is_ok() {
            return Err(key.exists());
        }
        groups.put(key, settings).await?;
        Ok(Response::new(proto::CreateResp {}))
    }

    async fn update(
        &self,
        request: Request<proto::UpdateReq>,
    ) -> Result<Response<proto::UpdateResp>, Status> {
        self.node.check_writable()?;
        let (key, mut settings) = self.to_update(request.into_inner()).await?;
        let mut groups = hold(&self.node).await?;
        // The filter of a group is for good.
        settings.filter = groups.get(&key)?.settings.filter.clone();
        settings.check(&key)?;
        groups.put(key, settings).await?;
        Ok(Response::new(proto::UpdateResp {}))
    }

    async fn delete(
        &self,
        request: Request<proto::DeleteReq>,
    ) -> Result<Response<proto::DeleteResp>, Status> {
        use delete_req::options::StreamOption as Of;
        self.node.check_writable()?;
        let options = request.into_inner().options.ok_or_else(no_options)?;
        let source = match &options.stream_option {
            Some(Of::StreamIdentifier(stream)) => source(Some(stream))?,
            Some(Of::All(_)) => Source::All,
            None => {
                return Err(unset(
                    "PersistentSubscriptions.DeleteReq+Types+Options+StreamOption",
                ));
            }
        };
        let key = Key {
            source,
            group: options.group_name,
        };
        let mut groups = hold(&self.node).await?;
        groups.get(&key)?;
        groups.remove(&key).await?;
        Ok(Response::new(proto::DeleteResp {}))
    }

    async fn read(
        &self,
        request: Request<Streaming<proto::ReadReq>>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let name = request
            .metadata()
            .get("connection-name")
            .and_then(|name| name.to_str().ok())
            .unwrap_or("<unknown>")
            .to_owned();
        let mut requests = request.into_inner();
        let Some(proto::ReadReq {
            content: Some(read_req::Content::Options(options)),
        }) = requests.message().await.map_err(inbound)?
        else {
            return Err(malformed("a consumer begins with its options"));
        };
        let (key, room, form) = consumer(options)?;
        let asks = hold(&self.node).await?.get(&key)?.asks.clone();
        let (replies, receiver) = mpsc::unbounded_channel();
        let confirmation = proto::read_resp::SubscriptionConfirmation {
            subscription_id: key.subscription_id(),
        };
        let confirmed = proto::ReadResp {
            content: Some(proto::read_resp::Content::SubscriptionConfirmation(
                confirmation,
            )),
        };
        // Its receiver is at hand.
        let _ = replies.send(Ok(confirmed));
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
        let node = Arc::clone(&self.node);
        tokio::spawn(async move {
            tokio::select! {
                () = listen(&asks, &mut requests) => {}
                () = replies.closed() => {}
                () = node.closed() => {
                    let _ = replies.send(Err(errors::shutting_down()));
                }
            }
            // A group that is gone has no consumers.
            let _ = asks.send(Ask::Leave(consumer)).await;
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(
            receiver,
        ))))
    }

    async fn get_info(
        &self,
        request: Request<proto::GetInfoReq>,
    ) -> Result<Response<proto::GetInfoResp>, Status> {
        use get_info_req::options::StreamOption as Of;
        let options = request.into_inner().options.ok_or_else(no_options)?;
        let source = match &options.stream_option {
            Some(Of::StreamIdentifier(stream)) => source(Some(stream))?,
            Some(Of::All(_)) => Source::All,
            None => {
                return Err(unset(
                    "PersistentSubscriptions.GetInfoReq+Types+Options+StreamOption",
                ));
            }
        };
        let key = Key {
            source,
            group: options.group_name,
        };
        let groups = hold(&self.node).await?;
        let info = info(&key, groups.get(&key)?).await?;
        Ok(Response::new(proto::GetInfoResp {
            subscription_info: Some(info),
        }))
    }

    async fn replay_parked(
        &self,
        request: Request<proto::ReplayParkedReq>,
    ) -> Result<Response<proto::ReplayParkedResp>, Status> {
        use replay_parked_req::options::{StopAtOption, StreamOption as Of};
        self.node.check_writable()?;
        let options = request.into_inner().options.ok_or_else(no_options)?;
        let source = match &options.stream_option {
            Some(Of::StreamIdentifier(stream)) => source(Some(stream))?,
            Some(Of::All(_)) => Source::All,
            None => {
                return Err(unset(
                    "PersistentSubscriptions.ReplayParkedReq+Types+Options+StreamOption",
                ));
            }
        };
        let key = Key {
            source,
            group: options.group_name,
        };
        let asks = hold(&self.node).await?.get(&key)?.asks.clone();
        let stop_at = match options.stop_at_option {
            Some(StopAtOption::StopAt(at)) => Some(u64::try_from(at).map_err(|_| {
                key.failed("Cannot stop replaying parked message at a negative version.")
            })?),
            Some(StopAtOption::NoLimit(_)) => None,
            None => {
                return Err(unset(
                    "PersistentSubscriptions.ReplayParkedReq+Types+Options+StopAtOption",
                ));
            }
        };
        let (answer, replayed) = oneshot::channel();
        ask(&key, &asks, Ask::Replay(stop_at, answer)).await?;
        replayed.await.map_err(|_| key.dropped())??;
        Ok(Response::new(proto::ReplayParkedResp {}))
    }

    async fn list(
        &self,
        request: Request<proto::ListReq>,
    ) -> Result<Response<proto::ListResp>, Status> {
        use list_req::options::ListOption as Of;
        let options = request.into_inner().options.ok_or_else(no_options)?;
        let wanted = match options.list_option {
            Some(Of::ListAllSubscriptions(_)) => None,
            Some(Of::ListForStream(list_req::StreamOption { stream_option })) => {
                match stream_option {
                    Some(list_req::stream_option::StreamOption::Stream(stream)) => {
                        Some(source(Some(&stream))?)
                    }
                    Some(list_req::stream_option::StreamOption::All(_)) => Some(Source::All),
                    None => {
                        return Err(unset(
                            "PersistentSubscriptions.ListReq+Types+StreamOption+StreamOption",
                        ));
                    }
                }
            }
            None => {
                return Err(unset(
                    "PersistentSubscriptions.ListReq+Types+Options+ListOption",
                ));
            }
        };
        let groups = hold(&self.node).await?;
        let mut subscriptions = Vec::new();
        for (key, running) in groups.all() {
            if wanted.as_ref().is_none_or(|source| *source == key.source) {
                subscriptions.push(info(key, running).await?);
            }
        }
        match wanted {
            Some(source @ Source::Stream(_)) if subscriptions.is_empty() => Err(Key {
                source,
                group: String::new(),
            }
            .missing()),
            _ => Ok(Response::new(proto::ListResp { subscriptions })),
        }
    }

    async fn restart_subsystem(
        &self,
        _: Request<shared::Empty>,
    ) -> Result<Response<shared::Empty>, Status> {
        hold(&self.node).await?.restart().await?;
        Ok(Response::new(shared::Empty {}))
    }
}

/// Hears what a consumer says, until it leaves. One that only ends its side still gets messages.
async fn listen(asks: &mpsc::Sender<Ask>, requests: &mut Streaming<proto::ReadReq>) {
    loop {
        let said = match requests.message().await {
            Ok(Some(proto::ReadReq { content })) => content,
            Ok(None) => return std::future::pending().await,
            Err(_) => return,
        };
        let ask = match said {
            Some(read_req::Content::Ack(ack)) => Ask::Ack(ids(&ack.ids)),
            Some(read_req::Content::Nack(nack)) => {
                let action = nack.action();
                Ask::Nack(ids(&nack.ids), action, nack.reason)
            }
            Some(read_req::Content::Options(_)) | None => continue,
        };
        if asks.send(ask).await.is_err() {
            return;
        }
    }
}

/// Ids that are none are passed over, as unknown ones are.
fn ids(ids: &[shared::Uuid]) -> Vec<Uuid> {
    ids.iter()
        .filter_map(|id| read_uuid(Some(id)).ok())
        .collect()
}

async fn ask(key: &Key, asks: &mpsc::Sender<Ask>, ask: Ask) -> Result<(), Status> {
    asks.send(ask).await.map_err(|_| key.dropped())
}

async fn info(key: &Key, running: &Running) -> Result<proto::SubscriptionInfo, Status> {
    let (answer, told) = oneshot::channel();
    ask(key, &running.asks, Ask::Info(answer)).await?;
    told.await.map_err(|_| key.dropped())
}

fn consumer(options: read_req::Options) -> Result<(Key, usize, UuidForm), Status> {
    use read_req::options::{StreamOption as Of, uuid_option::Content};
    let source = match &options.stream_option {
        Some(Of::StreamIdentifier(stream)) => source(Some(stream))?,
        Some(Of::All(_)) => Source::All,
        None => {
            return Err(unset(
                "PersistentSubscriptions.ReadReq+Types+Options+StreamOption",
            ));
        }
    };
    let Some(form) = options.uuid_option else {
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
    let key = Key {
        source,
        group: options.group_name,
    };
    Ok((key, room, form))
}

fn source(stream: Option<&shared::StreamIdentifier>) -> Result<Source, Status> {
    let name = read_stream_name(stream)?;
    Ok(Source::Stream(name.as_str().to_owned()))
}

fn no_options() -> Status {
    malformed("the options are missing")
}

fn no_settings() -> Status {
    malformed("the settings are missing")
}

/// A time in milliseconds, or in ticks of older clients.
fn millis(ticks: i64) -> i32 {
    i32::try_from(ticks / TICKS_PER_MILLI).unwrap_or(i32::MAX)
}

impl Service {
    async fn head(&self) -> Result<crate::kernel::Position, Status> {
        self.node.log.head().await.map_err(errors::of_read)
    }

    async fn to_create(&self, request: proto::CreateReq) -> Result<(Key, Settings), Status> {
        use create_req::options::StreamOption as Of;
        use create_req::settings::{CheckpointAfter, MessageTimeout};
        use create_req::stream_options::RevisionOption as From;
        let options = request.options.ok_or_else(no_options)?;
        let said = options.settings.ok_or_else(no_settings)?;
        let group = options.group_name;
        let mut filter = None;
        let (key, start) = match options.stream_option {
            Some(Of::Stream(stream)) => {
                let start = match stream.revision_option {
                    Some(From::Revision(revision)) => start_of_stream(revision)?,
                    Some(From::Start(_)) => Start::At(0),
                    Some(From::End(_)) => Start::End,
                    None => {
                        return Err(unset(
                            "PersistentSubscriptions.CreateReq+Types+StreamOptions+RevisionOption",
                        ));
                    }
                };
                (
                    Key {
                        source: source(stream.stream_identifier.as_ref())?,
                        group,
                    },
                    start,
                )
            }
            Some(Of::All(all)) => {
                let key = Key {
                    source: Source::All,
                    group,
                };
                filter = filter_of(&all)?;
                let start = self.start_of_all(&key, all.all_option).await?;
                (key, start)
            }
            // Older clients name the stream here and the revision among the settings.
            None => {
                let source = source(options.stream_identifier.as_ref())?;
                (Key { source, group }, start_of_stream(said.revision)?)
            }
        };
        if key.source == Source::Stream("$all".to_owned()) {
            return Err(key.failed("$all is not a stream: the group must be made on all"));
        }
        let strategy = Strategy::parse(&said.consumer_strategy, said.named_consumer_strategy);
        let settings = Settings {
            start,
            filter,
            resolve_links: said.resolve_links,
            extra_statistics: said.extra_statistics,
            message_timeout_ms: match said.message_timeout {
                Some(MessageTimeout::MessageTimeoutMs(time)) => time,
                Some(MessageTimeout::MessageTimeoutTicks(ticks)) => millis(ticks),
                None => 0,
            },
            max_retry_count: said.max_retry_count,
            checkpoint_after_ms: match said.checkpoint_after {
                Some(CheckpointAfter::CheckpointAfterMs(time)) => time,
                Some(CheckpointAfter::CheckpointAfterTicks(ticks)) => millis(ticks),
                None => 0,
            },
            min_checkpoint_count: said.min_checkpoint_count,
            max_checkpoint_count: said.max_checkpoint_count,
            max_subscriber_count: said.max_subscriber_count,
            live_buffer_size: said.live_buffer_size,
            read_batch_size: said.read_batch_size,
            history_buffer_size: said.history_buffer_size,
            strategy: strategy.map_err(|reason| key.failed(&reason))?,
        };
        settings.check(&key)?;
        Ok((key, settings))
    }

    async fn start_of_all(
        &self,
        key: &Key,
        option: Option<create_req::all_options::AllOption>,
    ) -> Result<Start, Status> {
        use create_req::all_options::AllOption as From;
        match option {
            Some(From::Position(at)) => {
                let head = self.head().await?;
                start_of_all(key, at.commit_position, at.prepare_position, head)
            }
            Some(From::Start(_)) => Ok(Start::At(0)),
            Some(From::End(_)) => Ok(Start::End),
            None => Err(unset(
                "PersistentSubscriptions.CreateReq+Types+AllOptions+AllOption",
            )),
        }
    }

    async fn to_update(&self, request: proto::UpdateReq) -> Result<(Key, Settings), Status> {
        use update_req::all_options::AllOption;
        use update_req::options::StreamOption as Of;
        use update_req::settings::{CheckpointAfter, MessageTimeout};
        use update_req::stream_options::RevisionOption as From;
        let options = request.options.ok_or_else(no_options)?;
        let said = options.settings.ok_or_else(no_settings)?;
        let group = options.group_name;
        let (key, start) = match options.stream_option {
            Some(Of::Stream(stream)) => {
                let start = match stream.revision_option {
                    Some(From::Revision(revision)) => start_of_stream(revision)?,
                    Some(From::Start(_)) => Start::At(0),
                    Some(From::End(_)) => Start::End,
                    None => {
                        return Err(unset(
                            "PersistentSubscriptions.UpdateReq+Types+StreamOptions+RevisionOption",
                        ));
                    }
                };
                (
                    Key {
                        source: source(stream.stream_identifier.as_ref())?,
                        group,
                    },
                    start,
                )
            }
            Some(Of::All(all)) => {
                let key = Key {
                    source: Source::All,
                    group,
                };
                let start = match all.all_option {
                    Some(AllOption::Position(at)) => {
                        let head = self.head().await?;
                        start_of_all(&key, at.commit_position, at.prepare_position, head)?
                    }
                    Some(AllOption::Start(_)) => Start::At(0),
                    Some(AllOption::End(_)) => Start::End,
                    None => {
                        return Err(unset(
                            "PersistentSubscriptions.UpdateReq+Types+AllOptions+AllOption",
                        ));
                    }
                };
                (key, start)
            }
            None => {
                let source = source(options.stream_identifier.as_ref())?;
                (Key { source, group }, start_of_stream(said.revision)?)
            }
        };
        let strategy = Strategy::parse("", said.named_consumer_strategy);
        let settings = Settings {
            start,
            filter: None,
            resolve_links: said.resolve_links,
            extra_statistics: said.extra_statistics,
            message_timeout_ms: match said.message_timeout {
                Some(MessageTimeout::MessageTimeoutMs(time)) => time,
                Some(MessageTimeout::MessageTimeoutTicks(ticks)) => millis(ticks),
                None => 0,
            },
            max_retry_count: said.max_retry_count,
            checkpoint_after_ms: match said.checkpoint_after {
                Some(CheckpointAfter::CheckpointAfterMs(time)) => time,
                Some(CheckpointAfter::CheckpointAfterTicks(ticks)) => millis(ticks),
                None => 0,
            },
            min_checkpoint_count: said.min_checkpoint_count,
            max_checkpoint_count: said.max_checkpoint_count,
            max_subscriber_count: said.max_subscriber_count,
            live_buffer_size: said.live_buffer_size,
            read_batch_size: said.read_batch_size,
            history_buffer_size: said.history_buffer_size,
            strategy: strategy.map_err(|reason| key.failed(&reason))?,
        };
        Ok((key, settings))
    }
}

fn filter_of(all: &create_req::AllOptions) -> Result<Option<FilterSetting>, Status> {
    use create_req::all_options::{FilterOption, filter_options::Filter};
    let Some(FilterOption::Filter(filter)) = &all.filter_option else {
        return Ok(None);
    };
    let (by_stream, expression) = match &filter.filter {
        Some(Filter::StreamIdentifier(expression)) => (true, expression),
        Some(Filter::EventType(expression)) => (false, expression),
        None => return Err(malformed("the filter says neither stream nor type")),
    };
    let setting = FilterSetting {
        by_stream,
        regex: expression.regex.clone(),
        prefixes: expression.prefix.clone(),
    };
    setting.parse()?;
    Ok(Some(setting))
}
