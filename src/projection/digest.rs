//! A digest of every table of every read model, so that two data directories can be compared without moving their rows.
//!
//! A row is hashed with SHA-256 and the rows of a table are added up, modulo 2^256: the order in which they lie does not
//! matter, and a table of any size takes no memory. It tells what differs by a mistake, not what was forged.
//!
//! ```text
//!   row    = for each column, in the order of the schema: kind (1 byte: n, i, r, t), length (8 bytes, little-endian), bytes
//!   table  = sum of SHA-256(row), 32 bytes little-endian, written as hex
//! ```

use std::fmt;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use serde_json::{Map, Value};

use super::directory::{generations, model_names};
use super::file;
use super::readers;
use super::store::StoreError;

/// What of the rows is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every column: two builds from one log are the same.
    Everything,
    /// What follows from the commands alone: two logs of the same commands are the same, whenever, in whichever order of
    /// students and services and through however many crashes they were recorded. See [`Scope::skips`].
    Commands,
}

/// A table of a read model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDigest {
    /// Whose.
    pub model: String,
    /// Its name.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
    /// Of their content, whatever their order.
    pub digest: [u8; 32],
}

impl Scope {
    /// Whether a column is left out.
    ///
    /// When and where an event was recorded depends on how the streams were interleaved (`recorded_at`, `position`,
    /// `event_no`, `revision`), the codes of certificates are drawn by chance (`code`, `code_key`,
    /// `verification_code`), and a command that a
    /// crash cut in two is completed by a process in its own name (the event's id, actor, role and request, and what
    /// these lead to).
    #[must_use]
    pub fn skips(self, model: &str, table: &str, column: &str) -> bool {
        const WHEN_AND_CHANCE: [&str; 7] = [
            "recorded_at",
            "position",
            "event_no",
            "revision",
            "code",
            "code_key",
            "verification_code",
        ];
        const WHO: [&str; 6] = [
            "event_id",
            "actor",
            "role",
            "request_id",
            "correlation_id",
            "causation_id",
        ];
        let of_event = model == "event_history" && table == "event";
        self == Self::Commands
            && (WHEN_AND_CHANCE.contains(&column) || of_event && WHO.contains(&column))
    }

    /// An event's JSON without what is left out.
    #[must_use]
    pub fn event(self, data: &str) -> String {
        let parsed = serde_json::from_str::<Map<String, Value>>(data);
        match (self, parsed) {
            (Self::Commands, Ok(mut fields)) if fields.contains_key("code") => {
                fields.shift_remove("code");
                Value::Object(fields).to_string()
            }
            _ => data.to_owned(),
        }
    }
}

impl fmt::Display for TableDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("{}.{}", self.model, self.table);
        write!(f, "{name:<40} {:>12} ", self.rows)?;
        self.digest
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Every table of every live read model in `dir`, by name. Blocking.
///
/// # Errors
/// Where the folder or a file in it cannot be read.
pub fn digest(dir: &Path, scope: Scope) -> Result<Vec<TableDigest>, String> {
    all(dir, scope).map_err(|error| format!("{}: {error}", dir.display()))
}

fn all(dir: &Path, scope: Scope) -> Result<Vec<TableDigest>, StoreError> {
    let mut found = Vec::new();
    for model in model_names(dir)? {
        for (_, path) in generations(dir, &model)? {
            let conn = readers::connect(&path)?;
            if !file::is_live(&conn)? {
                continue;
            }
            for table in readers::tables(&conn)? {
                found.push(of_table(&conn, &model, table, scope)?);
            }
            break;
        }
    }
    Ok(found)
}

fn of_table(
    conn: &Connection,
    model: &str,
    table: String,
    scope: Scope,
) -> Result<TableDigest, StoreError> {
    let mut statement = conn.prepare(&format!("SELECT * FROM \"{table}\""))?;
    let columns: Vec<(usize, String)> = statement
        .column_names()
        .map(str::to_owned)
        .enumerate()
        .filter(|(_, column)| !scope.skips(model, &table, column))
        .collect();
    let mut sum = Sum::default();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        sum.add(of_row(row, &columns, scope)?.as_ref());
    }
    Ok(TableDigest {
        model: model.to_owned(),
        table,
        rows: sum.rows,
        digest: sum.bytes,
    })
}

