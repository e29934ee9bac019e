//! Named queries: parameters by name, a filter, a page.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::bind::Bound;
use super::filter::{self, Columns, FilterError};
use super::generation::Generation;
use super::plan::{PageToken, Plan, fingerprint};
use super::readers::ReadFailure;
use super::sql::nearest;
use super::{ProjectionError, hint};
use crate::kernel::Position;

/// A question to a read model.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The model.
    pub model: &'a str,
    /// The query.
    pub query: &'a str,
    /// A value for each of its parameters.
    pub parameters: &'a Map<String, Value>,
    /// AIP-160 over the query's columns; empty for all rows.
    pub filter: &'a str,
    /// Rows at most; 0 means [`Ask::DEFAULT_PAGE_ROWS`].
    pub page_size: i32,
    /// From an earlier answer; empty for the first page.
    pub page_token: &'a str,
}

impl Ask<'_> {
    /// Rows of a page where the caller says nothing.
    pub const DEFAULT_PAGE_ROWS: i32 = 100;
    /// Rows of a page at most.
    pub const MAX_PAGE_ROWS: i32 = 1_000;
}

/// A page of rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Each keyed by column, in the query's order of columns.
    pub rows: Vec<Map<String, Value>>,
    /// For the next page; empty at the end.
    pub next_page_token: String,
}

/// What is wrong with the page that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Too many rows, or fewer than none.
    #[error("page_size must be 0 to {most}, is {asked}", most = Ask::MAX_PAGE_ROWS)]
    Size {
        /// How many were asked for.
        asked: i32,
    },
    /// Not a token, or not one of this request.
    #[error("page_token {0}")]
    Token(&'static str),
}

/// Why a query is not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// No such read model, or the projections are closed.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// The model has no query of that name.
    #[error("read model {model} has no query {query}{}", hint(near.as_ref()))]
    UnknownQuery {
        /// The model.
        model: String,
        /// The name asked for.
        query: String,
        /// The nearest there is.
        near: Option<String>,
    },
    /// A parameter is missing, unknown or of no simple value.
    #[error("parameter {name}: {problem}")]
    Parameter {
        /// Which parameter.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The filter cannot be read.
    #[error("filter: {0}")]
    Filter(#[from] FilterError),
    /// The page cannot be had.
    #[error(transparent)]
    Page(#[from] PageError),
    /// It would take too long.
    #[error("{0}")]
    TooLong(String),
    /// The read model has not got that far in time.
    #[error("{model} is at position {reached} of {service}, the token asks for {needed}")]
    Lagging {
        /// Which model.
        model: String,
        /// Whose log.
        service: String,
        /// Where it must be.
        needed: Position,
        /// Where it is.
        reached: Position,
    },
    /// The database said no. For our own log.
    #[error("{0}")]
    Database(String),
}

pub(super) async fn answer(live: Arc<Generation>, ask: Ask<'_>) -> Result<Rows, QueryError> {
    let plan = live
        .plans
        .get(ask.query)
        .ok_or_else(|| QueryError::UnknownQuery {
            model: ask.model.to_owned(),
            query: ask.query.to_owned(),
            near: nearest(ask.query, live.plans.keys().map(String::as_str)).map(str::to_owned),
        })?;
    let size = page_size(ask.page_size)?;
    let mut bound = parameters(plan, ask.parameters)?;
    let columns = Columns {
        plain: &plan.columns,
        conditions: &plan.conditions,
    };
    let filter = filter::compile(ask.filter, &columns)?;
    for (at, value) in filter.iter().flat_map(|filter| &filter.values).enumerate() {
        bound.push((format!(":annals_f{at}"), value.clone()));
    }
    let print = fingerprint(ask.model, ask.query, ask.parameters, ask.filter);
    let goes_on = !ask.page_token.is_empty();
    if goes_on {
        let token =
            PageToken::read(ask.page_token, &print, plan.order.len()).map_err(PageError::Token)?;
        for (at, value) in token.after.iter().enumerate() {
            bound.push((
                format!(":annals_k{at}"),
                simple(value).unwrap_or(Bound::Null),
            ));
        }
    }
    let sql = plan.page(filter.as_ref(), goes_on);
    let page = run(Arc::clone(&live), ask.query.to_owned(), sql, bound, size).await?;
    Ok(Rows {
        rows: page.rows,
        next_page_token: page
            .last
            .map(|after| PageToken { after }.write(&print))
            .unwrap_or_default(),
    })
}

async fn run(
    live: Arc<Generation>,
    query: String,
    sql: String,
    bound: Vec<(String, Bound<'static>)>,
    size: usize,
) -> Result<super::readers::Page, QueryError> {
    let turn = Arc::clone(&live);
    // The permit is never taken back: the semaphore is not closed.
    let _permit = turn
        .readers
        .permits()
        .acquire()
        .await
        .map_err(|_| ProjectionError::Closed)?;
    let outcome = tokio::task::spawn_blocking(move || match live.plans.get(&query) {
        Some(plan) => live.readers.page(plan, &sql, &bound, size),
        None => Ok(super::readers::Page::default()),
    });
    match outcome.await {
        Ok(Ok(page)) => Ok(page),
        Ok(Err(failure @ ReadFailure::TooLong)) => Err(QueryError::TooLong(failure.to_string())),
        Ok(Err(ReadFailure::Database(cause))) => Err(QueryError::Database(cause)),
        Err(error) => Err(QueryError::Database(error.to_string())),
    }
}

fn page_size(asked: i32) -> Result<usize, PageError> {
    let size = if asked == 0 {
        Ask::DEFAULT_PAGE_ROWS
    } else {
        asked
    };
    usize::try_from(size)
        .ok()
        .filter(|_| size <= Ask::MAX_PAGE_ROWS)
        .ok_or(PageError::Size { asked })
}

fn parameters(
    plan: &Plan,
    given: &Map<String, Value>,
) -> Result<Vec<(String, Bound<'static>)>, QueryError> {
    let wrong = |name: &str, problem| QueryError::Parameter {
        name: name.to_owned(),
        problem,
    };
    if let Some(name) = given.keys().find(|name| !plan.parameters.contains(*name)) {
        return Err(wrong(name, "the query has no such parameter"));
    }
    plan.parameters
        .iter()
        .map(|name| {
            let value = given
                .get(name)
                .ok_or_else(|| wrong(name, "it is missing"))?;
            let value = simple(value)
                .ok_or_else(|| wrong(name, "it must be a text, a number, a bool or null"))?;
            Ok((format!(":{name}"), value))
        })
        .collect()
}

fn simple(value: &Value) -> Option<Bound<'static>> {
    match value {
        Value::Null => Some(Bound::Null),
        Value::Bool(value) => Some(Bound::Integer(i64::from(*value))),
        Value::Number(number) => number
            .as_i64()
            .map(Bound::Integer)
            .or_else(|| number.as_f64().map(Bound::Real)),
        Value::String(text) => Some(Bound::Text(Cow::Owned(text.clone()))),
        Value::Array(_) | Value::Object(_) => None,
    }
}
