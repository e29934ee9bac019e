//! The words that a filter is made of.

use super::FilterError;

/// A word, a text between quotes, or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    Minus,
    Operator(&'static str),
    Word(String),
    Quoted(String),
}

impl Token {
    pub(super) fn shown(&self) -> String {
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

/// The words of `text`, each with the place where it begins: from 1, in characters.
pub(super) fn of(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
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
