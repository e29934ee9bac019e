//! The read side of one generation: connections that cannot write, statements that cannot run for ever.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::bind::Bound;
use super::parked::{self, ParkedEvent};
use super::plan::Plan;
use crate::kernel::Position;

/// Queries of one model that run at once; more wait. Two a core on small machines.
const CONCURRENT: usize = 4;
/// Connections that are kept open when nobody asks.
const IDLE: usize = 1;
/// Page cache of a connection, in KiB.
const CACHE_KIB: i64 = 256;
/// Steps of `SQLite`'s virtual machine between two looks at the budget.
const STEPS_PER_LOOK: i32 = 10_000;
/// Looks that a query may take: 20,000 x 10,000 steps, a few seconds of one core.
const MAX_LOOKS: u32 = 20_000;
/// Bytes of text after which a page ends early: with one last event of 1 MiB still below the 4 MiB that gRPC clients take by default.
const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// Rows of a page, and the values of the order's columns in the last one where more follow.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) rows: Vec<Map<String, Value>>,
    pub(super) last: Option<Vec<Value>>,
}

/// Why a query was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadFailure {
    #[error("the query took more than {MAX_LOOKS} x {STEPS_PER_LOOK} steps")]
    TooLong,
    #[error("{0}")]
    Database(String),
}

/// The connections of one file.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            idle: Mutex::new(Vec::new()),
            permits: Semaphore::new(CONCURRENT),
        }
    }

    /// Waits for one's turn; a permit is held while a query runs.
    pub(super) fn permits(&self) -> &Semaphore {
        &self.permits
    }

    /// One page. Blocking.
    pub(super) fn page(
        &self,
        plan: &Plan,
        sql: &str,
        parameters: &[(String, Bound<'static>)],
        size: usize,
    ) -> Result<Page, ReadFailure> {
        self.with(|conn| page(conn, plan, sql, parameters, size))
    }

    /// What is parked, from after the given event on. Blocking.
    pub(super) fn parked(
        &self,
        model: &str,
        after: Option<(&str, Position)>,
        limit: usize,
    ) -> Result<Vec<ParkedEvent>, ReadFailure> {
        self.with(|conn| parked::list(conn, model, after, limit))
    }

    /// Every row of every table of the model as text, in an order of its own; columns in `without` are left out.
    /// For comparing models. Blocking.
    pub(super) fn dump(&self, without: &[&str]) -> Result<Vec<String>, ReadFailure> {
        self.with(|conn| dump(conn, without))
    }

    fn with<T>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ReadFailure> {
        let taken = self.lock().pop();
        let mut conn = match taken {
            Some(conn) => conn,
            None => connect(&self.path)?,
        };
        let mut looks = 0;
        conn.progress_handler(
            STEPS_PER_LOOK,
            Some(move || {
                looks += 1;
                looks > MAX_LOOKS
            }),
        )?;
        let outcome = ask(&conn);
        conn.progress_handler(0, None::<fn() -> bool>)?;
        let mut idle = self.lock();
        if idle.len() < IDLE {
            idle.push(conn);
        }
        Ok(outcome?)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Lets go of the file.
    pub(super) fn close(&self) {
        self.lock().clear();
    }
}

impl From<rusqlite::Error> for ReadFailure {
    fn from(error: rusqlite::Error) -> Self {
        if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
            return Self::TooLong;
        }
        Self::Database(error.to_string())
    }
}

/// Reads a query file and prepares it, which tells its columns.
pub(super) fn plan(conn: &Connection, text: &str) -> Result<Plan, String> {
    let mut plan = Plan::read(text)?;
    let columns = |sql: &str| {
        conn.prepare(sql)
            .map_err(|error| error.to_string())
            .map(|statement| {
                statement
                    .column_names()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
    };
    plan.columns = columns(&plan.sql)?;
    if let Some(missing) = plan
        .order
        .iter()
        .find(|column| !plan.columns.contains(column))
    {
        return Err(format!(
            "it is ordered by {missing}, which is none of its columns"
        ));
    }
    columns(&plan.page(None, true))?;
    for (name, condition) in &plan.conditions {
        columns(&format!(
            "SELECT * FROM ({}) AS q WHERE {condition}",
            plan.sql
        ))
        .map_err(|error| format!("the filter {name}: {error}"))?;
    }
    Ok(plan)
}

/// A connection that cannot write.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}

fn page(
    conn: &Connection,
    plan: &Plan,
    sql: &str,
    parameters: &[(String, Bound<'static>)],
    size: usize,
) -> rusqlite::Result<Page> {
    let mut statement = conn.prepare_cached(sql)?;
    for (name, value) in parameters {
        if let Some(index) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(index, value)?;
        }
    }
    // One more than asked for tells whether more follow.
    if let Some(index) = statement.parameter_index(":annals_limit")? {
        statement.raw_bind_parameter(index, i64::try_from(size + 1).unwrap_or(i64::MAX))?;
    }
    let mut page = Page::default();
    let mut bytes = 0;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        if page.rows.len() == size || bytes > PAGE_BYTES {
            page.last = page.rows.last().map(|row| {
                let of = |column: &String| row.get(column).cloned().unwrap_or_default();
                plan.order.iter().map(of).collect()
            });
            return Ok(page);
        }
        let mut values = Map::with_capacity(plan.columns.len());
        for (index, column) in plan.columns.iter().enumerate() {
            let value = row.get_ref(index)?;
            bytes += column.len() + value.as_str().map_or(8, str::len);
            values.insert(column.clone(), json(value));
        }
        page.rows.push(values);
    }
    Ok(page)
}

fn json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(number) => Value::from(number),
        ValueRef::Real(number) => Value::from(number),
        ValueRef::Text(text) => Value::from(String::from_utf8_lossy(text)),
        ValueRef::Null | ValueRef::Blob(_) => Value::Null,
    }
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Null | ValueRef::Blob(_) => {
            json(value).to_string()
        }
    }
}

/// The model's own tables, by name.
pub(super) fn tables(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    conn.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table'
         AND substr(name, 1, 7) <> 'annals_' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name",
    )?
    .query_map([], |row| row.get(0))?
    .collect()
}

fn dump(conn: &Connection, without: &[&str]) -> rusqlite::Result<Vec<String>> {
    let mut lines = Vec::new();
    for table in tables(conn)? {
        let mut statement = conn.prepare(&format!("SELECT * FROM \"{table}\""))?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([])?;
        let start = lines.len();
        while let Some(row) = rows.next()? {
            let mut line = table.clone();
            for (index, column) in columns.iter().enumerate() {
                if without.contains(&column.as_str()) {
                    continue;
                }
                line.push_str(" | ");
                line.push_str(column);
                line.push('=');
                line.push_str(&shown(row.get_ref(index)?));
            }
            lines.push(line);
        }
        if let Some(of_table) = lines.get_mut(start..) {
            of_table.sort();
        }
    }
    Ok(lines)
}
