//! Who may read, and that it is known who did.

use super::*;

#[tokio::test]
async fn reading_the_history_is_itself_history() {
    let world = world().await;
    world.list("service = tasks", "").await.unwrap();
    let head = world.logs["audit"].head().await.unwrap();
    assert_eq!(head, Position(1));
    let token = ConsistencyToken::new("audit", head).to_string();
    let events = world.list("service = audit", &token).await.unwrap();
    assert_eq!(events[0].r#type, "HistoryRead");
    assert_eq!(events[0].actor, AUDITOR.to_string());
    assert_eq!(events[0].stream, format!("access-{AUDITOR}"));
}

#[tokio::test]
async fn who_may_not_read_leaves_no_trace_and_gets_nothing() {
    let world = world().await;
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Auditor) {
        let list = world
            .audit
            .list_events(by(role, ListEventsRequest::default()))
            .await;
        let history = world
            .audit
            .get_history(by(role, GetHistoryRequest::default()))
            .await;
        let state = world
            .audit
            .get_state_as_of(by(role, GetStateAsOfRequest::default()))
            .await;
        for code in [
            list.unwrap_err().code(),
            history.unwrap_err().code(),
            state.unwrap_err().code(),
        ] {
            assert_eq!(code, Code::PermissionDenied, "{role:?}");
        }
    }
    assert_eq!(world.logs["audit"].head().await.unwrap(), Position::START);
}
