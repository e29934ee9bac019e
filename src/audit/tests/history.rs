//! What is found in the history, by object and by filter.

use super::*;

#[tokio::test]
async fn an_object_shows_its_history_by_occurrence_with_what_each_event_says() {
    let world = world().await;
    world.clocked("2026-02-03").await;
    let token = world.clocked("2026-02-02").await.to_string();
    let request = GetHistoryRequest {
        target_id: PLACEMENT.to_string(),
        consistency_token: token,
        ..GetHistoryRequest::default()
    };
    let reply = world
        .audit
        .get_history(by(Role::Auditor, request))
        .await
        .unwrap()
        .into_inner();
    let dates: Vec<&prost_types::Value> = reply
        .events
        .iter()
        .map(|event| &event.data.as_ref().unwrap().fields["date"])
        .collect();
    assert_eq!(
        dates[0].kind,
        Some(prost_types::value::Kind::StringValue("2026-02-02".into()))
    );
    assert_eq!(
        dates[1].kind,
        Some(prost_types::value::Kind::StringValue("2026-02-03".into()))
    );
    assert_eq!(reply.events[0].revision, 1);
    assert_eq!(reply.events[0].role, "STUDENT");
    assert_eq!(reply.events[0].service, "attendance");
}

/// Three tasks of each of two placements, the later task first, and remarks about others in the text. Two events a request.
async fn busy() -> (World, Vec<(Value, String)>) {
    let world = world().await;
    let mut told = Vec::new();
    for (n, day) in [9, 3, 7, 5, 8, 4].into_iter().enumerate() {
        let placement = Uuid::from_u128(0xb1 + n as u128 % 2);
        let task = Uuid::from_u128(0x7a00 + n as u128);
        let other = Uuid::from_u128(0x7a00 + (n as u128 + 2) % 6);
        let [request, date] = [format!("request {}", n / 3), format!("2026-02-{day:02}")];
        let ids = json!({"placement_id": placement, "internship_id": INTERNSHIP});
        let with = |more: Value| {
            let mut all = ids.clone();
            all.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            all
        };
        let remark = format!("{other} is like it: {{\"task_id\":\"{other}\"}}");
        for (stream, event_type, data) in [
            (
                "worklist",
                "TaskAssigned",
                with(json!({"task_id": task, "title": "count"})),
            ),
            (
                "worklist",
                "SubmissionReviewed",
                with(json!({"task_id": task, "personal": {"feedback": remark}})),
            ),
            ("attendance", "ClockedIn", with(json!({"date": date}))),
        ] {
            let token = world
                .happened(stream, placement, event_type, &request, &date, data.clone())
                .await;
            world
                .list("service = none", &token.to_string())
                .await
                .unwrap();
            told.push((data, derived_id(&[request.as_bytes()]).to_string()));
        }
    }
    (world, told)
}

fn data(event: &Event) -> Value {
    Value::Object(crate::projection::from_struct(event.data.clone().unwrap()))
}

#[tokio::test]
async fn a_history_holds_the_events_that_name_the_object_and_no_other_whatever_the_page() {
    let (world, told) = busy().await;
    let tasks = (0..6).map(|n| Uuid::from_u128(0x7a00 + n));
    for target in [PLACEMENT, INTERNSHIP, Uuid::from_u128(0xb2), AUDITOR]
        .into_iter()
        .chain(tasks)
    {
        let names = |data: &Value| {
            let fields = data.as_object().unwrap().values();
            fields.into_iter().any(|value| *value == json!(target))
        };
        let expected: Vec<&Value> = told
            .iter()
            .map(|(data, _)| data)
            .filter(|data| names(data))
            .collect();
        let whole = world.history(target, 1_000).await;
        let happened: Vec<_> = whole
            .iter()
            .map(|event| event.occurred_at.unwrap().seconds)
            .collect();
        assert!(happened.is_sorted(), "{target}");
        for size in [1, 2, 5] {
            assert_eq!(
                world.history(target, size).await,
                whole,
                "{target} by {size}"
            );
        }
        let filter = format!("target = \"{target}\"");
        for found in [whole, world.list_paged(&filter, 2).await] {
            assert_eq!(found.len(), expected.len(), "{target}");
            let found: Vec<Value> = found.iter().map(data).collect();
            assert!(expected.iter().all(|data| found.contains(data)), "{target}");
        }
    }
}

#[tokio::test]
async fn what_belongs_to_one_request_is_found_whatever_the_page() {
    let (world, told) = busy().await;
    let request = told[0].1.clone();
    for filter in [
        format!("request_id = \"{request}\""),
        format!("correlation_id = \"{request}\" AND service != audit"),
        format!("request_id = \"{request}\" AND target = \"{INTERNSHIP}\""),
    ] {
        let whole = world.list_paged(&filter, 1_000).await;
        assert_eq!(whole.len(), told.len() / 2, "{filter}");
        assert!(whole.iter().all(|event| event.request_id == request));
        for size in [1, 2, 4] {
            assert_eq!(
                world.list_paged(&filter, size).await,
                whole,
                "{filter} by {size}"
            );
        }
    }
}

#[tokio::test]
async fn filters_name_every_aspect_of_an_event() {
    let world = world().await;
    let token = world.clocked("2026-02-03").await.to_string();
    let id = derived_id(&[b"2026-02-03"]);
    for filter in [
        "service = attendance".to_owned(),
        format!("stream = \"attendance-{PLACEMENT}\""),
        format!("actor = \"{}\"", Uuid::from_u128(0x57)),
        "role = STUDENT AND action = ClockedIn".to_owned(),
        "type = ClockedIn".to_owned(),
        format!("target = \"{PLACEMENT}\""),
        "occurred_at >= \"2026-02-03T09:00:00Z\" AND occurred_at < \"2026-02-04T00:00:00Z\""
            .to_owned(),
        format!("request_id = \"{id}\" AND correlation_id = \"{id}\" AND imported = false"),
    ] {
        assert_eq!(
            world.list(&filter, &token).await.unwrap().len(),
            1,
            "{filter}"
        );
        let none = format!("{filter} AND service = tasks");
        assert_eq!(world.list(&none, &token).await.unwrap().len(), 0, "{none}");
    }
    let wrong = world.list("servce = a", "").await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    assert!(
        wrong.message().contains("did you mean service"),
        "{}",
        wrong.message()
    );
}
