//! Numbers as decimal text, without an allocation.

/// Digits of the longest number, and its sign.
const DIGITS: usize = 20;

/// A number's decimal text.
pub(super) struct Decimal {
    text: [u8; DIGITS],
    start: usize,
}

impl Decimal {
    pub(super) fn of(number: i64) -> Self {
        let mut text = [0; DIGITS];
        let mut start = DIGITS;
        let mut rest = number.unsigned_abs();
        for digit in text.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            start -= 1;
            if rest == 0 {
                break;
            }
        }
        // The longest number has 19 digits: there is room for its sign.
        if let (true, Some(sign)) = (number < 0, text.get_mut(start.wrapping_sub(1))) {
            *sign = b'-';
            start -= 1;
        }
        Self { text, start }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.get(self.start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_text(number: i64) {
            let text = number.to_string();
            let written = Decimal::of(number);
            prop_assert_eq!(written.as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn the_extremes_are_written_as_text() {
        for number in [0, 9, 10, -1, i64::MAX, i64::MIN] {
            let text = number.to_string();
            assert_eq!(Decimal::of(number).as_bytes(), text.as_bytes());
        }
    }
}
