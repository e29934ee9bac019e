//! Which events of the whole log a reader wants: by stream, by type, or by both.

use std::sync::Arc;

use fancy_regex::{Regex, RegexBuilder};

/// Steps back that an expression may take over one name before it is given up: about 10 ms of one core. Names are
/// short; an expression that needs more would need for ever on the next one.
const BACKTRACK_LIMIT: usize = 100_000;

/// Which events of the whole log: those whose stream and whose type are both admitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// By the stream's name.
    pub streams: Match,
    /// By the event's type.
    pub types: Match,
}

/// Which names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Match {
    /// All.
    #[default]
    Any,
    /// These, as a whole; none of them admits nothing.
    OneOf(Vec<String>),
    /// Those that begin with one of these; none of them admits nothing.
    Prefixes(Vec<String>),
    /// Those in which it is found.
    Expression(Expression),
}

/// A regular expression. It may look ahead and behind, refer back, and is not anchored unless it says so.
#[derive(Debug, Clone)]
pub struct Expression(Arc<Regex>);

/// Text that is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{expression}': {problem}")]
pub struct InvalidExpression {
    /// The text.
    pub expression: String,
    /// What is wrong with it.
    pub problem: String,
}

/// An expression that came to no end with a name. The event is neither admitted nor passed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the filter cannot judge '{name}': {problem}")]
pub struct Undecided {
    /// Of a stream, or an event's type.
    pub name: String,
    /// Why not.
    pub problem: String,
}

impl Filter {
    /// Events of these streams, of any type.
    #[must_use]
    pub fn by_stream(streams: Match) -> Self {
        Self {
            streams,
            types: Match::Any,
        }
    }

    /// Events of these types, in any stream.
    #[must_use]
    pub fn by_type(types: Match) -> Self {
        Self {
            streams: Match::Any,
            types,
        }
    }

    /// Whether nothing is left out.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an event of this stream and type passes.
    ///
    /// # Errors
    /// An expression cannot tell.
    pub fn admits(&self, stream: &str, event_type: &str) -> Result<bool, Undecided> {
        Ok(self.streams.admits(stream)? && self.types.admits(event_type)?)
    }
}

impl Match {
    /// These names.
    pub fn one_of<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        Self::OneOf(names.into_iter().map(Into::into).collect())
    }

    /// Names that begin like one of these.
    pub fn prefixes<T: Into<String>>(prefixes: impl IntoIterator<Item = T>) -> Self {
        Self::Prefixes(prefixes.into_iter().map(Into::into).collect())
    }

    /// Names in which `expression` is found.
    ///
    /// # Errors
    /// It is no regular expression.
    pub fn expression(expression: &str) -> Result<Self, InvalidExpression> {
        Expression::new(expression).map(Self::Expression)
    }

    /// Whether `name` is one of them.
    ///
    /// # Errors
    /// The expression cannot tell.
    pub fn admits(&self, name: &str) -> Result<bool, Undecided> {
        match self {
            Self::Any => Ok(true),
            Self::OneOf(names) => Ok(names.iter().any(|known| known == name)),
            Self::Prefixes(prefixes) => Ok(prefixes
                .iter()
                .any(|prefix| name.starts_with(prefix.as_str()))),
            Self::Expression(expression) => expression.is_found_in(name),
        }
    }
}

impl Expression {
    /// Checks it and makes it ready.
    ///
    /// # Errors
    /// It is no regular expression.
    pub fn new(expression: &str) -> Result<Self, InvalidExpression> {
        RegexBuilder::new(expression)
            .backtrack_limit(BACKTRACK_LIMIT)
            .build()
            .map(|regex| Self(Arc::new(regex)))
            .map_err(|error| InvalidExpression {
                expression: expression.to_owned(),
                problem: error.to_string(),
            })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    fn is_found_in(&self, name: &str) -> Result<bool, Undecided> {
        self.0.is_match(name).map_err(|error| Undecided {
            name: name.to_owned(),
            problem: error.to_string(),
        })
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Expression {}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(text: &str) -> Match {
        Match::expression(text).unwrap()
    }

    #[test]
    fn an_expression_may_look_ahead_and_is_not_anchored() {
        let user = expression(r"^(?!\$)");
        assert!(user.admits("placed").unwrap());
        assert!(!user.admits("$metadata").unwrap());
        assert!(expression("ace").admits("placed").unwrap());
    }

    #[test]
    fn a_filter_needs_the_stream_and_the_type() {
        let filter = Filter {
            streams: Match::prefixes(["a-", "b-"]),
            types: Match::one_of(["Placed"]),
        };
        assert!(filter.admits("b-1", "Placed").unwrap());
        assert!(!filter.admits("c-1", "Placed").unwrap());
        assert!(!filter.admits("b-1", "PlacedAgain").unwrap());
    }

    #[test]
    fn a_list_of_nothing_admits_nothing_and_the_default_everything() {
        for nothing in [Match::OneOf(Vec::new()), Match::Prefixes(Vec::new())] {
            assert!(!nothing.admits("a").unwrap());
        }
        assert!(Filter::default().is_everything());
        assert!(!Filter::by_type(Match::OneOf(Vec::new())).is_everything());
    }

    #[test]
    fn what_is_no_expression_is_refused_and_named() {
        let refused = Match::expression("a(b").unwrap_err();
        assert_eq!(refused.expression, "a(b");
    }

    #[test]
    fn an_expression_that_comes_to_no_end_is_an_error() {
        let endless = Filter::by_type(expression("(?i)^(a|b|ab)*(?!x)c"));
        assert!(endless.admits("s", "abc").unwrap());
        let undecided = endless.admits("s", &"ab".repeat(30)).unwrap_err();
        assert_eq!(undecided.name, "ab".repeat(30));
    }
}
