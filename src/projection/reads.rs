//! Read models for the rooms' edge: ask, wait for a token, and say in statuses what went wrong.

use std::time::Duration;

use serde_json::{Map, Value};
use tonic::{Code, Status};
use tonic_types::FieldViolation;

use super::engine::Projections;
use super::query::{Ask, PageError, QueryError, Rows};
use super::{ProjectionError, rebuild::Operation};
use crate::grpc::{Fields, invalid, with_reason};
use crate::kernel::ConsistencyToken;

/// The read models, as an RPC asks them. Cheap to clone.
#[derive(Clone)]
pub struct Reads {
    projections: Projections,
    patience: Duration,
    max_page: i32,
}

/// A row of an answer, keyed by column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row(Map<String, Value>);

impl Row {
    /// Text; empty where the column is NULL.
    #[must_use]
    pub fn text(&self, column: &str) -> String {
        self.0
            .get(column)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// A whole number; 0 where the column is NULL.
    #[must_use]
    pub fn integer(&self, column: &str) -> i64 {
        self.0
            .get(column)
            .and_then(Value::as_i64)
            .unwrap_or_default()
    }

    /// A number; 0 where the column is NULL.
    #[must_use]
    pub fn number(&self, column: &str) -> f64 {
        self.0
            .get(column)
            .and_then(Value::as_f64)
            .unwrap_or_default()
    }

    /// Whether the column is anything but 0, false or NULL.
    #[must_use]
    pub fn flag(&self, column: &str) -> bool {
        self.integer(column) != 0
    }

    /// JSON that was stored as text; null where there is none.
    #[must_use]
    pub fn json(&self, column: &str) -> Value {
        serde_json::from_str(&self.text(column)).unwrap_or_default()
    }
}

impl From<Map<String, Value>> for Row {
    fn from(map: Map<String, Value>) -> Self {
        Self(map)
    }
}

impl Reads {
    /// Rows that [`Reads::all`] answers at most: what one person or one employer has stays far below.
    pub const MAX_ROWS: usize = 10_000;

    /// Asks `projections`, and waits for a token at most `patience` (the caller's own deadline may be shorter).
    #[must_use]
    pub const fn new(projections: Projections, patience: Duration) -> Self {
        Self {
            projections,
            patience,
            max_page: Ask::MAX_PAGE_ROWS,
        }
    }

    /// Answers no page larger than `rows` (at most [`Ask::MAX_PAGE_ROWS`]).
    #[must_use]
    pub fn with_max_page(mut self, rows: usize) -> Self {
        self.max_page = i32::try_from(rows)
            .map_or(Ask::MAX_PAGE_ROWS, |rows| rows.clamp(1, Ask::MAX_PAGE_ROWS));
        self
    }

    /// The engine behind it.
    #[must_use]
    pub const fn projections(&self) -> &Projections {
        &self.projections
    }

    /// Waits until `model` shows what the request's `consistency_token` stands for.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a text that is no token, `UNAVAILABLE` where the model does not get there in time.
    pub async fn wait(&self, model: &str, token: &str) -> Result<(), Status> {
        if token.is_empty() {
            return Ok(());
        }
        let Ok(token) = ConsistencyToken::parse(token) else {
            let mut fields = Fields::default();
            fields.violation("consistency_token", "must be what a command answered");
            return fields.check().map(|_| ());
        };
        self.projections
            .wait_for(model, &token, self.patience)
            .await
            .map_err(|error| status(&error))
    }

    /// One page.
    ///
    /// # Errors
    /// See [`status`].
    pub async fn page(&self, mut ask: Ask<'_>) -> Result<Rows, Status> {
        if ask.page_size > self.max_page {
            let why = format!("must be 0 to {}, is {}", self.max_page, ask.page_size);
            return Err(invalid(
                "INVALID_ARGUMENT",
                vec![FieldViolation::new("page_size", why)],
            ));
        }
        if ask.page_size == 0 {
            ask.page_size = Ask::DEFAULT_PAGE_ROWS.min(self.max_page);
        }
        self.query(ask).await
    }

