//! Guards against: a filtered read that touches what it does not want, or loses what follows.

use super::damage::{tamper, written};
use super::{event, open, stream};
use crate::kernel::{Position, StreamName};
use crate::log::{Direction, EventLog, Expected, Filter, Match, ReadError};

const BOTH: [Direction; 2] = [Direction::Forward, Direction::Backward];

#[tokio::test]
async fn payloads_that_are_not_wanted_are_not_looked_at() {
    let home = tempfile::tempdir().unwrap();
    written(home.path()).await;
    tamper(
        home.path(),
        "UPDATE events SET data = x'7b7d' WHERE position = 3",
    );
    let log = open(home.path());
    let expression = |text| Filter::by_stream(Match::expression(text).unwrap());
    for direction in BOTH {
        for others in [Match::one_of(["a-1"]), Match::expression("1$").unwrap()] {
            let filter = Filter::by_stream(others);
            let slice = log.read_all(None, direction, 10, &filter).await.unwrap();
            assert_eq!(slice.events.len(), 3);
            let survey = log.survey(Position::START, 10, &filter).await.unwrap();
            assert_eq!(survey.slice.events.len(), 3);
        }
        let found = log
            .read_all(None, direction, 10, &expression("^a-(?=0)"))
            .await;
        assert!(matches!(found, Err(ReadError::Damaged { .. })), "{found:?}");
    }
}

#[tokio::test]
async fn a_hole_is_named_whatever_passes() {
    let home = tempfile::tempdir().unwrap();
    written(home.path()).await;
    tamper(home.path(), "DELETE FROM events WHERE position = 3");
    let log = open(home.path());
    for direction in BOTH {
        let nothing = Filter::by_type(Match::prefixes(["z"]));
        let found = log.read_all(None, direction, 10, &nothing).await;
        assert!(matches!(found, Err(ReadError::Damaged { .. })), "{found:?}");
        let found = log.survey(Position::START, 10, &nothing).await;
        assert!(matches!(found, Err(ReadError::Damaged { .. })), "{found:?}");
    }
}

#[tokio::test]
async fn verdicts_of_one_filter_are_not_those_of_the_next() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    for turn in 0..40 {
        let s = stream(&format!("a-{turn}"));
        log.append(&s, Expected::Any, vec![event(turn)])
            .await
            .unwrap();
    }
    for _ in 0..2 {
        for digit in 0..10 {
            let ends = Filter::by_stream(Match::expression(&format!("{digit}$")).unwrap());
            let slice = log.read_all(None, Direction::Forward, 99, &ends).await;
            let slice = slice.unwrap();
            let names: Vec<&str> = slice.events.iter().map(|e| e.stream.as_str()).collect();
            let expected = [0, 1, 2, 3].map(|ten| stream(&format!("a-{}", ten * 10 + digit)));
            assert_eq!(names, expected.each_ref().map(StreamName::as_str));
            assert_eq!(slice.examined, Position(40));
        }
    }
}
