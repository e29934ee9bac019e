//! A filter held within a log's scope, and what of it the server can judge.
//!
//! The server judges one thing, streams or types, by prefixes or by an expression. It only saves the way of what is not
//! wanted: everything that comes is judged again here, so it may let through too much, and never too little.

use eventstore::SubscriptionFilter;

use crate::log::{Expression, Filter, Match, Undecided};

/// A beginning that no stream's name has: names are text, and this is none that anybody writes.
const NOTHING: &str = "\u{0}";

/// What a reader asked for, of the streams that are the log's.
#[derive(Debug, Clone)]
pub(super) struct Scoped {
    scope: Match,
    asked: Filter,
}

impl Scoped {
    /// `asked`, held within the streams that begin with one of `scope`; none: all streams.
    pub(super) fn within(scope: &[String], asked: Filter) -> Self {
        let scope = if scope.is_empty() {
            Match::Any
        } else {
            Match::prefixes(scope)
        };
        Self { scope, asked }
    }

    pub(super) fn admits(&self, stream: &str, event_type: &str) -> Result<bool, Undecided> {
        Ok(self.scope.admits(stream)? && self.asked.admits(stream, event_type)?)
    }

    /// What the server is to judge, if it can judge anything.
    pub(super) fn of_server(&self) -> Option<SubscriptionFilter> {
        if let Some(prefixes) = self.stream_prefixes() {
            return Some(with_prefixes(
                SubscriptionFilter::on_stream_name(),
                &prefixes,
            ));
        }
        let by_stream = SubscriptionFilter::on_stream_name();
        let by_type = SubscriptionFilter::on_event_type();
        with_expression(by_stream, &self.asked.streams).or_else(|| match &self.asked.types {
            Match::Any => None,
            Match::OneOf(names) | Match::Prefixes(names) => Some(with_prefixes(by_type, names)),
            Match::Expression(_) => with_expression(by_type, &self.asked.types),
        })
    }

    /// Beginnings that all streams which are wanted have, where there are some.
    fn stream_prefixes(&self) -> Option<Vec<String>> {
        let scope = match &self.scope {
            Match::Prefixes(scope) => Some(scope),
            Match::Any | Match::OneOf(_) | Match::Expression(_) => None,
        };
        match (&self.asked.streams, scope) {
            (Match::Any | Match::Expression(_), scope) => scope.cloned(),
            (Match::OneOf(asked) | Match::Prefixes(asked), None) => Some(asked.clone()),
            (Match::OneOf(asked) | Match::Prefixes(asked), Some(scope)) => Some(
                asked
                    .iter()
                    .flat_map(|asked| narrowed(asked, scope))
                    .collect(),
            ),
        }
    }
}

/// Of each pair the longer beginning, where one begins with the other.
fn narrowed(asked: &str, scope: &[String]) -> Vec<String> {
    let longer = |own: &String| {
        if asked.starts_with(own.as_str()) {
            Some(asked.to_owned())
        } else {
            own.starts_with(asked).then(|| own.clone())
        }
    };
    scope.iter().filter_map(longer).collect()
}

fn with_prefixes(filter: SubscriptionFilter, prefixes: &[String]) -> SubscriptionFilter {
    // Without any the server would take everything.
    if prefixes.is_empty() {
        return filter.add_prefix(NOTHING);
    }
    prefixes.iter().fold(filter, SubscriptionFilter::add_prefix)
}

fn with_expression(filter: SubscriptionFilter, names: &Match) -> Option<SubscriptionFilter> {
    match names {
        Match::Expression(expression) => Some(filter.regex(for_server(expression)?)),
        Match::Any | Match::OneOf(_) | Match::Prefixes(_) => None,
    }
}

/// The expression as the server writes it. None where it might read another meaning into it (it counts characters
/// otherwise and has its own tables of them, names and flags), or need for ever: it knows no limit to going back, and
/// a repeated group is the usual cause.
fn for_server(expression: &Expression) -> Option<String> {
    const ESCAPED: &str = r"\^$.|?*+()[]{}-";
    let mut text = String::new();
    let mut rest = expression.as_str().chars().peekable();
    // What `*` and `+` may follow.
    let mut one_character = false;
    while let Some(next) = rest.next() {
        let repeats = matches!(next, '*' | '+');
        match next {
            '\\' => text.extend(['\\', rest.next().filter(|sign| ESCAPED.contains(*sign))?]),
            // The server's own `$` is also found before a last line break.
            '$' => text.push_str(r"\z"),
            '.' if !matches!(rest.peek(), Some('*' | '+')) => return None,
            '*' | '+' if !one_character => return None,
            '(' if rest.next_if_eq(&'?').is_some() => {
                let kind = rest.next().filter(|kind| matches!(kind, ':' | '=' | '!'))?;
                text.extend(['(', '?', kind]);
            }
            '{' | '}' | '[' | ']' => return None,
            ' '..='~' => text.push(next),
            _ => return None,
        }
        one_character = !repeats && !matches!(next, '^' | '$' | '|' | '?' | '(' | ')');
    }
    // Nothing written is no expression to the server.
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(scope: &[&str], asked: Match) -> Scoped {
        let scope: Vec<String> = scope.iter().map(ToString::to_string).collect();
        Scoped::within(&scope, Filter::by_stream(asked))
    }

    #[test]
    fn a_filter_never_leaves_the_scope() {
        let scope = ["placement-", "candidacy-"];
        let table: [(Match, &[&str]); 5] = [
            (Match::Any, &["placement-", "candidacy-"]),
            (Match::prefixes(["placement-7"]), &["placement-7"]),
            (Match::one_of(["placement-7"]), &["placement-7"]),
            (Match::prefixes(["p"]), &["placement-"]),
            (Match::prefixes(["attendance-"]), &[]),
        ];
        for (asked, prefixes) in table {
            let held = held(&scope, asked);
            assert_eq!(held.stream_prefixes().unwrap(), prefixes);
            assert!(!held.admits("attendance-7", "T").unwrap());
        }
        let ends_in_seven = held(&scope, Match::expression("7$").unwrap());
        assert!(ends_in_seven.admits("placement-7", "T").unwrap());
        assert!(!ends_in_seven.admits("attendance-7", "T").unwrap());
        assert!(!ends_in_seven.admits("placement-8", "T").unwrap());
    }

    #[test]
    fn without_a_scope_everything_may_be_asked_for() {
        assert!(held(&[], Match::Any).of_server().is_none());
        assert_eq!(
            held(&[], Match::prefixes(["x"])).stream_prefixes().unwrap(),
            ["x"]
        );
        assert!(
            held(&[], Match::expression("7$").unwrap())
                .of_server()
                .is_some()
        );
    }

    #[test]
    fn the_server_gets_expressions_that_it_reads_as_we_do() {
        for (ours, servers) in [
            (r"^(?!\$)", r"^(?!\$)"),
            ("-7$", r"-7\z"),
            (r"^(?:a|b)?-.*x+?", r"^(?:a|b)?-.*x+?"),
            ("^placement-.*(?=7)", "^placement-.*(?=7)"),
        ] {
            assert_eq!(
                for_server(&Expression::new(ours).unwrap()).unwrap(),
                servers
            );
        }
        for ours in [
            "",
            "(a|b|ab)*c",
            "(?i)a",
            r"^\d",
            "^.-",
            "a{2}",
            "[a-c]",
            "ä",
            r"\bx",
            r"\<x",
            "a++",
            "(?<n>a)",
        ] {
            let servers = for_server(&Expression::new(ours).unwrap());
            assert_eq!(servers, None, "{ours}");
        }
    }
}
