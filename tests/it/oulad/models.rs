//! The read models' tables, row by row, read from their files while no server runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use annals::projection::{Scope, digest};
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

/// A digest of every table, as the operator's verb shows it. Memory does not bound it.
pub fn digests(data: &Path, scope: Scope) -> Vec<String> {
    let found = digest(&data.join("projections"), scope).unwrap();
    let models: BTreeSet<&str> = found.iter().map(|table| table.model.as_str()).collect();
    assert_eq!(models.len(), 7, "{models:?}");
    found.iter().map(ToString::to_string).collect()
}

/// Without what two imports of the same records do not share.
pub fn without_what_differs(mut rows: Rows) -> Rows {
    for (name, rows) in &mut rows {
        let (model, table) = name.split_once('.').unwrap();
        for row in rows.iter_mut() {
            row.retain(|column, _| !Scope::Commands.skips(model, table, column));
            if let Some(data) = row.get_mut("data") {
                *data = Scope::Commands.event(data);
            }
        }
        rows.sort();
    }
    rows
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
