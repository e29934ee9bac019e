//! Verification codes: unguessable, and readable aloud.
//!
//! 130 bits as 26 characters of Crockford's base 32 (no I, L, O, U), in groups of four:
//! `7ZQ4-K9TD-2M8X-HW3R-VB6N-C1YJ-PS`. Whoever tries a billion codes a second needs longer than the universe is old.

use std::fmt;

/// Crockford's alphabet.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 26 characters of 5 bits: 130 bits.
const CHARACTERS: usize = 26;
/// Characters between two hyphens.
const GROUP: usize = 4;

/// A code that a certificate is verified by. Two codes are equal however they were typed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VerificationCode(String);

impl VerificationCode {
    /// Random bytes that a code is made from: one per character, 5 bits of each are used.
    pub const RANDOM_BYTES: usize = CHARACTERS;

    /// From random bytes, each of which gives one character.
    #[must_use]
    pub fn from_random(bytes: [u8; Self::RANDOM_BYTES]) -> Self {
        // 256 is a multiple of 32, so no character is likelier than another.
        let character = |byte: u8| ALPHABET.get(usize::from(byte % 32)).copied();
        Self(
            bytes
                .into_iter()
                .filter_map(character)
                .map(char::from)
                .collect(),
        )
    }

    /// Reads a code as people type it: letter case, spaces and hyphens do not matter, and I, L and O are the digits
    /// that they look like.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut key = String::with_capacity(CHARACTERS);
        for typed in text.chars().filter(|c| !matches!(c, '-' | ' ')) {
            let character = match typed.to_ascii_uppercase() {
                'I' | 'L' => '1',
                'O' => '0',
                other => other,
            };
            if key.len() == CHARACTERS
                || !ALPHABET.iter().any(|&known| char::from(known) == character)
            {
                return None;
            }
            key.push(character);
        }
        (key.len() == CHARACTERS).then_some(Self(key))
    }

    /// Without hyphens: what it is looked up by.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VerificationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, character) in self.0.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{character}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = VerificationCode::parse("7ZQ4-K9TD-2M8X-HW3R-VB6N-C1YJ-PS").unwrap();
        assert_eq!(code.to_string(), "7ZQ4-K9TD-2M8X-HW3R-VB6N-C1YJ-PS");
        for typed in [
            "7zq4k9td2m8xhw3rvb6nc1yjps",
            " 7ZQ4 K9TD-2M8XHW3R VB6NCLYJ ps",
            "7ZQ4-K9TD-2M8X-HW3R-VB6N-CIYJ-PS",
        ] {
            assert_eq!(
                VerificationCode::parse(typed),
                Some(code.clone()),
                "{typed}"
            );
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let long = "A".repeat(27);
        let huge = "7".repeat(1_000_000);
        for text in [
            "",
            "7ZQ4",
            &long,
            &huge,
            "UZQ4-K9TD-2M8X-HW3R-VB6N-C1YJ-PS",
            "ÄZQ4K9TD2M8XHW3RVB6NC1YJPS",
        ] {
            assert_eq!(VerificationCode::parse(text), None);
        }
    }

    proptest! {
        #[test]
        fn every_code_reads_back(bytes: [u8; VerificationCode::RANDOM_BYTES]) {
            let code = VerificationCode::from_random(bytes);
            prop_assert_eq!(VerificationCode::parse(&code.to_string()), Some(code.clone()));
            prop_assert_eq!(code.key().len(), 26);
        }
    }
}
