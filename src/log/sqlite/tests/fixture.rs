//! A log written by schema version 1, read for ever. Guards against: a change of the file or of the canonical bytes.
//!
//! `tests/vectors/log/v1/` holds the file and its dump. Neither may ever change; a new version gets a folder of its
//! own, written by running this with `ANNALS_WRITE_FIXTURE` set.

use std::path::Path;

use super::verbs::lively;
use super::{event, everything, open, stream};
use crate::log::sqlite::{SCHEMA_VERSION, dump, verify};
use crate::log::{EventLog, Expected};

#[tokio::test]
async fn a_log_of_schema_version_1_is_read_and_written_for_ever() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/log/v1");
    if std::env::var_os("ANNALS_WRITE_FIXTURE").is_some() {
        write(&fixture).await;
    }
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(fixture.join("log.db"), home.path().join("log.db")).unwrap();
    let found = verify(home.path(), |_, _| {}).unwrap();
    assert_eq!(found.damages, []);
    assert!(found.whole > 40);
    let mut lines = Vec::new();
    dump(home.path(), &mut lines, |_, _| {}).unwrap();
    let expected = std::fs::read_to_string(fixture.join("log.ndjson")).unwrap();
    assert_eq!(String::from_utf8(lines).unwrap(), expected);

    let log = open(home.path());
    let before = everything(&log).await.unwrap().len();
    log.append(&stream("a-1"), Expected::Exact(10), vec![event(900)])
        .await
        .unwrap();
    log.close().await;
    assert_eq!(
        everything(&open(home.path())).await.unwrap().len(),
        before + 1
    );
}

async fn write(fixture: &Path) {
    assert_eq!(SCHEMA_VERSION, 1, "this folder is version 1's");
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    lively(&log).await;
    log.close().await;
    std::fs::create_dir_all(fixture).unwrap();
    std::fs::copy(home.path().join("log.db"), fixture.join("log.db")).unwrap();
    let mut lines = Vec::new();
    dump(home.path(), &mut lines, |_, _| {}).unwrap();
    std::fs::write(fixture.join("log.ndjson"), lines).unwrap();
}
