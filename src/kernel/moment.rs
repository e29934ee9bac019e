//! Instants and calendar days, in one stored form each, so that text order is time order.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::well_known::Rfc3339;
use time::{Duration, Month, OffsetDateTime, UtcOffset};

pub use time::Date;

/// An instant in UTC, to the microsecond. Stored as `2026-01-31T09:00:00.000000Z`: fixed width, so sorting the
/// text sorts the time. Years 0001 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(OffsetDateTime);

/// A text or number that is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 instant between the years 1 and 9999")]
pub struct InvalidMoment;

impl Moment {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(OffsetDateTime::UNIX_EPOCH);

    /// From microseconds since the Unix epoch.
    ///
    /// # Errors
    /// Outside the years 1 to 9999.
    pub fn from_unix_micros(micros: i64) -> Result<Self, InvalidMoment> {
        // In 64 bits: a replay does this for every event.
        let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        let nanos = u32::try_from(micros * 1_000).map_err(|_| InvalidMoment)?;
        OffsetDateTime::from_unix_timestamp(seconds)
            .and_then(|at| at.replace_nanosecond(nanos))
            .ok()
            .filter(|at| (1..=9999).contains(&at.year()))
            .map(Self)
            .ok_or(InvalidMoment)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub fn unix_micros(self) -> i64 {
        // Years 1 to 9999 are within +-2.6e17 microseconds, far inside i64.
        self.0.unix_timestamp() * 1_000_000 + i64::from(self.0.microsecond())
    }

    /// Reads RFC 3339, any offset; what is finer than a microsecond is cut.
    ///
    /// # Errors
    /// Where the text is no such instant.
    pub fn parse(text: &str) -> Result<Self, InvalidMoment> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidMoment)?;
        let at = at.checked_to_offset(UtcOffset::UTC).ok_or(InvalidMoment)?;
        let micros = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000))
            .map_err(|_| InvalidMoment)?;
        Self::from_unix_micros(micros)
    }

    /// Midnight UTC at the start of `date`.
    #[must_use]
    pub fn start_of(date: Date) -> Self {
        Self(date.midnight().assume_utc())
    }

    /// The UTC calendar day.
    #[must_use]
    pub fn date(self) -> Date {
        self.0.date()
    }

    /// This instant moved by `seconds`, held within the years 1 to 9999.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(Duration::seconds(seconds)))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.0.date(), self.0.time());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.microsecond()
        )
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Reads a calendar day, `YYYY-MM-DD`.
#[must_use]
pub fn parse_date(text: &str) -> Option<Date> {
    // By hand: most events name a day, and a replay reads them all.
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *text.as_bytes() else {
        return None;
    };
    let number = |digits: &[u8]| {
        let digit = |byte: &u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
        let add = |sum: u16, byte| Some(sum * 10 + digit(byte)?);
        digits.iter().try_fold(0, add)
    };
    let year = number(&[y0, y1, y2, y3]).filter(|year| *year >= 1)?;
    let month = Month::try_from(u8::try_from(number(&[m0, m1])?).ok()?).ok()?;
    let day = u8::try_from(number(&[d0, d1])?).ok()?;
    Date::from_calendar_date(i32::from(year), month, day).ok()
}

/// A [`Date`] in JSON: `#[serde(with = "day")]`.
pub mod day {
    use super::{Date, Deserialize, Deserializer, Serializer, parse_date};

    /// Writes `YYYY-MM-DD`.
    pub fn serialize<S: Serializer>(date: &Date, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(date)
    }

    /// Reads `YYYY-MM-DD`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        parse_date(&text).ok_or_else(|| serde::de::Error::custom("not a day, YYYY-MM-DD"))
    }

    /// Writes `YYYY-MM-DD` or null.
    pub fn serialize_optional<S: Serializer>(
        date: &Option<Date>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match date {
            Some(date) => serializer.collect_str(date),
            None => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_go_both_ways_before_and_after_the_epoch() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1, "1970-01-01T00:00:00.000001Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (-1_000_000, "1969-12-31T23:59:59.000000Z"),
            (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
        ] {
            let moment = Moment::from_unix_micros(micros).unwrap();
            assert_eq!(moment.to_string(), text);
            assert_eq!(moment.unix_micros(), micros);
        }
        for beyond in [
            -62_135_596_800_000_001,
            253_402_300_800_000_000,
            i64::MIN,
            i64::MAX,
        ] {
            assert!(Moment::from_unix_micros(beyond).is_err());
        }
    }

    #[test]
    fn text_has_one_width_whatever_the_fraction() {
        for (text, stored) in [
            ("2013-10-01T00:00:00Z", "2013-10-01T00:00:00.000000Z"),
            (
                "2013-10-01T02:00:00.1234567+02:00",
                "2013-10-01T00:00:00.123456Z",
            ),
        ] {
            assert_eq!(Moment::parse(text).unwrap().to_string(), stored);
            assert_eq!(Moment::parse(stored).unwrap().to_string(), stored);
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in ["", "2013-10-01", "2013-13-01T00:00:00Z", "yesterday"] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
        assert!(Moment::from_unix_micros(i64::MAX).is_err());
        assert!(Moment::from_unix_micros(i64::MIN).is_err());
    }

    #[test]
    fn days_are_ten_characters() {
        assert!(parse_date("2024-02-29").is_some());
        assert!(parse_date("2023-02-29").is_none());
        assert!(parse_date("24-02-29").is_none());
        for none in [
            "",
            "0000-01-01",
            "+024-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-01-00",
            "2024-1-011",
            "2024-02-2é",
            "2024/02/29",
        ] {
            assert_eq!(parse_date(none), None, "{none}");
        }
        let last = Date::from_calendar_date(9999, Month::December, 31).unwrap();
        assert_eq!(parse_date("9999-12-31"), Some(last));
    }

    #[test]
    fn a_day_in_json_is_the_text_that_it_was_read_from() {
        #[derive(Serialize, Deserialize)]
        struct Held(#[serde(with = "day")] Date);
        let held: Held = serde_json::from_str("\"0987-02-03\"").unwrap();
        assert_eq!(serde_json::to_string(&held).unwrap(), "\"0987-02-03\"");
    }
}
