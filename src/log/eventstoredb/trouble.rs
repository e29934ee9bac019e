//! What the crate's errors mean for the log: an answer, or an outcome nobody knows.

use eventstore::{CurrentRevision, Error};

use crate::kernel::{Revision, StreamName};
use crate::log::{AppendError, Expected, ReadError};

/// The gRPC codes that are not turned into other variants by the crate, by number, since its `tonic` is not ours.
mod code {
    pub(super) const CANCELLED: i32 = 1;
    pub(super) const INVALID_ARGUMENT: i32 = 3;
    pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
    pub(super) const FAILED_PRECONDITION: i32 = 9;
    pub(super) const ABORTED: i32 = 10;
}

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The stream is elsewhere; what the server said of it.
    WrongRevision(Option<Revision>),
    /// The same, of a call whose answer does not say where the stream is.
    Precondition,
    /// Tombstoned, or deleted where it was expected to exist.
    Deleted,
    /// The server will not do it, however often it is asked.
    Refused(String),
    /// The connection, or the server behind it: done or not, nobody knows.
    Lost(String),
    /// As lost, but the server named its leader, and the crate has turned to it.
    NotLeader(String),
    /// The log was closed.
    Closed,
}

/// What `error` means.
pub(super) fn of(error: &Error) -> Trouble {
    let text = plain(&error.to_string());
    match error {
        Error::WrongExpectedVersion { current, .. } => Trouble::WrongRevision(match current {
            CurrentRevision::Current(revision) => Some(*revision),
            CurrentRevision::NoStream => None,
        }),
        Error::ResourceDeleted => Trouble::Deleted,
        Error::AccessDenied => Trouble::Refused(
            "access denied: look at the user and password of the connection string, and at what that user may do there".into(),
        ),
        Error::UnsupportedFeature
        | Error::InternalParsingError(_)
        | Error::ResourceAlreadyExists => Trouble::Refused(text),
        Error::Grpc { code, message } => of_code(*code as i32, message),
        Error::NotLeaderException(leader) => {
            Trouble::NotLeader(format!("the leader is {}:{}", leader.host, leader.port))
        }
        // A node without a leader answers NOT_FOUND, too; a stream that is not there is no status but a message.
        Error::ResourceNotFound => Trouble::Lost("the node knows no leader".into()),
        Error::ServerError(_)
        | Error::ConnectionClosed
        | Error::GrpcConnectionError(_)
        | Error::InternalClientError
        | Error::DeadlineExceeded
        | Error::InitializationError(_)
        | Error::IllegalStateError(_) => Trouble::Lost(text),
    }
}

fn of_code(code: i32, message: &str) -> Trouble {
    match code {
        code::FAILED_PRECONDITION => Trouble::Precondition,
        code::INVALID_ARGUMENT => Trouble::Refused(message.to_owned()),
        code::ABORTED | code::CANCELLED | code::RESOURCE_EXHAUSTED => {
            Trouble::Lost(message.to_owned())
        }
        other => Trouble::Refused(format!("gRPC code {other}: {message}")),
    }
}

/// The crate prints whole statuses, with bytes and headers: what is left is the code and the message.
fn plain(text: &str) -> String {
    let said = || {
        let (before, status) = text.split_once("status: ")?;
        let (code, message) = status.split_once(", message: \"")?;
        let (message, _) = message.rsplit_once("\", details: [")?;
        let before = before.trim_end_matches("Unmapped gRPC connection error: ");
        Some(format!("{before}{code}: {message}"))
    };
    said().unwrap_or_else(|| text.to_owned())
}

impl Trouble {
    pub(super) fn of_append(self, stream: &StreamName, expected: Expected) -> AppendError {
        let unavailable = |cause, retry| AppendError::Unavailable { cause, retry };
        match self {
            Self::WrongRevision(current) => AppendError::WrongExpected {
                stream: stream.clone(),
                expected,
                current,
            },
            Self::Deleted => AppendError::StreamDeleted(stream.clone()),
            Self::Precondition => unavailable("a precondition failed".into(), false),
            Self::Refused(cause) => unavailable(cause, false),
            Self::Lost(cause) | Self::NotLeader(cause) => unavailable(cause, true),
            Self::Closed => unavailable(CLOSED.into(), false),
        }
    }

    pub(super) fn of_read(self, stream: Option<&StreamName>) -> ReadError {
        let unavailable = |cause, retry| ReadError::Unavailable { cause, retry };
        match (self, stream) {
            (Self::Deleted, Some(stream)) => ReadError::StreamDeleted(stream.clone()),
            (Self::Refused(cause), _) => unavailable(cause, false),
            (Self::Lost(cause) | Self::NotLeader(cause), _) => unavailable(cause, true),
            (Self::Closed, _) => unavailable(CLOSED.into(), false),
            (other @ (Self::WrongRevision(_) | Self::Precondition | Self::Deleted), _) => {
                unavailable(format!("{other:?}"), false)
            }
        }
    }
}

const CLOSED: &str = "it was closed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_status_the_code_and_the_message_are_told() {
        let status = "gRPC connection error: Unmapped gRPC connection error: status: Unknown, message: \"client error (Connect)\", \
                      details: [8, 16], metadata: MetadataMap { headers: {} }.";
        assert_eq!(
            plain(status),
            "gRPC connection error: Unknown: client error (Connect)"
        );
        assert_eq!(plain("Connection is closed."), "Connection is closed.");
    }
}
