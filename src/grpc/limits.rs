//! How much is taken at once, for how long: past it the answer is an error with a reason, never a stall.
//!
//! Also completes the errors that the gRPC library itself answers (message too large, not protobuf, no such method),
//! so that every error of Annals carries an `ErrorInfo`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::status::{overloaded, with_reason};

/// When to come back after `OVERLOADED`: about as long as the requests under way take at most when the disk is busy.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// We answer so long before the client's deadline, that the answer reaches it before it gives up.
const ANSWER_AHEAD: Duration = Duration::from_millis(5);
/// Health answers while everything else is refused, or the machine's keeper restarts what is merely busy.
const UNCOUNTED: &str = "/grpc.health.v1.Health/";

/// The limits in force.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest metadata in bytes, names and values.
    pub metadata_bytes: usize,
    /// Requests under way at once.
    pub concurrent_requests: usize,
    /// Deadline of a request that names none.
    pub default_deadline: Duration,
    /// Longest deadline that is honoured.
    pub max_deadline: Duration,
}

/// Puts [`Limited`] before a service; all copies count together.
#[derive(Clone)]
pub struct LimitsLayer {
    limits: Limits,
    under_way: Arc<AtomicUsize>,
}

/// Counts, times and measures requests.
#[derive(Clone)]
pub struct Limited<S> {
    limits: Limits,
    under_way: Arc<AtomicUsize>,
    inner: S,
}

/// One request under way; gone when it is answered, cut off, or its client left.
struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl LimitsLayer {
    /// Holds requests to `limits`.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            under_way: Arc::default(),
        }
    }
}

impl<S> Layer<S> for LimitsLayer {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited {
            limits: self.limits,
            under_way: Arc::clone(&self.under_way),
            inner,
        }
    }
}

impl<S> Service<Request<Body>> for Limited<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let admitted = self.admit(&request);
        let deadline = self.deadline(request.headers());
        let (under_way, deadline) = match (admitted, deadline) {
            (Ok(under_way), Ok(deadline)) => (under_way, deadline),
            (Err(status), _) | (_, Err(status)) => {
                return Box::pin(std::future::ready(Ok(status.into_http())));
            }
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let _under_way = under_way;
            match tokio::time::timeout(deadline, answer).await {
                Ok(answer) => answer.map(completed),
                Err(_elapsed) => Ok(too_late(deadline).into_http()),
            }
        })
    }
}

impl<S> Limited<S> {
    fn admit(&self, request: &Request<Body>) -> Result<Option<UnderWay>, Status> {
        let bytes = metadata_bytes(request.headers());
        if bytes > self.limits.metadata_bytes {
            return Err(with_reason(
                Code::ResourceExhausted,
                "METADATA_TOO_LARGE",
                &format!(
                    "metadata of {bytes} bytes is larger than {}",
                    self.limits.metadata_bytes
                ),
                "send less metadata; repeating the same request cannot succeed",
            ));
        }
        if request.uri().path().starts_with(UNCOUNTED) {
            return Ok(None);
        }
        let under_way = UnderWay(Arc::clone(&self.under_way));
        if self.under_way.fetch_add(1, Ordering::Acquire) >= self.limits.concurrent_requests {
            let message = format!(
                "{} requests are under way, which is the limit",
                self.limits.concurrent_requests
            );
            return Err(overloaded(&message, RETRY_AFTER));
        }
        Ok(Some(under_way))
    }

    fn deadline(&self, headers: &HeaderMap) -> Result<Duration, Status> {
        let Some(value) = headers.get("grpc-timeout") else {
            return Ok(self.limits.default_deadline);
        };
        let asked = value.to_str().ok().and_then(timeout).ok_or_else(|| {
            with_reason(
                Code::InvalidArgument,
                "INVALID_ARGUMENT",
                "grpc-timeout is not 1 to 8 digits and a unit (H, M, S, m, u or n)",
                "send a deadline as the gRPC specification writes it",
            )
        })?;
        let ahead = ANSWER_AHEAD.min(asked / 10);
        Ok(asked.saturating_sub(ahead).min(self.limits.max_deadline))
    }
}

fn metadata_bytes(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

/// Reads `grpc-timeout`.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

fn too_late(deadline: Duration) -> Status {
    with_reason(
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
        &format!("not done within {} ms", deadline.as_millis()),
        "it may have taken effect: send it again with the same request_id to learn the outcome",
    )
}

/// Gives an error that carries no details the reason it lacks. Those are the gRPC library's own: what Annals
/// refuses carries details already.
fn completed(response: Response<Body>) -> Response<Body> {
    let bare = |headers: &HeaderMap| {
        headers.get("grpc-status").is_some_and(|code| code != "0")
            && !headers.contains_key("grpc-status-details-bin")
    };
    if !bare(response.headers()) {
        return response;
    }
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    let message = match status.message() {
        "" => "no such service or method",
        message => message,
    };
    let (code, reason, remedy) = match status.code() {
        Code::OutOfRange => (
            Code::ResourceExhausted,
            "MESSAGE_TOO_LARGE",
            "send a smaller request; `annals config show` names the limit",
        ),
        Code::Unimplemented => (
            Code::Unimplemented,
            "UNIMPLEMENTED",
            "server reflection lists the services and methods there are",
        ),
        Code::Internal if message.contains("decode") => (
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
            "send a protobuf message of the type that the method takes",
        ),
        code @ (Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated) => (code, "TRANSPORT", "see the message"),
    };
    with_reason(code, reason, message, remedy).into_http()
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
