//! A read model is built anew: beside the old rows where the folder changed, and where its file cannot be trusted.

use std::path::Path;
use std::sync::Arc;

use serde_json::Map;
use uuid::Uuid;

use super::world::{WAIT, World, append, ask, list, settled, words};
use crate::kernel::{ConsistencyToken, Position};

#[tokio::test]
async fn a_changed_folder_is_rebuilt_beside_the_old_rows_and_unparks_what_it_can_apply() {
    let world = World::new();
    let projections = world.start(words()).await;
    append(
        &world.one,
        "one-a",
        "OneSaid",
        r#"{"word":"tern","times":null}"#.to_owned(),
    )
    .await;
    let token = world.says("one-b", "gull", 1).await;
    projections.wait_for("words", &token, WAIT).await.unwrap();
    projections.close().await;

    let mut changed = words();
    changed.on.insert(
        "OneSaid".to_owned(),
        "INSERT INTO word (word, ones) VALUES (:word, 10 * coalesce(:times, 1))".to_owned(),
    );
    let projections = world.start(changed).await;
    let wanted = [
        "word | word=gull | ones=10 | twos=0",
        "word | word=tern | ones=10 | twos=0",
    ];
    while list(&projections).await != wanted {
        tokio::task::yield_now().await;
    }
    while projections.status().await[0].rebuilding {
        tokio::task::yield_now().await;
    }
    assert_eq!(projections.status().await[0].parked, 0);
    projections.close().await;
    assert_eq!(
        files(world.dir.path()),
        ["words.2.db"],
        "the old file is gone"
    );
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "db"))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_under_writes_gives_the_same_rows_and_queries_never_stop() {
    let world = Arc::new(World::new());
    let projections = world.start(words()).await;
    let writer = tokio::spawn({
        let world = Arc::clone(&world);
        async move {
            let mut token = ConsistencyToken::new("one", Position::START);
            for round in 0..600 {
                let stream = if round % 2 == 0 { "one-a" } else { "two-a" };
                token = world.says(stream, &format!("w{}", round % 7), 1).await;
            }
            token
        }
    });
    for round in 0..3 {
        let operation = projections
            .rebuild("words", Uuid::from_u128(round))
            .unwrap();
        let again = projections
            .rebuild("words", Uuid::from_u128(round))
            .unwrap();
        assert_eq!(
            again.name, operation.name,
            "the same request is the same operation"
        );
        while !projections.operation(&operation.name).unwrap().done {
            projections.query(ask("list", &Map::new())).await.unwrap();
        }
        assert_eq!(projections.operation(&operation.name).unwrap().error, "");
    }
    let token = writer.await.unwrap();
    projections.wait_for("words", &token, WAIT).await.unwrap();
    let live = list(&projections).await;
    let spoken: i64 = projections
        .query(ask("list", &Map::new()))
        .await
        .unwrap()
        .rows
        .iter()
        .map(|row| row["ones"].as_i64().unwrap() + row["twos"].as_i64().unwrap())
        .sum();
    assert_eq!(spoken, 600);
    let operation = projections.rebuild("words", Uuid::from_u128(9)).unwrap();
    settled(&projections, &operation.name).await;
    assert_eq!(list(&projections).await, live);
    projections.close().await;
}

#[tokio::test]
async fn a_file_that_the_machine_may_not_have_written_out_is_built_anew() {
    let world = World::new();
    let token = world.says("one-a", "tern", 1).await;
    for (closed, file) in [(1, "words.1.db"), (0, "words.2.db")] {
        let projections = world.start(words()).await;
        projections.wait_for("words", &token, WAIT).await.unwrap();
        assert_eq!(list(&projections).await.len(), 1);
        projections.close().await;
        let path = world.dir.path().join("words.1.db");
        let conn = rusqlite::Connection::open(path).unwrap();
        let stored: i64 = conn
            .query_row("SELECT closed FROM annals_model", [], |row| row.get(0))
            .unwrap();
        assert_eq!(stored, 1, "a proper end says so");
        conn.execute(
            "UPDATE annals_model SET boot = 'an earlier start', closed = ?1",
            [closed],
        )
        .unwrap();
        drop(conn);
        let projections = world.start(words()).await;
        projections.wait_for("words", &token, WAIT).await.unwrap();
        assert_eq!(
            list(&projections).await,
            ["word | word=tern | ones=1 | twos=0"]
        );
        projections.close().await;
        assert_eq!(files(world.dir.path()), [file]);
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_built_anew() {
    let world = World::new();
    let token = world.says("one-a", "tern", 1).await;
    std::fs::write(world.dir.path().join("words.7.db"), vec![b'x'; 8192]).unwrap();
    let projections = world.start(words()).await;
    projections.wait_for("words", &token, WAIT).await.unwrap();
    assert_eq!(
        list(&projections).await,
        ["word | word=tern | ones=1 | twos=0"]
    );
}