    async fn query(&self, ask: Ask<'_>) -> Result<Rows, Status> {
        self.projections
            .query(ask)
            .await
            .map_err(|error| status(&error))
    }

    /// Every row of a named query, at most [`Reads::MAX_ROWS`].
    ///
    /// # Errors
    /// See [`status`].
    pub async fn all(
        &self,
        model: &str,
        query: &str,
        parameters: &[(&str, Value)],
    ) -> Result<Vec<Row>, Status> {
        let parameters: Map<String, Value> = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let mut rows = Vec::new();
        let mut page_token = String::new();
        loop {
            let ask = Ask {
                model,
                query,
                parameters: &parameters,
                filter: "",
                page_size: Ask::MAX_PAGE_ROWS,
                page_token: &page_token,
            };
            let page = self.query(ask).await?;
            rows.extend(page.rows.into_iter().map(Row));
            page_token = page.next_page_token;
            if page_token.is_empty() || rows.len() >= Self::MAX_ROWS {
                rows.truncate(Self::MAX_ROWS);
                return Ok(rows);
            }
        }
    }
}

/// What a query that is not answered says to its caller.
#[must_use]
pub fn status(error: &QueryError) -> Status {
    let message = error.to_string();
    let wrong = |field: &str| {
        invalid(
            "INVALID_ARGUMENT",
            vec![FieldViolation::new(field, &message)],
        )
    };
    match error {
        QueryError::Projection(error) => projection_status(error),
        QueryError::UnknownQuery { .. } => wrong("query"),
        QueryError::Parameter { name, .. } => wrong(&format!("parameters.{name}")),
        QueryError::Filter(_) => wrong("filter"),
        QueryError::Page(PageError::Size { .. }) => wrong("page_size"),
        QueryError::Page(PageError::Token(_)) => wrong("page_token"),
        QueryError::TooLong(_) => with_reason(
            Code::ResourceExhausted,
            "QUERY_TOO_LONG",
            &message,
            "narrow the filter, or ask by a named query that has an index",
        ),
        QueryError::Lagging { .. } => with_reason(
            Code::Unavailable,
            "READ_MODEL_LAGGING",
            &message,
            "ask again with the same token, or without it for what is there",
        ),
        QueryError::Database(cause) => {
            tracing::error!(cause, "a read model cannot be read");
            internal()
        }
    }
}

/// What a projection that does not do what it is asked to says to its caller.
#[must_use]
pub fn projection_status(error: &ProjectionError) -> Status {
    match error {
        ProjectionError::Unknown { .. } => with_reason(
            Code::NotFound,
            "READ_MODEL_UNKNOWN",
            &error.to_string(),
            "ListReadModels answers the names",
        ),
        ProjectionError::Closed => with_reason(
            Code::Unavailable,
            "READ_MODEL_LAGGING",
            "the server is stopping",
            "ask again when it is back",
        ),
        ProjectionError::NoLog { .. } | ProjectionError::Store(_) => {
            tracing::error!(%error, "a projection failed");
            internal()
        }
    }
}

fn internal() -> Status {
    with_reason(
        Code::Internal,
        "INTERNAL",
        "an internal error, which was logged",
        "tell the operator the request id",
    )
}

impl From<&Operation> for crate::proto::annals::operations::v1::Operation {
    fn from(operation: &Operation) -> Self {
        Self {
            name: operation.name.clone(),
            done: operation.done,
            progress: operation.progress,
            error: operation.error.clone(),
            started_at: Some(timestamp(operation.started_at)),
        }
    }
}

/// An instant on the wire.
#[must_use]
pub fn timestamp(at: crate::kernel::Moment) -> prost_types::Timestamp {
    let micros = at.unix_micros();
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        // Below 1,000,000 x 1,000, so it fits.
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or_default(),
    }
}
