//! The one clock. Everybody else is handed a [`Moment`].

use time::OffsetDateTime;

use crate::kernel::Moment;

/// Now, by the machine's clock, to the microsecond.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the place where the clock is read"
)]
pub fn now() -> Moment {
    let micros = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000;
    i64::try_from(micros)
        .ok()
        .and_then(|micros| Moment::from_unix_micros(micros).ok())
        .unwrap_or(Moment::EPOCH)
}
