//! The pure heart: aggregates, events, revisions, positions, ids, context.
//!
//! Does: name the things every room speaks of. Does not: read a clock, draw a number, touch a disk or a socket.

mod aggregate;
mod context;
mod figures;
#[cfg(test)]
pub(crate) mod given;
#[cfg(test)]
pub(crate) mod golden;
mod ids;
mod moment;
mod stored;
mod subject;
mod token;

pub use aggregate::{Aggregate, DomainEvent, Owners, Refusal, RefusalKind};
pub use context::{Actor, Context, EventMetadata, Role};
pub use figures::{Figures, Kpi, KpiTarget, Ratings, Terms};
pub use ids::{InvalidStreamName, Position, Revision, StreamName, derived_id};
pub use moment::{Date, InvalidMoment, Moment, day, parse_date};
pub use stored::{EventShape, PERSONAL, Stored, WireError, read_json, write_json};
pub use subject::PlacementIds;
pub use token::{ConsistencyToken, InvalidToken};
