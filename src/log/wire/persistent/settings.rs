//! How a group works, as requested and as kept.

use serde::{Deserialize, Serialize};
use tonic::{Code, Status};

use crate::kernel::{Position, StreamName};
use crate::log::wire::errors::{malformed, named};
use crate::log::wire::filter::EventFilter;
use crate::log::wire::messages::{boundary, read_position, read_revision, write_position};
use crate::proto::event_store::client::streams::read_req::options as streams;

/// What a group reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::log::wire) enum Source {
    /// One stream.
    Stream(String),
    /// Everything.
    All,
}

impl Source {
    /// The name that errors and streams of the group show.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Stream(name) => name,
            Self::All => "$all",
        }
    }
}

/// A group's identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::log::wire) struct Key {
    pub(super) source: Source,
    pub(super) group: String,
}

impl Key {
    /// What confirmations carry.
    pub(super) fn subscription_id(&self) -> String {
        format!("{}::{}", self.source.name(), self.group)
    }

    /// A stream of the group's own state.
    pub(super) fn stream(&self, what: &str) -> Result<StreamName, Status> {
        let name = format!("$persistentsubscription-{}-{what}", self.subscription_id());
        StreamName::new(name).map_err(|error| malformed(error.to_string()))
    }

    pub(super) fn exists(&self) -> Status {
        self.error(
            Code::AlreadyExists,
            "exists.",
            "persistent-subscription-exists",
            None,
        )
    }

    pub(super) fn missing(&self) -> Status {
        let name = "persistent-subscription-does-not-exist";
        self.error(Code::NotFound, "does not exist.", name, None)
    }

    pub(super) fn dropped(&self) -> Status {
        self.error(
            Code::Cancelled,
            "was dropped.",
            "persistent-subscription-dropped",
            None,
        )
    }

    pub(super) fn failed(&self, reason: &str) -> Status {
        let text = format!("failed: '{reason}'");
        self.error(
            Code::Internal,
            &text,
            "persistent-subscription-failed",
            Some(reason),
        )
    }

    pub(super) fn full(&self) -> Status {
        let (stream, group) = (self.source.name(), &self.group);
        let text = format!(
            "Maximum subscriptions reached for subscription group {group} on stream {stream}."
        );
        named(
            Code::FailedPrecondition,
            text,
            "maximum-subscribers-reached",
            &self.trailers(),
        )
    }

    fn error(&self, code: Code, what: &str, name: &'static str, reason: Option<&str>) -> Status {
        let text = format!(
            "Subscription group {} on stream {} {what}",
            self.group,
            self.source.name()
        );
        let mut trailers = self.trailers();
        trailers.extend(reason.map(|reason| ("reason", reason.to_owned())));
        named(code, text, name, &trailers)
    }

    fn trailers(&self) -> Vec<(&'static str, String)> {
        let mut trailers = vec![("stream-name", self.source.name().to_owned())];
        if !self.group.is_empty() {
            trailers.push(("group-name", self.group.clone()));
        }
        trailers
    }
}

/// Who gets the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Strategy {
    DispatchToSingle,
    RoundRobin,
    Pinned,
    PinnedByCorrelation,
}

impl Strategy {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DispatchToSingle => "DispatchToSingle",
            Self::RoundRobin => "RoundRobin",
            Self::Pinned => "Pinned",
            Self::PinnedByCorrelation => "PinnedByCorrelation",
        }
    }

    /// By name; by the number of older clients where there is no name.
    pub(super) fn parse(name: &str, number: i32) -> Result<Self, String> {
        match (name, number) {
            ("DispatchToSingle", _) | ("", 0) => Ok(Self::DispatchToSingle),
            ("RoundRobin", _) | ("", 1) => Ok(Self::RoundRobin),
            ("Pinned", _) | ("", 2) => Ok(Self::Pinned),
            ("PinnedByCorrelation", _) => Ok(Self::PinnedByCorrelation),
            ("", number) => Err(format!("Consumer strategy {number} does not exist.")),
            (name, _) => Err(format!("Consumer strategy {name} does not exist.")),
        }
    }
}

