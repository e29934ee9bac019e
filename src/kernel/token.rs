//! What a command answers and a query carries, to see at least its own writes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Position;

/// How far somebody has seen each service's log. Opaque to clients: `v1.` and base64url of
/// `service:position[,service:position]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyToken(Vec<(String, Position)>);

/// A text that no command answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a consistency token")]
pub struct InvalidToken;

impl ConsistencyToken {
    /// Longest text that is looked at, in bytes: seven services of at most 20 + 21 bytes, base64.
    const MAX_BYTES: usize = 512;

    /// `service`, up to `position`.
    #[must_use]
    pub fn new(service: &str, position: Position) -> Self {
        Self(vec![(service.to_owned(), position)])
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let encoded = text
            .strip_prefix("v1.")
            .filter(|_| text.len() <= Self::MAX_BYTES)
            .ok_or(InvalidToken)?;
        let plain = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| InvalidToken)?;
        let plain = std::str::from_utf8(&plain).map_err(|_| InvalidToken)?;
        let pairs = plain.split(',').map(|pair| {
            let (service, position) = pair
                .split_once(':')
                .filter(|(service, _)| !service.is_empty())?;
            Some((service.to_owned(), Position(position.parse().ok()?)))
        });
        pairs
            .collect::<Option<Vec<_>>>()
            .map(Self)
            .ok_or(InvalidToken)
    }

    /// Each service and how far.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Position)> {
        self.0
            .iter()
            .map(|(service, position)| (service.as_str(), *position))
    }
}

impl fmt::Display for ConsistencyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self
            .0
            .iter()
            .map(|(service, position)| format!("{service}:{position}"))
            .collect::<Vec<_>>();
        write!(f, "v1.{}", URL_SAFE_NO_PAD.encode(plain.join(",")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back() {
        let token = ConsistencyToken::new("attendance", Position(42));
        assert_eq!(ConsistencyToken::parse(&token.to_string()), Ok(token));
    }

    #[test]
    fn rubbish_is_no_token() {
        for text in [
            "",
            "v1.",
            "v1.!!!",
            "v2.YTox",
            "v1.YQ",
            &format!("v1.{}", "A".repeat(600)),
        ] {
            assert_eq!(ConsistencyToken::parse(text), Err(InvalidToken), "{text}");
        }
    }
}