fn of_row(
    row: &Row<'_>,
    columns: &[(usize, String)],
    scope: Scope,
) -> rusqlite::Result<aws_lc_rs::digest::Digest> {
    let mut context = Context::new(&SHA256);
    let mut field = |kind: u8, bytes: &[u8]| {
        context.update(&[kind]);
        context.update(&bytes.len().to_le_bytes());
        context.update(bytes);
    };
    for (index, column) in columns {
        match row.get_ref(*index)? {
            ValueRef::Null => field(b'n', &[]),
            ValueRef::Integer(value) => field(b'i', &value.to_le_bytes()),
            ValueRef::Real(value) => field(b'r', &value.to_bits().to_le_bytes()),
            ValueRef::Text(text) if column == "data" => {
                field(b't', scope.event(&String::from_utf8_lossy(text)).as_bytes());
            }
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => field(b't', bytes),
        }
    }
    Ok(context.finish())
}

/// Rows added up, modulo 2^256.
#[derive(Debug, Default)]
struct Sum {
    bytes: [u8; 32],
    rows: u64,
}

impl Sum {
    fn add(&mut self, digest: &[u8]) {
        let mut carry = 0;
        for (byte, other) in self.bytes.iter_mut().zip(digest) {
            let sum = u16::from(*byte) + u16::from(*other) + carry;
            [*byte, _] = sum.to_le_bytes();
            carry = sum >> 8;
        }
        self.rows += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(sql: &str, scope: Scope) -> Vec<TableDigest> {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(sql).unwrap();
        let tables = readers::tables(&conn).unwrap().into_iter();
        tables
            .map(|table| of_table(&conn, "event_history", table, scope).unwrap())
            .collect()
    }

    #[test]
    fn rows_in_another_order_are_the_same_and_any_other_change_is_not() {
        let of = |values: &str| {
            let sql = format!("CREATE TABLE t (a, b); INSERT INTO t VALUES {values}");
            digests(&sql, Scope::Everything)
        };
        let same = of("(1, 'x'), (2, 'y'), (2, 'y')");
        assert_eq!(of("(2, 'y'), (1, 'x'), (2, 'y')"), same);
        for other in [
            "(1, 'x'), (2, 'y')",
            "(1, 'x'), (1, 'x'), (2, 'y')",
            "(1, 'y'), (2, 'x'), (2, 'y')",
            "('1', 'x'), (2, 'y'), (2, 'y')",
            "(1, 'x'), (2, 'y'), (2.0, 'y')",
            "(1, NULL), (2, 'y'), (2, 'y')",
        ] {
            assert_ne!(of(other), same, "{other}");
        }
    }

    #[test]
    fn what_chance_and_order_decide_is_left_out_and_nothing_else() {
        let of = |position: u64, actor: &str, code: &str, title: &str, scope| {
            let sql = format!(
                "CREATE TABLE event (position, actor, data);
                 INSERT INTO event VALUES ({position}, '{actor}', '{{\"code\":\"{code}\",\"title\":\"{title}\"}}')"
            );
            digests(&sql, scope)
        };
        let one = of(1, "a", "x", "same", Scope::Commands);
        assert_eq!(of(2, "b", "y", "same", Scope::Commands), one);
        assert_ne!(of(1, "a", "x", "other", Scope::Commands), one);
        let one = of(1, "a", "x", "same", Scope::Everything);
        for other in [
            of(2, "a", "x", "same", Scope::Everything),
            of(1, "b", "x", "same", Scope::Everything),
        ] {
            assert_ne!(other, one);
        }
        assert_ne!(of(1, "a", "y", "same", Scope::Everything), one);
    }

    #[test]
    fn a_sum_carries() {
        let mut sum = Sum::default();
        let mut one = [0; 32];
        one[0] = 1;
        sum.add(&[0xff; 32]);
        sum.add(&one);
        assert_eq!((sum.bytes, sum.rows), ([0; 32], 2));
        sum.add(&[0xff; 32]);
        sum.add(&[0xff; 32]);
        let mut twice = [0xff; 32];
        twice[0] = 0xfe;
        assert_eq!(sum.bytes, twice);
    }
}
