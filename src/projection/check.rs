//! Whether a folder fits the events that the rooms write: every mistake at once, each with the nearest name that is known.

use std::collections::BTreeSet;
use std::fmt;

use super::bind::COMMON;
use super::model::Model;
use super::sql::{nearest, parameters};
use super::statements;
use crate::kernel::EventShape;

/// The events that are known, by the service that writes them.
#[derive(Debug, Clone, Default)]
pub struct Catalogue(Vec<(&'static str, EventShape)>);

/// One mistake in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The model.
    pub model: String,
    /// The file within it.
    pub file: String,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}: {}", self.model, self.file, self.problem)
    }
}

impl Catalogue {
    /// Adds what `service` writes.
    #[must_use]
    pub fn with(mut self, service: &'static str, shapes: &[EventShape]) -> Self {
        self.0.extend(shapes.iter().map(|shape| (service, *shape)));
        self
    }

    fn services(&self) -> BTreeSet<&'static str> {
        self.0.iter().map(|(service, _)| *service).collect()
    }

    fn find(&self, event_type: &str) -> Option<(&'static str, EventShape)> {
        self.0
            .iter()
            .find(|(_, shape)| shape.event_type == event_type)
            .copied()
    }
}

/// Every mistake of `model`: unknown services, event types and parameters, and SQL that does not stand.
#[must_use]
pub fn check(model: &Model, catalogue: &Catalogue) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |file: &str, problem: String| {
        findings.push(Finding {
            model: model.name.clone(),
            file: file.to_owned(),
            problem,
        });
    };
    for source in &model.sources {
        if !catalogue.services().contains(source.as_str()) {
            find(
                "model.toml",
                unknown("service", source, catalogue.services()),
            );
        }
    }
    for (event_type, sql) in &model.on {
        let file = format!("on/{event_type}.sql");
        let Some((service, shape)) = catalogue.find(event_type) else {
            let types = catalogue.0.iter().map(|(_, shape)| shape.event_type);
            find(&file, unknown("event type", event_type, types));
            continue;
        };
        if !model.sources.iter().any(|source| source == service) {
            find(
                &file,
                format!("{service} writes {event_type}, and is none of the model's sources"),
            );
        }
        for problem in strangers(sql, &known(&[shape])) {
            find(&file, problem);
        }
    }
    if let Some(sql) = &model.any {
        let shapes: Vec<EventShape> = catalogue
            .0
            .iter()
            .filter(|(service, _)| model.sources.iter().any(|source| source == service))
            .map(|(_, shape)| *shape)
            .collect();
        for problem in strangers(sql, &known(&shapes)) {
            find("on/_any.sql", problem);
        }
    }
    if let Err((file, problem)) = statements::try_out(model) {
        find(&file, problem);
    }
    findings
}

fn known(shapes: &[EventShape]) -> BTreeSet<&'static str> {
    shapes
        .iter()
        .flat_map(|shape| shape.fields.iter().chain(shape.personal))
        .copied()
        .chain(COMMON)
        .collect()
}

fn strangers(sql: &str, known: &BTreeSet<&'static str>) -> Vec<String> {
    parameters(sql)
        .iter()
        .filter(|name| !known.contains(name.as_str()))
        .map(|name| unknown("parameter", &format!(":{name}"), known.iter().copied()))
        .collect()
}

fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(name.trim_start_matches(':'), known) {
        Some(near) => format!("unknown {what} {name}; did you mean {near}?"),
        None => format!("unknown {what} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::default()
            .with(
                "tasks",
                &[EventShape {
                    event_type: "TaskAssigned",
                    fields: &["task_id", "title"],
                    personal: &["comment"],
                }],
            )
            .with(
                "attendance",
                &[EventShape {
                    event_type: "ClockedIn",
                    fields: &["date"],
                    personal: &[],
                }],
            )
    }

    fn model(on: &str, sql: &str) -> Model {
        Model {
            name: "m".into(),
            version: 1,
            sources: vec!["tasks".into()],
            schema: "CREATE TABLE t (a TEXT)".into(),
            any: (on == "_any").then(|| sql.to_owned()),
            on: BTreeMap::from_iter((on != "_any").then(|| (on.to_owned(), sql.to_owned()))),
            queries: BTreeMap::from([("list".into(), "-- order: a\nSELECT a FROM t".into())]),
        }
    }

    fn said(model: &Model) -> Vec<String> {
        check(model, &catalogue())
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn fields_personal_fields_and_common_names_are_known() {
        let sql =
            "INSERT INTO t SELECT :title || :comment || :stream_id || :occurred_at || :reason";
        assert_eq!(said(&model("TaskAssigned", sql)), [""; 0]);
        assert_eq!(said(&model("_any", sql)), [""; 0]);
    }

    #[test]
    fn every_mistake_is_named_with_the_nearest_known_name() {
        let good = "INSERT INTO t VALUES (:title)";
        assert_eq!(
            said(&model("TaskAssign", good)),
            ["m/on/TaskAssign.sql: unknown event type TaskAssign; did you mean TaskAssigned?"]
        );
        assert_eq!(
            said(&model("TaskAssigned", "INSERT INTO t VALUES (:titel)")),
            ["m/on/TaskAssigned.sql: unknown parameter :titel; did you mean title?"]
        );
        assert_eq!(
            said(&model("_any", "INSERT INTO t VALUES (:date)")),
            ["m/on/_any.sql: unknown parameter :date; did you mean data?"]
        );
        assert_eq!(
            said(&model("ClockedIn", "INSERT INTO t VALUES (:date)")),
            ["m/on/ClockedIn.sql: attendance writes ClockedIn, and is none of the model's sources"]
        );
        assert!(
            said(&model("TaskAssigned", "INSERT INTO u VALUES (1)"))[0].contains("no such table")
        );
        let mut query = model("TaskAssigned", good);
        query
            .queries
            .insert("bad".into(), "-- order: b\nSELECT a FROM t".into());
        assert!(said(&query)[0].contains("query/bad.sql: it is ordered by b"));
        query.sources = vec!["task".into()];
        assert!(said(&query)[0].contains("did you mean tasks?"));
    }
}
