//! Filters as AIP-160 has them, over the columns of a query.
//!
//! ```text
//!   filter     = factor { AND factor }            OR binds tighter than AND, as AIP-160 says
//!   factor     = term { OR term }
//!   term       = [ NOT | - ] ( comparison | "(" filter ")" )
//!   comparison = column ( = | != | < | <= | > | >= | : ) literal
//!   literal    = number | true | false | bare text | "quoted" | 'quoted'
//! ```
//!
//! `column:text` asks whether the text occurs in it, `column:*` whether it is set. Columns whose name ends in `_at` or
//! `_until` hold instants: their literals are RFC 3339 or a day. What is not compared is refused, not guessed at.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::bind::Bound;
use super::sql::nearest;
use crate::kernel::{Moment, parse_date};

/// Longest filter, in bytes.
const MAX_BYTES: usize = 4_096;
/// Most comparisons in one filter: each is a bound parameter and work for every row.
const MAX_COMPARISONS: usize = 64;
/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 16;

/// What is wrong with a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {problem}")]
pub struct FilterError {
    /// From 1, in characters.
    pub position: usize,
    /// What is wrong.
    pub problem: String,
}

/// The columns that a filter may name.
pub(super) struct Columns<'a> {
    /// Compared as they are.
    pub(super) plain: &'a [String],
    /// Names that stand for a condition on `:value`.
    pub(super) conditions: &'a BTreeMap<String, String>,
}

/// A filter as a condition over `q`, with the values of its parameters `:annals_f0`, `:annals_f1`, ...
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Compiled {
    pub(super) sql: String,
    pub(super) values: Vec<Bound<'static>>,
}

/// Reads `text`; none where it is blank.
pub(super) fn compile(text: &str, columns: &Columns<'_>) -> Result<Option<Compiled>, FilterError> {
    if text.len() > MAX_BYTES {
        return Err(FilterError {
            position: 1,
            problem: format!("{} bytes, more than {MAX_BYTES}", text.len()),
        });
    }
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser = Parser {
        tokens: tokens.into_iter().peekable(),
        end: text.chars().count() + 1,
        columns,
        values: Vec::new(),
    };
    let sql = parser.filter(0)?;
    match parser.tokens.next() {
        Some((position, token)) => Err(FilterError {
            position,
            problem: format!("expected AND, OR or the end, found {}", token.shown()),
        }),
        None => Ok(Some(Compiled {
            sql,
            values: parser.values,
        })),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Minus,
    Operator(&'static str),
    Word(String),
    Quoted(String),
}

impl Token {
    fn shown(&self) -> String {
        match self {
            Self::Open => "(".to_owned(),
            Self::Close => ")".to_owned(),
            Self::Minus => "-".to_owned(),
            Self::Operator(text) => (*text).to_owned(),
            Self::Word(text) => text.clone(),
            Self::Quoted(text) => format!("\"{text}\""),
        }
    }
}

/// Longer operators first.
const OPERATORS: [&str; 7] = ["!=", "<=", ">=", "=", "<", ">", ":"];

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut position = 1;
    while let Some(c) = rest.chars().next() {
        let operator = OPERATORS
            .iter()
            .find(|operator| rest.starts_with(**operator));
        let (token, length) = match (c, operator) {
            (c, _) if c.is_whitespace() => (None, c.len_utf8()),
            ('(', _) => (Some(Token::Open), 1),
            (')', _) => (Some(Token::Close), 1),
            ('-', _) if !digit_follows(rest) => (Some(Token::Minus), 1),
            ('"' | '\'', _) => {
                let (text, length) = quoted(rest, c).ok_or(FilterError {
                    position,
                    problem: "the quoted text has no end".to_owned(),
                })?;
                (Some(Token::Quoted(text)), length)
            }
            (_, Some(operator)) => (Some(Token::Operator(operator)), operator.len()),
            _ => {
                let length = word(rest);
                let text = rest.get(..length).unwrap_or_default().to_owned();
                (Some(Token::Word(text)), length)
            }
        };
        if let Some(token) = token {
            found.push((position, token));
        }
        let (read, after) = rest.split_at(length);
        position += read.chars().count();
        rest = after;
    }
    Ok(found)
}

/// Whether a minus sign belongs to a number.
fn digit_follows(rest: &str) -> bool {
    rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit())
}

/// Bytes of the bare word that `rest` begins with; at least one character.
fn word(rest: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || "()=<>!:\"'".contains(c);
    let first = rest.chars().next().map_or(0, char::len_utf8);
    rest.get(first..)
        .and_then(|tail| tail.find(ends))
        .map_or(rest.len(), |at| first + at)
}

/// The text between quotes and the bytes it took, quotes included. A backslash takes the next character as it is.
fn quoted(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((text, at + c.len_utf8()));
        }
        text.push(if c == '\\' { chars.next()?.1 } else { c });
    }
    None
}

struct Parser<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<(usize, Token)>>,
    end: usize,
    columns: &'a Columns<'a>,
    values: Vec<Bound<'static>>,
}

