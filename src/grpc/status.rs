//! One place that turns failures into statuses: code, stable reason, what the caller can do. Internals stay in our log.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::command::CommandError;
use crate::kernel::{Refusal, RefusalKind};
use crate::log::{AppendError, ReadError};

/// The `domain` of every `google.rpc.ErrorInfo` (AIP-193).
pub const DOMAIN: &str = "annals";

/// When a caller should try again where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// A status with its stable reason and a remedy, and nothing else.
#[must_use]
pub fn with_reason(code: Code, reason: &str, message: &str, remedy: &str) -> Status {
    Status::with_error_details(code, message, info(reason, remedy, []))
}

/// A refusal of the domain.
#[must_use]
pub fn refuse(refusal: &dyn Refusal) -> Status {
    let code = match refusal.kind() {
        RefusalKind::Argument => Code::InvalidArgument,
        RefusalKind::NotFound => Code::NotFound,
        RefusalKind::AlreadyExists => Code::AlreadyExists,
        RefusalKind::State => Code::FailedPrecondition,
        RefusalKind::Permission => Code::PermissionDenied,
    };
    let message = refusal.to_string();
    let mut details = info(refusal.reason(), refusal.remedy(), []);
    if code == Code::FailedPrecondition {
        details.add_precondition_failure_violation(refusal.reason(), "", message.clone());
    }
    Status::with_error_details(code, message, details)
}

/// All wrong fields at once. `reason` is `INVALID_ARGUMENT` unless the domain has a better one.
#[must_use]
pub fn invalid(reason: &str, violations: Vec<FieldViolation>) -> Status {
    let message = violations
        .iter()
        .map(|v| format!("{}: {}", v.field, v.description))
        .collect::<Vec<_>>()
        .join("; ");
    let mut details = info(
        reason,
        "correct the named fields and send the request again",
        [],
    );
    details.set_bad_request(violations);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// No token, or one that does not hold.
pub(super) fn unauthenticated(message: &str) -> Status {
    with_reason(
        Code::Unauthenticated,
        "UNAUTHENTICATED",
        message,
        "send `authorization: Bearer <token>` with a token that is signed by a configured key and has not expired",
    )
}

/// The caller may not. Says no more, so that nobody learns what exists.
pub(super) fn forbidden() -> Status {
    with_reason(
        Code::PermissionDenied,
        "PERMISSION",
        "the caller's role or ownership does not allow this",
        "call with a token of a role that may, on what is the caller's own",
    )
}

/// What a command that was not done answers.
#[must_use]
pub fn from_command_error(error: &CommandError) -> Status {
    match error {
        CommandError::Refused(refusal) => refuse(refusal.as_ref()),
        CommandError::NotOwner(_) => forbidden(),
        CommandError::RequestIdReused(_) => with_reason(
            Code::InvalidArgument,
            "REQUEST_ID_REUSED",
            &error.to_string(),
            "use a new request_id for a new request; keep it only for retries of the same one",
        ),
        CommandError::Conflict {
            current, between, ..
        } => {
            let current =
                current.map_or_else(|| "none".to_owned(), |revision| revision.to_string());
            let pairs = [
                ("current_revision", current),
                ("events_since", between.join(",")),
            ];
            let remedy =
                "read what changed, then send the command with the current revision or without one";
            Status::with_error_details(
                Code::Aborted,
                error.to_string(),
                info("REVISION_CONFLICT", remedy, pairs),
            )
        }
        CommandError::Contended { .. } => {
            let mut details = info("REVISION_CONFLICT", "send the same request again", []);
            details.set_retry_info(Some(RETRY_AFTER));
            Status::with_error_details(Code::Aborted, error.to_string(), details)
        }
        CommandError::Append(append) => from_append_error(append),
        CommandError::Read(read) => from_read_error(read),
        CommandError::Unreadable(wire) => {
            tracing::error!(error = %wire, "an event cannot be read");
            internal()
        }
    }
}

/// What a failed read answers.
#[must_use]
pub fn from_read_error(error: &ReadError) -> Status {
    match error {
        ReadError::Unavailable { cause, retry } => unavailable(cause, *retry),
        ReadError::Damaged { .. } | ReadError::StreamDeleted(_) | ReadError::Undecided(_) => {
            tracing::error!(%error, "the log cannot be read");
            with_reason(
                Code::DataLoss,
                "LOG_UNAVAILABLE",
                "the record is damaged",
                "tell the operator: the log must be verified",
            )
        }
    }
}

fn from_append_error(error: &AppendError) -> Status {
    match error {
        AppendError::Overloaded { retry_after, .. } => {
            overloaded("too many appends are waiting", *retry_after)
        }
        AppendError::StorageFull { cause, retry_after } => storage_full(cause, *retry_after),
        AppendError::Unavailable { cause, retry } => unavailable(cause, *retry),
        AppendError::Invalid { .. } | AppendError::TooLarge { .. } => invalid(
            "INVALID_ARGUMENT",
            vec![FieldViolation::new("request", error.to_string())],
        ),
        AppendError::WrongExpected { .. }
        | AppendError::StreamDeleted(_)
        | AppendError::Protected(_) => {
            tracing::error!(%error, "the log refused an append");
            internal()
        }
    }
}

/// More is asked than the server takes on.
#[must_use]
pub fn overloaded(message: &str, retry_after: Duration) -> Status {
    let mut details = info(
        "OVERLOADED",
        "wait as long as RetryInfo says, then send the same request again",
        [],
    );
    details.set_retry_info(Some(retry_after));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// The disk is full. The service resumes by itself, so the request is worth keeping.
fn storage_full(cause: &str, retry_after: Duration) -> Status {
    // The log's writer has said it, once and louder.
    tracing::debug!(cause, "there is no room for the log");
    let remedy = "tell the operator: the disk is full; send the same request again, with the same request_id, when there is room";
    let mut details = info("STORAGE_FULL", remedy, []);
    details.set_retry_info(Some(retry_after));
    let message = "there is no room left on the disk, nothing was acknowledged";
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

fn unavailable(cause: &str, retry: bool) -> Status {
    tracing::error!(cause, retry, "the log is unavailable");
    let remedy = if retry {
        "send the same request again, with the same request_id, when the service is healthy"
    } else {
        "tell the operator: the server has to be restarted; then send the same request again, with the same request_id"
    };
    let mut details = info("LOG_UNAVAILABLE", remedy, []);
    if retry {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    Status::with_error_details(Code::Unavailable, "the log is unavailable", details)
}

fn internal() -> Status {
    with_reason(
        Code::Internal,
        "INTERNAL",
        "an internal error, which was logged",
        "tell the operator the request id",
    )
}

fn info<const N: usize>(reason: &str, remedy: &str, pairs: [(&str, String); N]) -> ErrorDetails {
    let mut metadata: HashMap<String, String> = pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    metadata.insert("remedy".to_owned(), remedy.to_owned());
    ErrorDetails::with_error_info(reason, DOMAIN, metadata)
}
