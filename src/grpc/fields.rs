//! Reads the fields of a request into values, collecting everything that is wrong instead of stopping at the first.

use std::ops::RangeInclusive;

use tonic::Status;
use tonic_types::FieldViolation;
use uuid::Uuid;

use super::status;
use crate::kernel::{Date, Moment, parse_date};

/// What is wrong so far. Each reader answers a value that fits its type where the field does not; nothing is done with it,
/// because [`Fields::check`] then refuses the request.
#[derive(Debug, Default)]
pub struct Fields {
    prefix: String,
    violations: Vec<FieldViolation>,
    reason: Option<String>,
    reason_missing: bool,
}

impl Fields {
    /// Longest reason, in characters.
    pub const MAX_REASON_CHARS: usize = 1_000;

    /// Says that `field` is wrong, and why.
    pub fn violation(&mut self, field: &str, why: impl Into<String>) {
        self.violations
            .push(FieldViolation::new(format!("{}{field}", self.prefix), why));
    }

    /// Reads within a message field: names get `prefix.` before them.
    pub fn within<T>(&mut self, prefix: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.prefix.len();
        self.prefix.push_str(prefix);
        self.prefix.push('.');
        let value = read(self);
        self.prefix.truncate(outer);
        value
    }

    /// A message field that must be set, read within its name.
    pub fn message<M: Default, T>(
        &mut self,
        field: &str,
        message: Option<&M>,
        read: impl FnOnce(&M, &mut Self) -> T,
    ) -> T {
        if let Some(message) = message {
            return self.within(field, |fields| read(message, fields));
        }
        self.violation(field, "must be set");
        // Only the missing message is named, not every field that it lacks.
        let mut ignored = Self::default();
        read(&M::default(), &mut ignored)
    }

    /// A UUID in its hyphenated form, not nil.
    pub fn uuid(&mut self, field: &str, text: &str) -> Uuid {
        match Uuid::try_parse(text) {
            Ok(id) if !id.is_nil() && text.len() == uuid::fmt::Hyphenated::LENGTH => return id,
            Ok(_) => self.violation(field, "must be a hyphenated UUID, not nil"),
            Err(_) => self.violation(
                field,
                "must be a UUID, as in 2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d",
            ),
        }
        Uuid::nil()
    }

    /// A calendar day, `YYYY-MM-DD`.
    pub fn date(&mut self, field: &str, text: &str) -> Date {
        parse_date(text).unwrap_or_else(|| {
            self.violation(field, "must be a calendar day, as in 2026-01-31");
            Date::MIN
        })
    }

    /// An instant that must be set.
    pub fn moment(&mut self, field: &str, timestamp: Option<&prost_types::Timestamp>) -> Moment {
        let Some(timestamp) = timestamp else {
            self.violation(field, "must be set");
            return Moment::EPOCH;
        };
        moment_of(timestamp).unwrap_or_else(|| {
            self.violation(
                field,
                "must be an instant between the years 1 and 9999 with 0 to 999,999,999 nanoseconds",
            );
            Moment::EPOCH
        })
    }

    /// Text of so many characters, without control characters other than tab and line ends.
    pub fn text(&mut self, field: &str, text: &str, chars: RangeInclusive<usize>) -> String {
        let count = text.chars().count();
        if !chars.contains(&count) {
            self.violation(
                field,
                format!(
                    "must have {} to {} characters, has {count}",
                    chars.start(),
                    chars.end()
                ),
            );
        } else if *chars.start() > 0 && text.trim().is_empty() {
            self.violation(field, "must not be blank");
        } else if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        {
            self.violation(field, "must not hold control characters");
        }
        text.to_owned()
    }

    /// The reason that the rules ask for. It goes into the event's metadata.
    pub fn reason(&mut self, field: &str, text: &str) {
        if text.trim().is_empty() {
            self.reason_missing = true;
            self.violation(field, "must say why");
            return;
        }
        self.reason = Some(self.text(field, text, 1..=Self::MAX_REASON_CHARS));
    }

    /// A share, 0 to 1.
    pub fn rate(&mut self, field: &str, value: f64) -> f64 {
        self.figure(field, value, 0.0..=1.0)
    }

    /// A finite figure within bounds.
    pub fn figure(&mut self, field: &str, value: f64, bounds: RangeInclusive<f64>) -> f64 {
        if !bounds.contains(&value) {
            self.violation(
                field,
                format!("must be {} to {}, is {value}", bounds.start(), bounds.end()),
            );
        }
        value
    }

    /// A whole number within bounds.
    pub fn number(&mut self, field: &str, value: u32, bounds: RangeInclusive<u32>) -> u32 {
        if !bounds.contains(&value) {
            self.violation(
                field,
                format!("must be {} to {}, is {value}", bounds.start(), bounds.end()),
            );
        }
        value
    }

    /// One of an enum's values; `read` answers none for unknown and unspecified numbers.
    pub fn choice<T>(
        &mut self,
        field: &str,
        value: i32,
        fallback: T,
        read: impl FnOnce(i32) -> Option<T>,
    ) -> T {
        read(value).unwrap_or_else(|| {
            self.violation(
                field,
                format!("must be one of the enum's values other than unspecified, is {value}"),
            );
            fallback
        })
    }

    /// The reason, if nothing was wrong.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` that names every wrong field; its reason is `REASON_REQUIRED` where only that is missing.
    pub fn check(self) -> Result<Option<String>, Status> {
        if self.violations.is_empty() {
            return Ok(self.reason);
        }
        let only_reason = self.reason_missing && self.violations.len() == 1;
        let reason = if only_reason {
            "REASON_REQUIRED"
        } else {
            "INVALID_ARGUMENT"
        };
        Err(status::invalid(reason, self.violations))
    }
}

/// The instant, if it is one that can be stored.
pub(super) fn moment_of(timestamp: &prost_types::Timestamp) -> Option<Moment> {
    let nanos = u32::try_from(timestamp.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    let micros = timestamp
        .seconds
        .checked_mul(1_000_000)?
        .checked_add(i64::from(nanos / 1_000))?;
    Moment::from_unix_micros(micros).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::StatusExt as _;

    #[test]
    fn all_wrong_fields_are_named_at_once() {
        let mut fields = Fields::default();
        fields.uuid("placement_id", "nonsense");
        fields.within("terms", |fields| {
            fields.rate("required_attendance_rate", f64::NAN)
        });
        fields.moment("valid_until", None);
        fields.reason("reason", " ");
        let status = fields.check().unwrap_err();
        let details = status.get_error_details();
        let named: Vec<_> = details
            .bad_request()
            .unwrap()
            .field_violations
            .iter()
            .map(|v| v.field.clone())
            .collect();
        assert_eq!(
            named,
            [
                "placement_id",
                "terms.required_attendance_rate",
                "valid_until",
                "reason"
            ]
        );
        assert_eq!(details.error_info().unwrap().reason, "INVALID_ARGUMENT");
    }

    #[test]
    fn a_missing_reason_alone_has_its_own_reason() {
        let mut fields = Fields::default();
        fields.reason("reason", "");
        let status = fields.check().unwrap_err();
        assert_eq!(
            status.get_error_details().error_info().unwrap().reason,
            "REASON_REQUIRED"
        );
    }

    #[test]
    fn timestamps_out_of_range_are_refused() {
        for (seconds, nanos) in [(i64::MAX, 0), (i64::MIN, 0), (0, -1), (0, 1_000_000_000)] {
            assert!(
                moment_of(&prost_types::Timestamp { seconds, nanos }).is_none(),
                "{seconds} {nanos}"
            );
        }
    }
}
