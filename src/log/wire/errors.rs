//! Failures as clients know them: a status, its text, and the trailers that name it.

use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use super::messages::Expectation;
use crate::kernel::{Revision, StreamName};
use crate::log::{AppendError, ReadError};

/// The trailer that names an error; clients choose their exception by it.
const EXCEPTION: &str = "exception";

/// The text of a deadline that ran out, as the official server words it.
const DEADLINE: &str = "Deadline Exceeded";

/// A request that makes no sense.
pub(super) fn malformed(what: impl Into<String>) -> Status {
    Status::invalid_argument(what)
}

/// A oneof that must be set and is not, in the official server's words.
pub(super) fn unset(case: &str) -> Status {
    malformed(format!(
        "'None' is not a valid EventStore.Client.{case}OneofCase"
    ))
}

/// The caller may not.
#[must_use]
pub fn access_denied() -> Status {
    named(
        Code::PermissionDenied,
        "Access Denied",
        "access-denied",
        &[],
    )
}

/// `grpc-timeout` ran out.
pub(super) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded(DEADLINE)
}

/// The server is going down.
pub(super) fn shutting_down() -> Status {
    Status::unavailable("the server is shutting down")
}

/// The stream was tombstoned, or is deleted and was expected to exist.
pub(super) fn stream_deleted(stream: &StreamName) -> Status {
    let text = format!("Event stream '{stream}' is deleted.");
    let trailers = [("stream-name", stream.as_str().to_owned())];
    named(Code::FailedPrecondition, text, "stream-deleted", &trailers)
}

/// The stream of a delete or tombstone is not where it was expected.
pub(super) fn wrong_expected(
    stream: &StreamName,
    expected: Expectation,
    current: Option<Revision>,
) -> Status {
    let expected = expected.code();
    let actual = current.map_or(-1, |current| i64::try_from(current).unwrap_or(i64::MAX));
    let text = format!(
        "Delete failed due to WrongExpectedVersion. Stream: {stream}, Expected version: {expected}, \
         Actual version: {actual}"
    );
    let trailers = [
        ("stream-name", stream.as_str().to_owned()),
        ("expected-version", expected.to_string()),
        ("actual-version", actual.to_string()),
    ];
    named(
        Code::FailedPrecondition,
        text,
        "wrong-expected-version",
        &trailers,
    )
}

/// An event lacks what must be among its system metadata.
pub(super) fn missing_metadata(property: &str) -> Status {
    let text = format!("Required Metadata Property '{property}' is missing");
    let trailers = [("required-metadata-properties", "type,content-type".into())];
    let name = "missing-required-metadata-property";
    named(Code::InvalidArgument, text, name, &trailers)
}

/// The append as a whole is too large.
pub(super) fn append_too_large(limit: usize) -> Status {
    let text = format!("Maximum Append Size of {limit} Exceeded.");
    let trailers = [("maximum-append-size", limit.to_string())];
    let name = "maximum-append-size-exceeded";
    named(Code::InvalidArgument, text, name, &trailers)
}

/// A message that could not be read from the wire.
pub(super) fn inbound(status: Status) -> Status {
    // The one limit of tonic's that answers out-of-range; the official server says resource-exhausted.
    if status.code() == Code::OutOfRange {
        return Status::resource_exhausted(
            "Received message exceeds the maximum configured message size.",
        );
    }
    status
}

/// A refused append, delete or tombstone.
pub(super) fn of_append(error: AppendError, expected: Expectation) -> Status {
    match error {
        AppendError::WrongExpected {
            stream, current, ..
        } => wrong_expected(&stream, expected, current),
        AppendError::StreamDeleted(stream) => stream_deleted(&stream),
        AppendError::Protected(_) => access_denied(),
        AppendError::Invalid { .. } => malformed(error.to_string()),
        AppendError::TooLarge { limit, .. } => append_too_large(limit),
        AppendError::Overloaded { .. } => Status::unavailable("Server Is Too Busy"),
        AppendError::StorageFull { cause, .. } | AppendError::Unavailable { cause, .. } => {
            unavailable(&cause)
        }
    }
}

/// A read that was not done.
pub(super) fn of_read(error: ReadError) -> Status {
    match error {
        ReadError::StreamDeleted(stream) => stream_deleted(&stream),
        ReadError::Damaged { .. } => {
            tracing::error!(%error, "a read met a damaged event");
            Status::data_loss(error.to_string())
        }
        ReadError::Undecided(undecided) => malformed(undecided.to_string()),
        ReadError::Unavailable { cause, .. } => unavailable(&cause),
    }
}

fn unavailable(cause: &str) -> Status {
    // The cause may name paths of this machine: it is for the operator.
    tracing::warn!(cause, "the log is unavailable");
    Status::unavailable("Server Is Not Ready")
}

/// A status with the trailer that names it, and others.
pub(super) fn named(
    code: Code,
    text: impl Into<String>,
    exception: &'static str,
    trailers: &[(&'static str, String)],
) -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert(EXCEPTION, MetadataValue::from_static(exception));
    for (key, value) in trailers {
        if let Ok(value) = MetadataValue::try_from(ascii(value)) {
            metadata.insert(*key, value);
        }
    }
    Status::with_metadata(code, text, metadata)
}

/// Header values are ASCII: everything else is percent-encoded, as gRPC does with messages.
fn ascii(text: &str) -> String {
    use std::fmt::Write as _;
    let mut plain = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) {
            plain.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(plain, "%{byte:02X}");
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_name_the_error_and_are_ascii() {
        let status = stream_deleted(&StreamName::new("größe 1").unwrap());
        let trailers = status.metadata();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(trailers.get("exception").unwrap(), "stream-deleted");
        assert_eq!(trailers.get("stream-name").unwrap(), "gr%C3%B6%C3%9Fe 1");
    }

    #[test]
    fn a_wrong_revision_carries_the_internal_codes() {
        let stream = StreamName::new("s").unwrap();
        let status = wrong_expected(&stream, Expectation::StreamExists, None);
        let trailers = status.metadata();
        assert_eq!(trailers.get("expected-version").unwrap(), "-4");
        assert_eq!(trailers.get("actual-version").unwrap(), "-1");
    }
}
