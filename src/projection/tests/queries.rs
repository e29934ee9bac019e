//! A read model is asked: in pages, wrongly, and without end.

use serde_json::{Map, json};

use super::world::{WAIT, World, ask, words};
use crate::kernel::{ConsistencyToken, Position};
use crate::projection::{Ask, Projections, QueryError, Rows};

async fn all_pages(projections: &Projections, filter: &str, size: i32) -> Vec<String> {
    let (parameters, mut token, mut words) = (Map::new(), String::new(), Vec::new());
    loop {
        let asked = Ask {
            filter,
            page_size: size,
            page_token: &token,
            ..ask("list", &parameters)
        };
        let Rows {
            rows,
            next_page_token,
        } = projections.query(asked).await.unwrap();
        assert!(rows.len() <= usize::try_from(size).unwrap());
        words.extend(
            rows.iter()
                .map(|row| row["word"].as_str().unwrap().to_owned()),
        );
        if next_page_token.is_empty() {
            return words;
        }
        token = next_page_token;
    }
}

#[tokio::test]
async fn pages_of_any_size_hold_every_row_once_and_in_order() {
    let world = World::new();
    let projections = world.start(words()).await;
    let mut token = ConsistencyToken::new("one", Position::START);
    for n in 0..25 {
        token = world.says("one-a", &format!("w{n:02}"), n).await;
    }
    projections.wait_for("words", &token, WAIT).await.unwrap();
    let every: Vec<String> = (0..25).map(|n| format!("w{n:02}")).collect();
    for size in [1, 4, 5, 25, 1_000] {
        assert_eq!(all_pages(&projections, "", size).await, every);
    }
    assert_eq!(
        all_pages(&projections, "ones >= 20 OR word = w03", 2).await,
        ["w03", "w20", "w21", "w22", "w23", "w24"]
    );
    assert_eq!(
        all_pages(&projections, "NOT word:\"w0\" AND ones < 12", 2).await,
        ["w10", "w11"]
    );
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_by_name() {
    let world = World::new();
    let projections = world.start(words()).await;
    let token = world.says("one-a", "a", 1).await;
    let token = {
        world.says("one-a", "b", 1).await;
        token
    };
    projections.wait_for("words", &token, WAIT).await.unwrap();
    let none = Map::new();
    let by_name = Map::from_iter([("word".to_owned(), json!("a"))]);
    let list_word = Map::from_iter([("wrd".to_owned(), json!("a"))]);
    let first = projections
        .query(Ask {
            page_size: 1,
            ..ask("list", &none)
        })
        .await
        .unwrap();
    assert!(
        projections
            .query(ask("one", &by_name))
            .await
            .unwrap()
            .rows
            .len()
            == 1
    );
    let projections = &projections;
    let text = |asked| async move { projections.query(asked).await.unwrap_err().to_string() };
    assert_eq!(
        text(Ask {
            model: "word",
            ..ask("list", &none)
        })
        .await,
        "no read model word; did you mean words?"
    );
    assert_eq!(
        text(ask("lst", &none)).await,
        "read model words has no query lst; did you mean list?"
    );
    assert_eq!(
        text(ask("one", &none)).await,
        "parameter word: it is missing"
    );
    assert_eq!(
        text(ask("one", &list_word)).await,
        "parameter wrd: the query has no such parameter"
    );
    assert_eq!(
        text(Ask {
            filter: "wrd = a",
            ..ask("list", &none)
        })
        .await,
        "filter: at character 1: no column wrd; did you mean word?"
    );
    for size in [-1, 1_001, i32::MIN] {
        assert!(
            text(Ask {
                page_size: size,
                ..ask("list", &none)
            })
            .await
            .contains("0 to 1000")
        );
    }
    let elsewhere = Ask {
        page_token: &first.next_page_token,
        filter: "ones = 1",
        ..ask("list", &none)
    };
    assert!(text(elsewhere).await.contains("other fields"));
    let (filter, page_token) = ("", "%%");
    assert!(
        text(Ask {
            filter,
            page_token,
            ..ask("list", &none)
        })
        .await
        .contains("page_token")
    );
}

#[tokio::test]
async fn a_query_without_end_is_ended() {
    let world = World::new();
    let projections = world.start(words()).await;
    let outcome = projections.query(ask("endless", &Map::new())).await;
    assert!(
        matches!(outcome, Err(QueryError::TooLong(_))),
        "{outcome:?}"
    );
    projections.query(ask("list", &Map::new())).await.unwrap();
}
