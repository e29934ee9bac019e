//! Who did what to what, when and why.
//!
//! ```text
//!   every log ──> read model event_history ──> ListEvents, GetHistory
//!   one log   ──> one stream, folded up to a point ──> GetStateAsOf
//!                  each reading ──> HistoryRead in the audit service's own log
//! ```
//!
//! Does: answer auditors, and record that they asked before they get an answer. Does not: know a room; how a
//! stream becomes a state is handed in ([`Viewers`]).

mod access;
mod history;
mod rpc;
#[cfg(test)]
mod tests;

pub use access::{Access, CATEGORY, SHAPES};
pub use history::{AsOf, HistoryError, PastState, StateViewer, Viewers, aggregate_view};
pub use rpc::Audit;
