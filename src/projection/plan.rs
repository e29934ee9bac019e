//! A query file as a plan: one SELECT, its order, and how a page of it is asked for.
//!
//! The first lines of the file are comments for the engine:
//!
//! ```text
//!   -- order: submitted_at DESC, application_id DESC     the columns that order the rows, together unique and never
//!                                                        NULL, all in one direction: pages go on after their values
//!   -- filter target: event_no IN (SELECT ... :value)    a name for filters that is no column
//! ```
//!
//! The SELECT itself has no ORDER BY and no LIMIT: the engine adds them, and `SQLite` flattens the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::filter::Compiled;
use super::sql;

/// A query, ready to be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) sql: String,
    pub(super) parameters: BTreeSet<String>,
    pub(super) order: Vec<String>,
    pub(super) descending: bool,
    pub(super) conditions: BTreeMap<String, String>,
    /// The names of its columns; empty until it was prepared.
    pub(super) columns: Vec<String>,
}

impl Plan {
    /// Reads the file; the columns are not known yet.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut plan = Self::default();
        for line in text.lines() {
            let Some(comment) = line.trim().strip_prefix("--") else {
                continue;
            };
            if let Some(order) = comment.trim().strip_prefix("order:") {
                plan.take_order(order)?;
            } else if let Some(rest) = comment.trim().strip_prefix("filter ") {
                let (name, condition) = rest
                    .split_once(':')
                    .filter(|(_, condition)| condition.contains(":value"))
                    .ok_or("a filter line is `-- filter <name>: <condition with :value>`")?;
                plan.conditions
                    .insert(name.trim().to_owned(), condition.trim().to_owned());
            }
        }
        if plan.order.is_empty() {
            return Err("it lacks its line `-- order: <column>, ...`".to_owned());
        }
        let statements = sql::statements(text);
        let [statement] = statements.as_slice() else {
            return Err(format!("it holds {} statements, not one", statements.len()));
        };
        plan.parameters = sql::parameters(statement);
        plan.sql.clone_from(statement);
        Ok(plan)
    }

    fn take_order(&mut self, order: &str) -> Result<(), String> {
        let mut directions = BTreeSet::new();
        for column in order.split(',') {
            let mut words = column.split_whitespace();
            let name = words.next().ok_or("its order names an empty column")?;
            directions.insert(match words.next() {
                None | Some("ASC") => false,
                Some("DESC") => true,
                Some(other) => return Err(format!("its order says {other}, not ASC or DESC")),
            });
            self.order.push(name.to_owned());
        }
        if directions.len() > 1 {
            return Err("its order goes in two directions; pages need one".to_owned());
        }
        self.descending = directions.contains(&true);
        Ok(())
    }

    /// The SELECT of one page: `:annals_k0...` are the values to go on after, `:annals_limit` its size.
    pub(super) fn page(&self, filter: Option<&Compiled>, goes_on: bool) -> String {
        let (direction, beyond) = if self.descending {
            (" DESC", "<")
        } else {
            ("", ">")
        };
        let columns = |suffix: &str| {
            self.order
                .iter()
                .map(|column| format!("q.\"{column}\"{suffix}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut sql = format!("SELECT * FROM ({}) AS q WHERE true", self.sql);
        if let Some(filter) = filter {
            let _ = write!(sql, " AND {}", filter.sql);
        }
        if goes_on {
            let values = (0..self.order.len())
                .map(|at| format!(":annals_k{at}"))
                .collect::<Vec<_>>()
                .join(", ");
            let _ = write!(sql, " AND ({}) {beyond} ({values})", columns(""));
        }
        let _ = write!(sql, " ORDER BY {} LIMIT :annals_limit", columns(direction));
        sql
    }
}

/// Where the next page begins. Opaque; it fits only the request that it was made for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PageToken {
    /// The values of the order's columns in the last row.
    pub(super) after: Vec<Value>,
}

impl PageToken {
    /// Longest token in bytes: a few keys of a few hundred bytes.
    const MAX_BYTES: usize = 4_096;

    /// As text, for the request that `fingerprint` stands for.
    pub(super) fn write(&self, fingerprint: &str) -> String {
        let value = Value::Array(vec![
            Value::String(fingerprint.to_owned()),
            Value::Array(self.after.clone()),
        ]);
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    /// Reads a token; says what is wrong with it.
    pub(super) fn read(text: &str, fingerprint: &str, keys: usize) -> Result<Self, &'static str> {
        const STRANGE: &str = "is not one that this server answered";
        if text.len() > Self::MAX_BYTES {
            return Err(STRANGE);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| STRANGE)?;
        let (bound, after): (String, Vec<Value>) =
            serde_json::from_slice(&bytes).map_err(|_| STRANGE)?;
        if bound != fingerprint {
            return Err(
                "belongs to a request with other fields: only page_size may change from page to page",
            );
        }
        let scalar = |value: &Value| !value.is_array() && !value.is_object();
        if after.len() != keys || !after.iter().all(scalar) {
            return Err(STRANGE);
        }
        Ok(Self { after })
    }
}

/// What ties a page token to its request: a short digest of everything but the page.
pub(super) fn fingerprint(
    model: &str,
    query: &str,
    parameters: &Map<String, Value>,
    filter: &str,
) -> String {
    // Sorted, so that the order in which a client names parameters does not matter.
    let parameters: BTreeMap<&String, &Value> = parameters.iter().collect();
    let all = serde_json::json!([model, query, parameters, filter]).to_string();
    let digest = digest::digest(&digest::SHA256, all.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..12).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_tells_its_order_and_its_conditions() {
        let plan = Plan::read(
            "-- order: a DESC, b DESC\n-- filter target: x IN (SELECT 1 WHERE y = :value)\nSELECT a, b FROM t WHERE c = :c;",
        )
        .unwrap();
        assert_eq!(plan.order, ["a", "b"]);
        assert!(plan.descending);
        assert_eq!(
            plan.conditions["target"],
            "x IN (SELECT 1 WHERE y = :value)"
        );
        assert_eq!(plan.parameters.iter().collect::<Vec<_>>(), ["c"]);
        assert_eq!(
            plan.page(None, true),
            "SELECT * FROM (SELECT a, b FROM t WHERE c = :c) AS q WHERE true AND (q.\"a\", q.\"b\") < \
             (:annals_k0, :annals_k1) ORDER BY q.\"a\" DESC, q.\"b\" DESC LIMIT :annals_limit"
        );
    }

    #[test]
    fn a_file_without_one_statement_and_one_order_is_refused() {
        for text in [
            "SELECT 1",
            "-- order: a",
            "-- order: a, b DESC\nSELECT 1",
            "-- order: a UP\nSELECT 1",
            "-- order: a\nSELECT 1; SELECT 2",
            "-- order: a\n-- filter x: y = 1\nSELECT 1",
        ] {
            assert!(Plan::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_token_fits_its_own_request_only() {
        let token = PageToken {
            after: vec![Value::from("x"), Value::from(3)],
        };
        let text = token.write("one");
        assert_eq!(PageToken::read(&text, "one", 2), Ok(token));
        assert!(PageToken::read(&text, "two", 2).is_err());
        assert!(PageToken::read(&text, "one", 1).is_err());
        assert!(PageToken::read("%", "one", 2).is_err());
        let parameters = |a: i64| Map::from_iter([("a".to_owned(), Value::from(a))]);
        assert_ne!(
            fingerprint("m", "q", &parameters(1), ""),
            fingerprint("m", "q", &parameters(2), "")
        );
    }
}
