//! Guards against stalls: what is over a limit must be answered, and what was counted must be given back.

use super::*;

use std::convert::Infallible;
use tonic_types::StatusExt as _;
use tower::service_fn;

const LIMITS: Limits = Limits {
    metadata_bytes: 256,
    concurrent_requests: 2,
    default_deadline: Duration::from_millis(50),
    max_deadline: Duration::from_millis(200),
};

fn request(headers: &[(&'static str, &str)]) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = "/annals.x.v1.X/Y".parse().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

fn status(response: &Response<Body>) -> Status {
    Status::from_header_map(response.headers()).unwrap_or_else(|| Status::ok(""))
}

fn reason(response: &Response<Body>) -> String {
    status(response)
        .get_details_error_info()
        .map_or_else(String::new, |info| info.reason)
}

async fn never(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_requests_are_answered_at_once_and_room_comes_back() {
    let mut service = LimitsLayer::new(LIMITS).layer(service_fn(never));
    let first = service.call(request(&[]));
    let second = service.call(request(&[]));
    let third = service.call(request(&[])).await.unwrap();
    assert_eq!(status(&third).code(), Code::ResourceExhausted);
    assert_eq!(reason(&third), "OVERLOADED");
    assert!(status(&third).get_details_retry_info().is_some());

    drop(first);
    let fourth = service.call(request(&[])).await.unwrap();
    assert_eq!(
        reason(&fourth),
        "DEADLINE_EXCEEDED",
        "a client that left gave its place back"
    );
    assert_eq!(reason(&second.await.unwrap()), "DEADLINE_EXCEEDED");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_honoured_and_capped_and_answered_before_the_client_gives_up() {
    let mut service = LimitsLayer::new(LIMITS).layer(service_fn(never));
    for (header, millis) in [
        (None, 50),
        (Some("100m"), 95),
        (Some("20m"), 18),
        (Some("1H"), 200),
    ] {
        let headers: Vec<_> = header
            .map(|text| ("grpc-timeout", text))
            .into_iter()
            .collect();
        let start = tokio::time::Instant::now();
        let answer = service.call(request(&headers)).await.unwrap();
        assert_eq!(status(&answer).code(), Code::DeadlineExceeded);
        assert_eq!(start.elapsed(), Duration::from_millis(millis), "{header:?}");
    }
    for wrong in ["", "m", "1", "123456789m", "-1m", "1x", "1 m"] {
        let answer = service
            .call(request(&[("grpc-timeout", wrong)]))
            .await
            .unwrap();
        assert_eq!(status(&answer).code(), Code::InvalidArgument, "{wrong:?}");
    }
}

#[tokio::test]
async fn metadata_over_the_limit_is_refused_and_at_the_limit_is_not() {
    let answer = |_| async { Ok::<_, Infallible>(Response::new(Body::empty())) };
    let mut service = LimitsLayer::new(LIMITS).layer(service_fn(answer));
    let name = "x-note";
    let fits = "y".repeat(LIMITS.metadata_bytes - name.len());
    let response = service.call(request(&[(name, &fits)])).await.unwrap();
    assert_eq!(status(&response).code(), Code::Ok);
    let response = service
        .call(request(&[(name, &format!("{fits}y"))]))
        .await
        .unwrap();
    assert_eq!(reason(&response), "METADATA_TOO_LARGE");
}

#[tokio::test]
async fn an_error_of_the_library_gets_a_reason_and_one_of_ours_keeps_its_own() {
    for (code, message, expected_code, expected_reason) in [
        (
            Code::OutOfRange,
            "too large",
            Code::ResourceExhausted,
            "MESSAGE_TOO_LARGE",
        ),
        (
            Code::Internal,
            "failed to decode Protobuf message",
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
        ),
        (
            Code::Unimplemented,
            "",
            Code::Unimplemented,
            "UNIMPLEMENTED",
        ),
    ] {
        let answer = move |_| async move {
            Ok::<_, Infallible>(Status::new(code, message).into_http::<Body>())
        };
        let response = LimitsLayer::new(LIMITS)
            .layer(service_fn(answer))
            .call(request(&[]))
            .await
            .unwrap();
        assert_eq!(
            (status(&response).code(), reason(&response).as_str()),
            (expected_code, expected_reason)
        );
    }
    let ours = |_| async {
        Ok::<_, Infallible>(
            with_reason(Code::NotFound, "TASK_UNKNOWN", "no", "look").into_http::<Body>(),
        )
    };
    let response = LimitsLayer::new(LIMITS)
        .layer(service_fn(ours))
        .call(request(&[]))
        .await
        .unwrap();
    assert_eq!(reason(&response), "TASK_UNKNOWN");
}
