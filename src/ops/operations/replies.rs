//! What the parts say, as the protocol says it.

use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::grpc::with_reason;
use crate::kernel::{Moment, Position};
use crate::processes::{ProcessStatus, StoreError};
use crate::projection::{self, ProjectionError, ProjectionStatus};
use crate::proto::annals::operations::v1::{Operation, Process, Projection, SourceProgress};

pub(super) fn projection(status: ProjectionStatus) -> Projection {
    let state = match (&status.failure, status.rebuilding) {
        (Some(_), _) => "FAILED",
        (None, true) => "REBUILDING",
        (None, false) => "LIVE",
    };
    let sources = status.sources.into_iter();
    Projection {
        name: status.name,
        state: state.to_owned(),
        sources: sources
            .map(|source| progress(source.service, source.position, source.head))
            .collect(),
        parked: count(status.parked),
        skipped: count(status.skipped),
    }
}

pub(super) fn process(status: &ProcessStatus) -> Process {
    Process {
        name: status.process.to_owned(),
        source: Some(progress(
            status.service.to_owned(),
            status.position,
            status.head,
        )),
        parked: count(status.parked),
    }
}

pub(super) fn operation(operation: projection::Operation) -> Operation {
    Operation {
        name: operation.name,
        done: operation.done,
        progress: operation.progress,
        error: operation.error,
        started_at: Some(timestamp(operation.started_at)),
    }
}

pub(super) fn timestamp(at: Moment) -> Timestamp {
    let micros = at.unix_micros();
    Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or_default(),
    }
}

/// What a failing projection answers; the details stay in our log.
pub(super) fn projection_error(error: &ProjectionError) -> Status {
    match error {
        ProjectionError::Unknown { .. } => with_reason(
            Code::NotFound,
            "PROJECTION_UNKNOWN",
            &error.to_string(),
            "ListProjections shows what there is",
        ),
        ProjectionError::Closed => with_reason(
            Code::Unavailable,
            "LOG_UNAVAILABLE",
            "the server is stopping",
            "send the same request again when it is back",
        ),
        ProjectionError::NoLog { .. } | ProjectionError::Store(_) => internal(error),
    }
}

/// What a failing store of the processes answers.
pub(super) fn store_error(error: &StoreError) -> Status {
    match error {
        StoreError::File(_) | StoreError::Unusable { .. } => internal(error),
        StoreError::Elsewhere => with_reason(
            Code::FailedPrecondition,
            "ANOTHER_SERVER_LEADS",
            "another server runs the processes now",
            "ask the others: one of them does it",
        ),
    }
}

fn internal(error: &dyn std::error::Error) -> Status {
    tracing::error!(%error, "an operation failed");
    with_reason(
        Code::Internal,
        "INTERNAL",
        "an internal error, which was logged",
        "look at the server's log",
    )
}

fn progress(service: String, position: Position, head: Position) -> SourceProgress {
    SourceProgress {
        service,
        position: position.0,
        head: head.0,
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
