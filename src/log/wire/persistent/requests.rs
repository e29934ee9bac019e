//! What a request says of its group. Each request declares the same messages under names of its own: macros read them all.

use std::sync::Arc;

use tonic::Status;

use super::settings::{
    FilterSetting, Key, Settings, Source, Start, Strategy, start_of_all, start_of_stream,
};
use crate::kernel::Position;
use crate::log::wire::errors::{self, malformed, unset};
use crate::log::wire::messages::read_stream_name;
use crate::log::wire::node::Node;
use crate::proto::event_store::client::{self as shared, persistent_subscriptions as proto};
use proto::{create_req, update_req};

/// 100 ns ticks in a millisecond.
const TICKS_PER_MILLI: i64 = 10_000;

/// The group that the options of a request name.
macro_rules! key_of {
    ($messages:ident, $request:literal, $options:expr) => {{
        use $crate::log::wire::persistent::{requests, settings};
        use $messages::options::StreamOption as Of;
        let source = match &$options.stream_option {
            Some(Of::StreamIdentifier(stream)) => requests::source(Some(stream))?,
            Some(Of::All(_)) => settings::Source::All,
            None => {
                return Err(unset(concat!(
                    "PersistentSubscriptions.",
                    $request,
                    "+Types+Options+StreamOption"
                )));
            }
        };
        settings::Key {
            source,
            group: $options.group_name.clone(),
        }
    }};
}
pub(super) use key_of;

/// Where a group is to begin, and the filter of one on everything.
struct Begin {
    source: Source,
    start: From,
    filter: Option<FilterSetting>,
}

enum From {
    Start,
    End,
    Revision(u64),
    /// Commit and prepare.
    Position(u64, u64),
}

macro_rules! begin {
    ($messages:ident, $request:literal, $options:expr, $settings:expr, $filter:expr) => {{
        use $messages::all_options::AllOption;
        use $messages::options::StreamOption as Of;
        use $messages::stream_options::RevisionOption;
        match $options.stream_option {
            Some(Of::Stream(stream)) => Begin {
                source: source(stream.stream_identifier.as_ref())?,
                start: match stream.revision_option {
                    Some(RevisionOption::Revision(revision)) => From::Revision(revision),
                    Some(RevisionOption::Start(_)) => From::Start,
                    Some(RevisionOption::End(_)) => From::End,
                    None => {
                        return Err(unset(concat!(
                            "PersistentSubscriptions.",
                            $request,
                            "+Types+StreamOptions+RevisionOption"
                        )));
                    }
                },
                filter: None,
            },
            Some(Of::All(all)) => Begin {
                source: Source::All,
                filter: $filter(&all)?,
                start: match all.all_option {
                    Some(AllOption::Position(at)) => {
                        From::Position(at.commit_position, at.prepare_position)
                    }
                    Some(AllOption::Start(_)) => From::Start,
                    Some(AllOption::End(_)) => From::End,
                    None => {
                        return Err(unset(concat!(
                            "PersistentSubscriptions.",
                            $request,
                            "+Types+AllOptions+AllOption"
                        )));
                    }
                },
            },
            // Older clients name the stream here and the revision among the settings.
            None => Begin {
                source: source($options.stream_identifier.as_ref())?,
                start: From::Revision($settings.revision),
                filter: None,
            },
        }
    }};
}

macro_rules! settings {
    ($messages:ident, $said:expr, $strategy:expr, $start:expr, $filter:expr) => {{
        use $messages::settings::{CheckpointAfter, MessageTimeout};
        Settings {
            start: $start,
            filter: $filter,
            resolve_links: $said.resolve_links,
            extra_statistics: $said.extra_statistics,
            message_timeout_ms: match $said.message_timeout {
                Some(MessageTimeout::MessageTimeoutMs(time)) => time,
                Some(MessageTimeout::MessageTimeoutTicks(ticks)) => millis(ticks),
                None => 0,
            },
            max_retry_count: $said.max_retry_count,
            checkpoint_after_ms: match $said.checkpoint_after {
                Some(CheckpointAfter::CheckpointAfterMs(time)) => time,
                Some(CheckpointAfter::CheckpointAfterTicks(ticks)) => millis(ticks),
                None => 0,
            },
            min_checkpoint_count: $said.min_checkpoint_count,
            max_checkpoint_count: $said.max_checkpoint_count,
            max_subscriber_count: $said.max_subscriber_count,
            live_buffer_size: $said.live_buffer_size,
            read_batch_size: $said.read_batch_size,
            history_buffer_size: $said.history_buffer_size,
            strategy: $strategy,
        }
    }};
}

/// The group that a request creates.
pub(super) async fn to_create(
    node: &Arc<Node>,
    request: proto::CreateReq,
) -> Result<(Key, Settings), Status> {
    let options = request.options.ok_or_else(no_options)?;
    let said = options.settings.ok_or_else(no_settings)?;
    let begin = begin!(create_req, "CreateReq", options, said, filter_of);
    let key = Key {
        source: begin.source,
        group: options.group_name,
    };
    let start = begin.start.of(node, &key).await?;
    if key.source == Source::Stream("$all".to_owned()) {
        return Err(key.failed("$all is not a stream: the group must be made on all"));
    }
    let strategy = Strategy::parse(&said.consumer_strategy, said.named_consumer_strategy)
        .map_err(|reason| key.failed(&reason))?;
    let settings = settings!(create_req, said, strategy, start, begin.filter);
    settings.check(&key)?;
    Ok((key, settings))
}

/// What a request makes of a group; the filter of a group is for good, and none is said here.
pub(super) async fn to_update(
    node: &Arc<Node>,
    request: proto::UpdateReq,
) -> Result<(Key, Settings), Status> {
    let options = request.options.ok_or_else(no_options)?;
    let said = options.settings.ok_or_else(no_settings)?;
    let begin = begin!(update_req, "UpdateReq", options, said, no_filter);
    let key = Key {
        source: begin.source,
        group: options.group_name,
    };
    let start = begin.start.of(node, &key).await?;
    let strategy =
        Strategy::parse("", said.named_consumer_strategy).map_err(|reason| key.failed(&reason))?;
    let settings = settings!(update_req, said, strategy, start, begin.filter);
    Ok((key, settings))
}

impl From {
    async fn of(self, node: &Arc<Node>, key: &Key) -> Result<Start, Status> {
        match self {
            Self::Start => Ok(Start::At(0)),
            Self::End => Ok(Start::End),
            Self::Revision(revision) => start_of_stream(revision),
            Self::Position(commit, prepare) => {
                let head: Position = node.log.head().await.map_err(errors::of_read)?;
                start_of_all(key, commit, prepare, head)
            }
        }
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "stands where another request has a filter"
)]
fn no_filter(_: &update_req::AllOptions) -> Result<Option<FilterSetting>, Status> {
    Ok(None)
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

pub(super) fn source(stream: Option<&shared::StreamIdentifier>) -> Result<Source, Status> {
    let name = read_stream_name(stream)?;
    Ok(Source::Stream(name.as_str().to_owned()))
}

pub(super) fn no_options() -> Status {
    malformed("the options are missing")
}

fn no_settings() -> Status {
    malformed("the settings are missing")
}

/// A time in milliseconds, or in ticks of older clients.
fn millis(ticks: i64) -> i32 {
    i32::try_from(ticks / TICKS_PER_MILLI).unwrap_or(i32::MAX)
}