impl Parser<'_> {
    fn filter(&mut self, depth: usize) -> Result<String, FilterError> {
        let mut factors = vec![self.factor(depth)?];
        while self.takes_word("AND") {
            factors.push(self.factor(depth)?);
        }
        Ok(joined(factors, " AND "))
    }

    fn factor(&mut self, depth: usize) -> Result<String, FilterError> {
        let mut terms = vec![self.term(depth)?];
        while self.takes_word("OR") {
            terms.push(self.term(depth)?);
        }
        Ok(joined(terms, " OR "))
    }

    fn term(&mut self, depth: usize) -> Result<String, FilterError> {
        if self.takes_word("NOT") || self.tokens.next_if(|(_, t)| *t == Token::Minus).is_some() {
            // A comparison with what is not set is not true, so its negation is.
            return Ok(format!("({} IS NOT TRUE)", self.simple(depth)?));
        }
        self.simple(depth)
    }

    fn simple(&mut self, depth: usize) -> Result<String, FilterError> {
        let Some((position, _)) = self.tokens.next_if(|(_, t)| *t == Token::Open) else {
            return self.comparison();
        };
        if depth == MAX_DEPTH {
            return Err(FilterError {
                position,
                problem: format!("more than {MAX_DEPTH} parentheses within each other"),
            });
        }
        let inner = self.filter(depth + 1)?;
        match self.next("a closing parenthesis")? {
            (_, Token::Close) => Ok(format!("({inner})")),
            (position, token) => Err(FilterError {
                position,
                problem: format!("expected a closing parenthesis, found {}", token.shown()),
            }),
        }
    }

    fn comparison(&mut self) -> Result<String, FilterError> {
        let wanted = |position, what: &str, token: &Token| FilterError {
            position,
            problem: format!("expected {what}, found {}", token.shown()),
        };
        let (at, column) = match self.next("a column")? {
            (at, Token::Word(column)) => (at, column),
            (at, other) => return Err(wanted(at, "a column", &other)),
        };
        let operator = match self.next("a comparison such as =")? {
            (_, Token::Operator(operator)) => operator,
            (at, other) => return Err(wanted(at, "a comparison such as =", &other)),
        };
        let (literal_at, literal, bare) = match self.next("a value")? {
            (at, Token::Word(text)) => (at, text, true),
            (at, Token::Quoted(text)) => (at, text, false),
            (at, other) => return Err(wanted(at, "a value", &other)),
        };
        if self.values.len() == MAX_COMPARISONS {
            return Err(FilterError {
                position: at,
                problem: format!("more than {MAX_COMPARISONS} comparisons"),
            });
        }
        if let Some(condition) = self.columns.conditions.get(&column) {
            let parameter = self.bind(value(literal, bare));
            let holds = format!("({})", condition.replace(":value", &parameter));
            return match operator {
                "=" | ":" => Ok(holds),
                "!=" => Ok(format!("({holds} IS NOT TRUE)")),
                _ => Err(FilterError {
                    position: at,
                    problem: format!("{column} takes =, != and :, not {operator}"),
                }),
            };
        }
        if !self.columns.plain.contains(&column) {
            return Err(self.unknown(at, &column));
        }
        let column_sql = format!("q.\"{column}\"");
        if operator == ":" {
            if bare && literal == "*" {
                return Ok(format!("({column_sql} IS NOT NULL)"));
            }
            let parameter = self.bind(Bound::Text(Cow::Owned(literal)));
            return Ok(format!("(instr({column_sql}, {parameter}) > 0)"));
        }
        let literal = if column.ends_with("_at") || column.ends_with("_until") {
            instant(&literal).ok_or(FilterError {
                position: literal_at,
                problem: format!(
                    "{column} is compared with an RFC 3339 instant or a day, not {literal}"
                ),
            })?
        } else {
            value(literal, bare)
        };
        let parameter = self.bind(literal);
        let operator = if operator == "!=" {
            "IS DISTINCT FROM"
        } else {
            operator
        };
        Ok(format!("({column_sql} {operator} {parameter})"))
    }

    fn bind(&mut self, value: Bound<'static>) -> String {
        let name = format!(":annals_f{}", self.values.len());
        self.values.push(value);
        name
    }

    fn next(&mut self, wanted: &str) -> Result<(usize, Token), FilterError> {
        self.tokens.next().ok_or_else(|| FilterError {
            position: self.end,
            problem: format!("expected {wanted}, found the end"),
        })
    }

    fn takes_word(&mut self, keyword: &str) -> bool {
        self.tokens
            .next_if(|(_, token)| matches!(token, Token::Word(word) if word == keyword))
            .is_some()
    }

    fn unknown(&self, position: usize, column: &str) -> FilterError {
        let known = || {
            let conditions = self.columns.conditions.keys();
            self.columns
                .plain
                .iter()
                .chain(conditions)
                .map(String::as_str)
        };
        let problem = match nearest(column, known()) {
            Some(near) => format!("no column {column}; did you mean {near}?"),
            None => format!(
                "no column {column}; there are {}",
                known().collect::<Vec<_>>().join(", ")
            ),
        };
        FilterError { position, problem }
    }
}