/// Where a group begins. Numbers are revisions of its stream, or positions of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Start {
    At(u64),
    /// At a position where no event is, as it was said: the event after it is the first.
    Between(u64),
    End,
}

/// A group's filter, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FilterSetting {
    pub(super) by_stream: bool,
    pub(super) regex: String,
    pub(super) prefixes: Vec<String>,
}

impl FilterSetting {
    pub(super) fn parse(&self) -> Result<EventFilter, Status> {
        use streams::filter_options::{Expression, Filter, Window};
        let expression = Expression {
            regex: self.regex.clone(),
            prefix: self.prefixes.clone(),
        };
        let filter = if self.by_stream {
            Filter::StreamIdentifier(expression)
        } else {
            Filter::EventType(expression)
        };
        let options = streams::FilterOptions {
            filter: Some(filter),
            window: Some(Window::Count(crate::proto::event_store::client::Empty {})),
            checkpoint_interval_multiplier: 1,
        };
        EventFilter::parse(options, true)
    }
}

/// Everything that was said of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) start: Start,
    pub(super) filter: Option<FilterSetting>,
    pub(super) resolve_links: bool,
    pub(super) extra_statistics: bool,
    pub(super) message_timeout_ms: i32,
    pub(super) max_retry_count: i32,
    pub(super) checkpoint_after_ms: i32,
    pub(super) min_checkpoint_count: i32,
    pub(super) max_checkpoint_count: i32,
    pub(super) max_subscriber_count: i32,
    pub(super) live_buffer_size: i32,
    pub(super) read_batch_size: i32,
    pub(super) history_buffer_size: i32,
    pub(super) strategy: Strategy,
}

impl Settings {
    /// Refuses what cannot work. The texts are the official server's where it has one.
    pub(super) fn check(&self, key: &Key) -> Result<(), Status> {
        if key.group.is_empty() {
            return Err(malformed("the group's name is empty"));
        }
        if self.read_batch_size >= self.history_buffer_size {
            return Err(key.failed(
                "Specified argument was out of the range of valid values. (Parameter \
                 'ReadBatchSize may not be greater than or equal to BufferSize')",
            ));
        }
        let limits = [
            ("message_timeout", self.message_timeout_ms),
            ("max_retry_count", self.max_retry_count),
            ("checkpoint_after", self.checkpoint_after_ms),
            ("min_checkpoint_count", self.min_checkpoint_count),
            ("max_checkpoint_count", self.max_checkpoint_count),
            ("max_subscriber_count", self.max_subscriber_count),
            ("live_buffer_size", self.live_buffer_size),
        ];
        if let Some((name, value)) = limits.iter().find(|(_, value)| *value < 0) {
            return Err(malformed(format!("{name} is {value}, which is negative")));
        }
        if self.read_batch_size < 1 {
            return Err(malformed(format!(
                "read_batch_size is {}",
                self.read_batch_size
            )));
        }
        Ok(())
    }
}

/// A revision to begin at.
pub(super) fn start_of_stream(revision: u64) -> Result<Start, Status> {
    Ok(read_revision(revision)?.map_or(Start::End, Start::At))
}

/// A position to begin at: the first event there or after.
pub(super) fn start_of_all(
    key: &Key,
    commit: u64,
    prepare: u64,
    head: Position,
) -> Result<Start, Status> {
    let Some(at) = read_position(commit, prepare)? else {
        return Ok(Start::End);
    };
    if at > write_position(head) {
        return Err(key.failed(
            "Invalid Start From position: commit position must be less than or equal to the last \
             commit position in the transaction file.",
        ));
    }
    Ok(match boundary(at) {
        Some(event) => Start::At(event.0),
        None => Start::Between(at),
    })
}
