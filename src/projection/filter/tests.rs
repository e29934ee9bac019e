//! Guards against: a filter that means something else than it says, or reaches the SQL unread.

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

fn compiled(text: &str) -> Result<Option<Compiled>, FilterError> {
    let plain = ["state", "score", "recorded_at"].map(str::to_owned);
    let conditions = BTreeMap::from([(
        "target".to_owned(),
        "id IN (SELECT id FROM t WHERE x = :value)".to_owned(),
    )]);
    compile(
        text,
        &Columns {
            plain: &plain,
            conditions: &conditions,
        },
    )
}

fn sql(text: &str) -> String {
    compiled(text).unwrap().unwrap().sql
}

fn problem(text: &str) -> (usize, String) {
    let error = compiled(text).unwrap_err();
    (error.position, error.problem)
}

#[test]
fn or_binds_tighter_than_and() {
    assert_eq!(
        sql("state = a OR state = b AND score > 3"),
        "(((q.\"state\" = :annals_f0) OR (q.\"state\" = :annals_f1)) AND (q.\"score\" > :annals_f2))"
    );
}

#[test]
fn a_negation_holds_for_what_is_not_set() {
    assert_eq!(
        sql("NOT state = a"),
        "((q.\"state\" = :annals_f0) IS NOT TRUE)"
    );
    assert_eq!(sql("-state:*"), "((q.\"state\" IS NOT NULL) IS NOT TRUE)");
    assert_eq!(
        sql("state != a"),
        "(q.\"state\" IS DISTINCT FROM :annals_f0)"
    );
}

#[test]
fn a_condition_is_put_in_place_of_its_name() {
    assert_eq!(
        sql("target = \"x\""),
        "(id IN (SELECT id FROM t WHERE x = :annals_f0))"
    );
    assert_eq!(problem("target < 3").0, 1);
}

#[test]
fn literals_have_the_stored_form() {
    let values = |text: &str| compiled(text).unwrap().unwrap().values;
    let text = |value: &'static str| Bound::Text(Cow::Borrowed(value));
    assert_eq!(values("score = -3"), [Bound::Integer(-3)]);
    assert_eq!(values("score = 2.5"), [Bound::Real(2.5)]);
    assert_eq!(values("score = \"3\""), [text("3")]);
    assert_eq!(values("state = nan"), [text("nan")]);
    assert_eq!(values(r#"state = "a\"b""#), [text("a\"b")]);
    assert_eq!(
        values("recorded_at >= \"2026-01-01T01:00:00+01:00\""),
        [text("2026-01-01T00:00:00.000000Z")]
    );
    assert_eq!(
        values("recorded_at < 2026-01-02"),
        [text("2026-01-02T00:00:00.000000Z")]
    );
}

#[test]
fn an_error_says_where_and_what() {
    assert_eq!(
        problem("state = a AND stat = b"),
        (15, "no column stat; did you mean state?".to_owned())
    );
    assert_eq!(problem("state = ").0, 9);
    assert_eq!(problem("state = a score = 3").0, 11);
    assert_eq!(problem("state = \"é").0, 9);
    assert_eq!(problem("(state = a").0, 11);
    assert_eq!(problem("recorded_at > soon").0, 15);
    assert_eq!(problem("state").0, 6);
    assert_eq!(problem(&"(".repeat(40)).0, 17);
    let many = vec!["score = 1"; 65].join(" OR ");
    assert!(problem(&many).1.contains("64"));
}

#[test]
fn a_blank_filter_asks_for_nothing() {
    assert_eq!(compiled("  ").unwrap(), None);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_reach_the_sql(text in "\\PC{0,60}") {
        if let Ok(Some(compiled)) = compiled(&text) {
            prop_assert!(!compiled.sql.contains('\''));
        }
    }

    #[test]
    fn words_of_the_grammar_in_any_order_are_read_or_refused(
        words in prop::collection::vec(
            prop::sample::select(vec!["state", "=", "!=", ":", "a", "AND", "OR", "NOT", "-", "(", ")", "*", "'x'", "3"]),
            0..20,
        )
    ) {
        let _ = compiled(&words.join(" "));
    }
}
