//! `annals serve`: everything put together behind one socket.
//!
//! ```text
//!   socket ── limits ── authentication ── rooms ── command path ── one log per service
//!                                     └── read models, audit <── projections ──┤
//!                                                rooms <── processes ──────────┘
//! ```
//!
//! Started in the order logs, rooms, processes, projections, socket; stopped in the opposite order, so that nothing
//! is asked of a part that is gone. Does not: decide anything; each part knows its own rules.

mod assembly;
mod background;
mod catalogue;
mod derived;
mod door;
mod esdb;
mod health;
mod logs;
mod rooms;
mod server;

pub use assembly::{Assembly, AssemblyError, SERVICES};
pub use catalogue::catalogue;
pub use derived::derived_from;
pub use door::DoorError;
pub use logs::{Logs, part_of};
pub use server::{ServeError, Server};
