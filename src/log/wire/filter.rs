//! Filters over everything: by stream or type, by regular expression or prefix.

use fancy_regex::Regex;
use tonic::Status;

use super::errors::{malformed, unset};
use crate::log::RecordedEvent;
use crate::proto::event_store::client::streams::read_req::options as proto;
use proto::filter_options::{Expression, Filter, Window};

/// Events of a page where the client leaves it to the server.
const WINDOW: u32 = 32;

/// Which events pass, and how often a subscription hears how far it has come.
#[derive(Debug, Clone)]
pub(super) struct EventFilter {
    by: By,
    matcher: Matcher,
    /// Events examined from one page to the next.
    pub(super) window: u64,
    /// Events examined from one checkpoint to the next.
    pub(super) interval: u64,
}

#[derive(Debug, Clone, Copy)]
enum By {
    Stream,
    Type,
}

#[derive(Debug, Clone)]
enum Matcher {
    Expression(Box<Regex>),
    Prefixes(Vec<String>),
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
        let (by, expression) = match filter.filter {
            None => return Err(no_filter(multiplier)),
            Some(Filter::StreamIdentifier(expression)) => (By::Stream, expression),
            Some(Filter::EventType(expression)) => (By::Type, expression),
        };
        if live && multiplier == 0 {
            return Err(malformed("checkpointIntervalMultiplier must not be 0"));
        }
        Ok(Self {
            by,
            matcher: Matcher::of(expression)?,
            window: u64::from(window),
            interval: u64::from(window) * u64::from(multiplier),
        })
    }

    /// Of a group's settings, which have the same form.
    pub(super) fn admits(&self, event: &RecordedEvent) -> Result<bool, Status> {
        let text = match self.by {
            By::Stream => event.stream.as_str(),
            By::Type => &event.event_type,
        };
        self.matcher.matches(text)
    }
}

impl Matcher {
    /// An expression that is not empty wins; no prefix at all lets nothing pass.
    fn of(expression: Expression) -> Result<Self, Status> {
        if expression.regex.is_empty() {
            return Ok(Self::Prefixes(expression.prefix));
        }
        Regex::new(&expression.regex)
            .map(|regex| Self::Expression(Box::new(regex)))
            .map_err(|error| malformed(format!("'{}': {error}", expression.regex)))
    }

    fn matches(&self, text: &str) -> Result<bool, Status> {
        match self {
            Self::Prefixes(prefixes) => Ok(prefixes.iter().any(|prefix| text.starts_with(prefix))),
            // Backtracking has a limit: to skip the event instead would lose it.
            Self::Expression(regex) => regex
                .is_match(text)
                .map_err(|error| malformed(format!("the filter cannot judge '{text}': {error}"))),
        }
    }
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

    fn matcher(regex: &str, prefix: &[&str]) -> Matcher {
        Matcher::of(Expression {
            regex: regex.into(),
            prefix: prefix.iter().map(|text| (*text).to_owned()).collect(),
        })
        .unwrap()
    }

    #[test]
    fn an_expression_may_look_ahead_and_is_not_anchored() {
        let user = matcher(r"^(?!\$)", &[]);
        assert!(user.matches("placed").unwrap());
        assert!(!user.matches("$metadata").unwrap());
        assert!(matcher("ace", &[]).matches("placed").unwrap());
    }

    #[test]
    fn an_expression_wins_over_prefixes_and_nothing_at_all_matches_nothing() {
        assert!(!matcher("^x", &["placed"]).matches("placed").unwrap());
        assert!(matcher("", &["a", "pla"]).matches("placed").unwrap());
        assert!(!matcher("", &[]).matches("placed").unwrap());
    }
}
