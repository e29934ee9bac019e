//! What an answer means for an import: one table.

use std::error::Error as _;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// What to do about a status.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The server is away, busy or slow: send it again, not before so long.
    Again(Option<Duration>),
    /// A mistake of the server, which a second try may pass.
    Flaky,
    /// The command was decided, and the answer is no, for this reason.
    Refused(String),
    /// It cannot be sent.
    Failed,
    /// No further command would fare better.
    Stop,
}

/// Reads `status`.
pub(super) fn meaning(status: &Status) -> Meaning {
    // A status that was made on this side, from a connection that broke, has a source; one that was received has none.
    if status.source().is_some() {
        return Meaning::Again(None);
    }
    let retry = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    if retry.is_some() {
        return Meaning::Again(retry);
    }
    match status.code() {
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Cancelled => {
            Meaning::Again(None)
        }
        Code::Unauthenticated => Meaning::Stop,
        Code::Internal | Code::Unknown => Meaning::Flaky,
        Code::DataLoss | Code::Unimplemented | Code::Ok => Meaning::Failed,
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange => status
            .get_details_error_info()
            .map_or(Meaning::Failed, |info| Meaning::Refused(info.reason)),
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_reason_is_a_refusal_and_a_retry_delay_is_none() {
        let mut details = ErrorDetails::with_error_info("PLACEMENT_NOT_ACTIVE", "annals", []);
        let refused = Status::with_error_details(Code::FailedPrecondition, "no", details.clone());
        assert_eq!(
            meaning(&refused),
            Meaning::Refused("PLACEMENT_NOT_ACTIVE".to_owned())
        );
        details.set_retry_info(Some(Duration::from_millis(7)));
        let later = Status::with_error_details(Code::Aborted, "later", details);
        assert_eq!(
            meaning(&later),
            Meaning::Again(Some(Duration::from_millis(7)))
        );
    }

    #[test]
    fn what_breaks_on_this_side_is_tried_again() {
        let broken = Status::from_error("connection reset".into());
        assert_eq!(broken.code(), Code::Unknown);
        assert_eq!(meaning(&broken), Meaning::Again(None));
        assert_eq!(
            meaning(&Status::unknown("handler panicked")),
            Meaning::Flaky
        );
    }

    #[test]
    fn an_answer_without_a_reason_is_no_refusal() {
        assert_eq!(meaning(&Status::not_found("what?")), Meaning::Failed);
        assert_eq!(meaning(&Status::unimplemented("")), Meaning::Failed);
        assert_eq!(meaning(&Status::unauthenticated("")), Meaning::Stop);
    }
}
