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

mod parser;
mod tokens;

use std::collections::BTreeMap;

use super::bind::Bound;
use parser::Parser;

/// Longest filter, in bytes.
const MAX_BYTES: usize = 4_096;

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
    let tokens = tokens::of(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let end = text.chars().count() + 1;
    Parser::new(tokens, end, columns).read().map(Some)
}

#[cfg(test)]
mod tests;
