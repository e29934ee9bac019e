//! The grammar, read by descent: what was read comes out as SQL, what was compared with as its parameters.

use std::borrow::Cow;
use std::iter::Peekable;
use std::vec::IntoIter;

use super::tokens::Token;
use super::{Columns, Compiled, FilterError};
use crate::kernel::{Moment, parse_date};
use crate::projection::bind::Bound;
use crate::projection::sql::nearest;

/// Most comparisons in one filter: each is a bound parameter and work for every row.
const MAX_COMPARISONS: usize = 64;
/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 16;

/// What of a filter was not read yet.
pub(super) struct Parser<'a> {
    tokens: Peekable<IntoIter<(usize, Token)>>,
    end: usize,
    columns: &'a Columns<'a>,
    values: Vec<Bound<'static>>,
}

/// A column, how it is compared, and with what.
struct Comparison {
    at: usize,
    column: String,
    operator: &'static str,
    literal_at: usize,
    literal: String,
    /// Not between quotes.
    bare: bool,
}

impl<'a> Parser<'a> {
    /// Over the words of a filter that ends before the character `end`.
    pub(super) fn new(tokens: Vec<(usize, Token)>, end: usize, columns: &'a Columns<'a>) -> Self {
        Self {
            tokens: tokens.into_iter().peekable(),
            end,
            columns,
            values: Vec::new(),
        }
    }

    /// Reads all of it.
    pub(super) fn read(mut self) -> Result<Compiled, FilterError> {
        let sql = self.filter(0)?;
        match self.tokens.next() {
            Some((position, token)) => Err(FilterError {
                position,
                problem: format!("expected AND, OR or the end, found {}", token.shown()),
            }),
            None => Ok(Compiled {
                sql,
                values: self.values,
            }),
        }
    }

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
        let comparison = self.words_of_comparison()?;
        if self.values.len() == MAX_COMPARISONS {
            return Err(FilterError {
                position: comparison.at,
                problem: format!("more than {MAX_COMPARISONS} comparisons"),
            });
        }
        if let Some(condition) = self.columns.conditions.get(&comparison.column) {
            return self.condition(condition, comparison);
        }
        if !self.columns.plain.contains(&comparison.column) {
            return Err(self.unknown(comparison.at, &comparison.column));
        }
        self.plain(comparison)
    }

    fn words_of_comparison(&mut self) -> Result<Comparison, FilterError> {
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
        Ok(Comparison {
            at,
            column,
            operator,
            literal_at,
            literal,
            bare,
        })
    }

    /// A name that stands for a condition holds or does not.
    fn condition(
        &mut self,
        condition: &str,
        comparison: Comparison,
    ) -> Result<String, FilterError> {
        let parameter = self.bind(value(comparison.literal, comparison.bare));
        let holds = format!("({})", condition.replace(":value", &parameter));
        match comparison.operator {
            "=" | ":" => Ok(holds),
            "!=" => Ok(format!("({holds} IS NOT TRUE)")),
            operator => Err(FilterError {
                position: comparison.at,
                problem: format!("{} takes =, != and :, not {operator}", comparison.column),
            }),
        }
    }

    fn plain(&mut self, comparison: Comparison) -> Result<String, FilterError> {
        let Comparison {
            column,
            operator,
            literal,
            bare,
            ..
        } = comparison;
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
                position: comparison.literal_at,
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
