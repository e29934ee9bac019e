//! The statements of a model's `on/` files, and the events that run them.

use std::collections::HashMap;

use rusqlite::Connection;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use super::bind::{BindError, Bound, Facts, Param};
use super::model::Model;
use super::sql;
use super::store::StoreError;
use crate::log::RecordedEvent;

/// What a model does with events.
pub(super) struct Statements {
    any: Vec<Prepared>,
    on: HashMap<String, Vec<Prepared>>,
}

/// A statement of an `on/` file and where its parameters come from, by index.
struct Prepared {
    sql: String,
    params: Vec<Param>,
}

impl Statements {
    /// Those of `model`, whose tables are there.
    pub(super) fn of(model: &Model, conn: &Connection) -> Result<Self, StoreError> {
        let any = model.any.as_deref().map(|text| prepare(conn, text));
        let on = model
            .on
            .iter()
            .map(|(event_type, text)| Ok((event_type.clone(), prepare(conn, text)?)));
        Ok(Self {
            any: any.transpose()?.unwrap_or_default(),
            on: on.collect::<Result<_, StoreError>>()?,
        })
    }

    /// Applies one event.
    pub(super) fn run(
        &self,
        conn: &Connection,
        service: &str,
        event: &RecordedEvent,
    ) -> Result<(), StoreError> {
        let specific = self.on.get(&*event.event_type);
        if specific.is_none() && self.any.is_empty() {
            return Ok(());
        }
        let facts = Facts::read(service, event)?;
        for prepared in self.any.iter().chain(specific.into_iter().flatten()) {
            let mut statement = conn.prepare_cached(&prepared.sql)?;
            for (index, param) in prepared.params.iter().enumerate() {
                statement.raw_bind_parameter(index + 1, facts.value(param)?)?;
            }
            statement.raw_execute()?;
        }
        Ok(())
    }
}

/// Whether the schema, every `on/` statement and every query of `model` stand; else the file that does not, and why. Needs no disk.
pub(super) fn try_out(model: &Model) -> Result<(), (String, String)> {
    let at = |file: &str| {
        let file = file.to_owned();
        move |error: String| (file, error)
    };
    let conn = Connection::open_in_memory().map_err(|error| at("")(error.to_string()))?;
    conn.execute_batch(&model.schema)
        .map_err(|error| at("schema.sql")(error.to_string()))?;
    let any = model.any.iter().map(|text| ("_any", text));
    let on = model.on.iter().map(|(name, text)| (name.as_str(), text));
    for (name, text) in any.chain(on) {
        prepare(&conn, text).map_err(|error| at(&format!("on/{name}.sql"))(error.to_string()))?;
    }
    for (name, text) in &model.queries {
        super::readers::plan(&conn, text).map_err(at(&format!("query/{name}.sql")))?;
    }
    Ok(())
}

fn prepare(conn: &Connection, text: &str) -> Result<Vec<Prepared>, StoreError> {
    let mut list = Vec::new();
    for sql in sql::statements(text) {
        let statement = conn.prepare(&sql)?;
        let mut params = Vec::with_capacity(statement.parameter_count());
        for index in 1..=statement.parameter_count() {
            let name = statement
                .parameter_name(index)
                .and_then(|name| name.strip_prefix(':'))
                .ok_or_else(|| {
                    StoreError::Permanent("a parameter is not written as :name".to_owned())
                })?;
            params.push(Param::of(name));
        }
        drop(statement);
        list.push(Prepared { sql, params });
    }
    Ok(list)
}

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl From<BindError> for StoreError {
    fn from(error: BindError) -> Self {
        Self::Permanent(error.to_string())
    }
}
