//! Filters over everything: by stream or type, by regular expression or prefix.

use tonic::Status;

use super::errors::{malformed, unset};
use crate::log::{self, Match, RecordedEvent};
use crate::proto::event_store::client::streams::read_req::options as proto;
use proto::filter_options::{Expression, Filter, Window};

/// Events of a page where the client leaves it to the server.
const WINDOW: u32 = 32;

/// Which events pass, and how often a subscription hears how far it has come.
#[derive(Debug, Clone)]
pub(super) struct EventFilter {
    /// Which.
    pub(super) events: log::Filter,
    /// Events examined from one page to the next.
    pub(super) window: u64,
    /// Events examined from one checkpoint to the next.
    pub(super) interval: u64,
}

impl EventFilter {
    /// Checks a request's filter.
    pub(super) fn parse(filter: proto::FilterOptions, live: bool) -> Result<Self, Status> {
        let multiplier = filter.checkpoint_interval_multiplier;
        let window = match filter.window {
            None => {
                return Err(unset(
                    "Streams.ReadReq+Types+Options+Types+FilterOptions+Window",
                ));
            }
            Some(Window::Count(_)) => WINDOW,
            Some(Window::Max(max)) if max == 0 || i32::try_from(max).is_err() => {
                return Err(malformed(format!(
                    "a filter's window of {max} is not between 1 and {}",
                    i32::MAX
                )));
            }
            Some(Window::Max(max)) => max,
        };
        let events = match filter.filter {
            None => return Err(no_filter(multiplier)),
            Some(Filter::StreamIdentifier(expression)) => {
                log::Filter::by_stream(names(expression)?)
            }
            Some(Filter::EventType(expression)) => log::Filter::by_type(names(expression)?),
        };
        if live && multiplier == 0 {
            return Err(malformed("checkpointIntervalMultiplier must not be 0"));
        }
        Ok(Self {
            events,
            window: u64::from(window),
            interval: u64::from(window) * u64::from(multiplier),
        })
    }

    /// Whether the event passes. One that cannot be judged ends the call: to skip it would lose it.
    pub(super) fn admits(&self, event: &RecordedEvent) -> Result<bool, Status> {
        self.events
            .admits(event.stream.as_str(), &event.event_type)
            .map_err(|undecided| malformed(undecided.to_string()))
    }
}

/// An expression that is not empty wins; no prefix at all lets nothing pass.
fn names(expression: Expression) -> Result<Match, Status> {
    if expression.regex.is_empty() {
        return Ok(Match::Prefixes(expression.prefix));
    }
    Match::expression(&expression.regex).map_err(|invalid| malformed(invalid.to_string()))
}

fn no_filter(multiplier: u32) -> Status {
    malformed(format!(
        "'{{ \"count\": {{ }}, \"checkpointIntervalMultiplier\": {multiplier} }}' is not a valid \
         EventStore.Client.Streams.ReadReq+Types+Options+Types+FilterOptions"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(regex: &str, prefix: &[&str], name: &str) -> bool {
        let expression = Expression {
            regex: regex.into(),
            prefix: prefix.iter().map(|text| (*text).to_owned()).collect(),
        };
        names(expression).unwrap().admits(name).unwrap()
    }

    #[test]
    fn an_expression_wins_over_prefixes_and_nothing_at_all_matches_nothing() {
        assert!(!admits("^x", &["placed"], "placed"));
        assert!(admits("", &["a", "pla"], "placed"));
        assert!(!admits("", &[], "placed"));
    }
}
