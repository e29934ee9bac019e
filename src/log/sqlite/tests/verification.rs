//! The operators' verbs that only look: figures and verification.

use super::damage::tamper;
use super::{lively, open};
use crate::log::EventLog as _;
use crate::log::sqlite::{SCHEMA_VERSION, stat, verify};

#[tokio::test]
async fn figures_of_a_log_that_is_being_served() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    lively(&log).await;
    let head = log.head().await.unwrap();
    let figures = stat(home.path()).unwrap();
    assert_eq!(
        (figures.head, figures.events, figures.scavenged),
        (head, head.0, 0)
    );
    assert_eq!((figures.schema, figures.types), (SCHEMA_VERSION, 3));
    assert!(figures.wal_bytes > 0 && figures.last_recorded.is_some());
    assert!(stat(&home.path().join("nowhere")).is_err());
}

#[tokio::test]
async fn verification_of_a_whole_log_finds_nothing_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    lively(&log).await;
    let found = verify(home.path(), |_, _| {}).unwrap();
    assert_eq!(
        (found.damaged, found.whole),
        (0, log.head().await.unwrap().0),
        "{found:?}"
    );
    log.close().await;
    let before = std::fs::read(home.path().join("log.db")).unwrap();
    assert_eq!(verify(home.path(), |_, _| {}).unwrap(), found);
    assert_eq!(std::fs::read(home.path().join("log.db")).unwrap(), before);
    // A look from beside must not make the next open believe in a crash.
    open(home.path()).close().await;
}

#[tokio::test]
async fn verification_names_every_damage() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    lively(&log).await;
    log.close().await;
    tamper(
        home.path(),
        "UPDATE events SET data = x'00' WHERE position = 4;
         UPDATE events SET recorded = recorded + 1 WHERE position = 8;
         DELETE FROM events WHERE position = 11;",
    );
    let found = verify(home.path(), |_, _| {}).unwrap();
    let named: Vec<_> = found
        .damages
        .iter()
        .map(|damage| (damage.position.0, damage.stream.as_str()))
        .collect();
    // The stream index still leads to position 11.
    assert_eq!(
        named,
        [(4, "a-0"), (8, "a-1"), (11, "unknown"), (11, "a-1")],
        "{found:?}"
    );
}