fn joined(parts: Vec<String>, with: &str) -> String {
    match <[String; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => format!("({})", parts.join(with)),
    }
}

fn value(literal: String, bare: bool) -> Bound<'static> {
    if bare {
        match literal.as_str() {
            "true" => return Bound::Integer(1),
            "false" => return Bound::Integer(0),
            _ => {}
        }
        if let Ok(number) = literal.parse() {
            return Bound::Integer(number);
        }
        let numeric = literal.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        if let Some(number) = literal
            .parse::<f64>()
            .ok()
            .filter(|n| numeric && n.is_finite())
        {
            return Bound::Real(number);
        }
    }
    Bound::Text(Cow::Owned(literal))
}

/// The stored form of an instant, so that comparing text compares time.
fn instant(literal: &str) -> Option<Bound<'static>> {
    let moment = match Moment::parse(literal) {
        Ok(moment) => moment,
        Err(_) => Moment::start_of(parse_date(literal)?),
    };
    Some(Bound::Text(Cow::Owned(moment.to_string())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compiled(text: &str) -> Result<Option<Compiled>, FilterError> {
        let plain = ["state", "score", "recorded_at"].map(str::to_owned);
        let conditions = BTreeMap::from([(
            "target".to_owned(),
            "id IN (SELECT id FROM t WHERE x = :value)".to_owned(),
        )]);
        compile(
            text,
            &Columns {
                plain: &plain,
                conditions: &conditions,
            },
        )
    }

    fn sql(text: &str) -> String {
        compiled(text).unwrap().unwrap().sql
    }

    fn problem(text: &str) -> (usize, String) {
        let error = compiled(text).unwrap_err();
        (error.position, error.problem)
    }

    #[test]
    fn or_binds_tighter_than_and() {
        assert_eq!(
            sql("state = a OR state = b AND score > 3"),
            "(((q.\"state\" = :annals_f0) OR (q.\"state\" = :annals_f1)) AND (q.\"score\" > :annals_f2))"
        );
    }

    #[test]
    fn a_negation_holds_for_what_is_not_set() {
        assert_eq!(
            sql("NOT state = a"),
            "((q.\"state\" = :annals_f0) IS NOT TRUE)"
        );
        assert_eq!(sql("-state:*"), "((q.\"state\" IS NOT NULL) IS NOT TRUE)");
        assert_eq!(
            sql("state != a"),
            "(q.\"state\" IS DISTINCT FROM :annals_f0)"
        );
    }

    #[test]
    fn a_condition_is_put_in_place_of_its_name() {
        assert_eq!(
            sql("target = \"x\""),
            "(id IN (SELECT id FROM t WHERE x = :annals_f0))"
        );
        assert_eq!(problem("target < 3").0, 1);
    }

    #[test]
    fn literals_have_the_stored_form() {
        let values = |text: &str| compiled(text).unwrap().unwrap().values;
        let text = |value: &'static str| Bound::Text(Cow::Borrowed(value));
        assert_eq!(values("score = -3"), [Bound::Integer(-3)]);
        assert_eq!(values("score = 2.5"), [Bound::Real(2.5)]);
        assert_eq!(values("score = \"3\""), [text("3")]);
        assert_eq!(values("state = nan"), [text("nan")]);
        assert_eq!(values(r#"state = "a\"b""#), [text("a\"b")]);
        assert_eq!(
            values("recorded_at >= \"2026-01-01T01:00:00+01:00\""),
            [text("2026-01-01T00:00:00.000000Z")]
        );
        assert_eq!(
            values("recorded_at < 2026-01-02"),
            [text("2026-01-02T00:00:00.000000Z")]
        );
    }

    #[test]
    fn an_error_says_where_and_what() {
        assert_eq!(
            problem("state = a AND stat = b"),
            (15, "no column stat; did you mean state?".to_owned())
        );
        assert_eq!(problem("state = ").0, 9);
        assert_eq!(problem("state = a score = 3").0, 11);
        assert_eq!(problem("state = \"é").0, 9);
        assert_eq!(problem("(state = a").0, 11);
        assert_eq!(problem("recorded_at > soon").0, 15);
        assert_eq!(problem("state").0, 6);
        assert_eq!(problem(&"(".repeat(40)).0, 17);
        let many = vec!["score = 1"; 65].join(" OR ");
        assert!(problem(&many).1.contains("64"));
    }

    #[test]
    fn a_blank_filter_asks_for_nothing() {
        assert_eq!(compiled("  ").unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_reach_the_sql(text in "\\PC{0,60}") {
            if let Ok(Some(compiled)) = compiled(&text) {
                prop_assert!(!compiled.sql.contains('\''));
            }
        }

        #[test]
        fn words_of_the_grammar_in_any_order_are_read_or_refused(
            words in prop::collection::vec(
                prop::sample::select(vec!["state", "=", "!=", ":", "a", "AND", "OR", "NOT", "-", "(", ")", "*", "'x'", "3"]),
                0..20,
            )
        ) {
            let _ = compiled(&words.join(" "));
        }
    }
}
