//! The read models' tables, row by row, read from their files while no server runs.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

/// Rows by `<model>.<table>`, sorted; a row is its columns by name.
pub type Rows = BTreeMap<String, Vec<BTreeMap<String, String>>>;

/// Every table of every model in `data`.
pub fn rows(data: &Path) -> Rows {
    let mut rows = Rows::new();
    for entry in std::fs::read_dir(data.join("projections")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "db") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let model = name.split('.').next().unwrap();
        let database =
            Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        for table in tables(&database) {
            let read = table_rows(&database, &table);
            assert!(
                rows.insert(format!("{model}.{table}"), read).is_none(),
                "{model} twice"
            );
        }
    }
    assert!(rows.len() > 7, "{:?}", rows.keys());
    rows
}

fn tables(database: &Connection) -> Vec<String> {
    let mut found = database
        .prepare(
            "SELECT name FROM sqlite_schema
             WHERE type = 'table' AND name NOT LIKE 'annals\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
        )
        .unwrap();
    let names = found.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

fn table_rows(database: &Connection, table: &str) -> Vec<BTreeMap<String, String>> {
    let mut found = database
        .prepare(&format!("SELECT * FROM \"{table}\""))
        .unwrap();
    let columns: Vec<String> = found.column_names().map(str::to_owned).collect();
    let mut rows: Vec<_> = found
        .query_map([], |row| {
            columns
                .iter()
                .enumerate()
                .map(|(index, column)| Ok((column.clone(), value(row.get_ref(index)?))))
                .collect()
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    rows.sort();
    rows
}

fn value(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("{bytes:?}"),
    }
}

/// Without what two imports of the same records do not share: when and in which order of students and services it was
/// recorded, who completed a command after a crash, and the unguessable codes.
pub fn without_what_differs(mut rows: Rows) -> Rows {
    const COLUMNS: &[&str] = &[
        "recorded_at",
        "position",
        "event_no",
        "revision",
        "code",
        "code_key",
        "verification_code",
    ];
    const WHO: &[&str] = &[
        "event_id",
        "actor",
        "role",
        "request_id",
        "correlation_id",
        "causation_id",
    ];
    for (table, rows) in &mut rows {
        for row in rows.iter_mut() {
            for column in COLUMNS {
                row.remove(*column);
            }
            if table == "event_history.event" {
                for column in WHO {
                    row.remove(*column);
                }
                row.entry("data".to_owned())
                    .and_modify(|data| *data = without_code(data));
            }
        }
        rows.sort();
    }
    rows
}

fn without_code(data: &str) -> String {
    let mut data: serde_json::Map<String, serde_json::Value> = serde_json::from_str(data).unwrap();
    data.remove("code");
    serde_json::to_string(&data).unwrap()
}

/// The same rows in every table; says the first that differ.
pub fn assert_same(what: &str, expected: &Rows, found: &Rows) {
    assert!(
        expected.keys().eq(found.keys()),
        "{what}: {:?}",
        found.keys()
    );
    for (table, rows) in expected {
        let others = &found[table];
        let differing = rows.iter().zip(others).find(|(row, other)| row != other);
        assert!(differing.is_none(), "{what}: {table}: {differing:#?}");
        assert_eq!(rows.len(), others.len(), "{what}: {table}");
    }
}
