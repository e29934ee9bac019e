//! Replies as tables, for people: a line for each single value, a table for each list of objects.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Widest cell in characters; what is longer is cut with an ellipsis.
const MAX_CELL_CHARS: usize = 60;

/// `reply` as text. `columns` chooses and orders the columns of lists; none: all of them.
#[must_use]
pub fn to_table(reply: &Value, columns: &[&str]) -> String {
    let Value::Object(fields) = reply else {
        return format!("{reply}\n");
    };
    let mut text = String::new();
    for (name, value) in fields {
        match value {
            Value::Array(rows) if rows.iter().all(Value::is_object) && !rows.is_empty() => {
                let rows: Vec<_> = rows.iter().filter_map(Value::as_object).collect();
                let _ = writeln!(text, "{name}:\n{}", grid(&rows, columns));
            }
            Value::Array(rows) if rows.is_empty() => {}
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => {
                let content = cell(value);
                if !content.is_empty() {
                    let _ = writeln!(text, "{name}: {content}");
                }
            }
        }
    }
    text
}

/// The `columns` that no list of `reply` has, and those that there are; none where all are known, or all lists are empty.
#[must_use]
pub fn unknown_columns(reply: &Value, columns: &[&str]) -> Option<String> {
    let lists = reply.as_object()?.values().filter_map(Value::as_array);
    let rows = lists.flatten().filter_map(Value::as_object);
    let mut known: Vec<&str> = Vec::new();
    for name in rows.flat_map(Map::keys) {
        if !known.contains(&name.as_str()) {
            known.push(name);
        }
    }
    let unknown = columns.iter().filter(|name| !known.contains(*name));
    let unknown: Vec<&str> = unknown.copied().collect();
    if known.is_empty() || unknown.is_empty() {
        return None;
    }
    Some(format!(
        "--table: no list of the reply has {}; there are {}",
        unknown.join(", "),
        known.join(", ")
    ))
}

fn grid(rows: &[&Map<String, Value>], columns: &[&str]) -> String {
    let every = rows.first().map(|row| row.keys().map(String::as_str));
    let columns: Vec<&str> = if columns.is_empty() {
        every.into_iter().flatten().collect()
    } else {
        columns.to_vec()
    };
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            columns
                .iter()
                .map(|name| row.get(*name).map_or_else(String::new, cell))
                .collect()
        })
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(column, name)| {
            let widest = cells
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            widest
                .chain([name.chars().count()])
                .max()
                .unwrap_or_default()
        })
        .collect();
    let header: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    let lines: Vec<String> = std::iter::once(&header)
        .chain(&cells)
        .map(|row| line(row, &widths))
        .collect();
    lines.join("\n")
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut text = String::from("  ");
    for (cell, width) in row.iter().zip(widths) {
        let _ = write!(text, "{cell:<width$}  ");
    }
    text.trim_end().to_owned()
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    if text.chars().count() <= MAX_CELL_CHARS {
        return text;
    }
    let kept: String = text.chars().take(MAX_CELL_CHARS - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_are_grids_and_single_values_are_lines() {
        let reply = json!({"student": "s", "none": [], "empty": "", "days": [
            {"date": "2024-01-01", "present": true}, {"date": "2024-01-02", "present": false}]});
        let expected =
            "student: s\ndays:\n  date        present\n  2024-01-01  true\n  2024-01-02  false\n";
        assert_eq!(to_table(&reply, &[]), expected);
        assert_eq!(
            to_table(&json!({"days": [{"a": 1, "b": 2}]}), &["b", "c"]),
            "days:\n  b  c\n  2\n"
        );
        assert_eq!(
            unknown_columns(&json!({"days": [{"a": 1}, {"b": 2}]}), &["b", "c"]).unwrap(),
            "--table: no list of the reply has c; there are a, b"
        );
        assert_eq!(unknown_columns(&json!({"days": []}), &["c"]), None);
        assert!(to_table(&json!({"long": "é".repeat(100)}), &[]).ends_with("…\n"));
    }
}
