//! A stream's state as of then.

use super::*;
use crate::projection::timestamp;
use crate::proto::annals::audit::v1::get_state_as_of_request::AsOf;

#[tokio::test]
async fn a_past_state_is_that_of_the_events_until_then() {
    let world = world().await;
    for date in ["2026-02-02", "2026-02-04", "2026-02-03"] {
        world.clocked(date).await;
    }
    let stream = StreamName::of("attendance", PLACEMENT).to_string();
    let ask = async |as_of: Option<AsOf>| {
        let request = GetStateAsOfRequest {
            stream: stream.clone(),
            as_of,
        };
        world
            .audit
            .get_state_as_of(by(Role::Auditor, request))
            .await
            .map(tonic::Response::into_inner)
    };
    let shown = |reply: &crate::proto::annals::audit::v1::GetStateAsOfResponse| {
        Value::Object(crate::projection::from_struct(reply.state.clone().unwrap()))
    };
    let second = ask(Some(AsOf::Revision(1))).await.unwrap();
    assert_eq!(
        (second.revision, shown(&second)),
        (1, json!({"events": 2, "date": "2026-02-04"}))
    );
    let noon = Moment::parse("2026-02-03T12:00:00Z").unwrap();
    let happened = ask(Some(AsOf::OccurredAt(timestamp(noon)))).await.unwrap();
    assert_eq!(
        (happened.revision, shown(&happened)),
        (2, json!({"events": 2, "date": "2026-02-03"}))
    );
    let now = ask(Some(AsOf::RecordedAt(timestamp(
        Moment::parse("9000-01-01T00:00:00Z").unwrap(),
    ))))
    .await
    .unwrap();
    assert_eq!(now.revision, 2);

    for as_of in [
        AsOf::Revision(3),
        AsOf::RecordedAt(timestamp(Moment::EPOCH)),
    ] {
        assert_eq!(ask(Some(as_of)).await.unwrap_err().code(), Code::NotFound);
    }
    assert_eq!(ask(None).await.unwrap_err().code(), Code::InvalidArgument);
    let elsewhere = GetStateAsOfRequest {
        stream: "nothing-1".into(),
        as_of: Some(AsOf::Revision(0)),
    };
    let elsewhere = world
        .audit
        .get_state_as_of(by(Role::Auditor, elsewhere))
        .await;
    assert_eq!(elsewhere.unwrap_err().code(), Code::NotFound);
}
