//! The embedded engine: one directory, one SQLite file, one writer thread, group commit.
//!
//! Does: everything of the [contract](crate::log), durable, with every event checked against its digest when it is
//! read; wait out a full disk. Does not: let two processes at one directory, carry on where it is not known what the
//! disk holds, or checkpoint inside a commit.
//!
//! # The file, schema version 3
//!
//! ```text
//!   log.db        application_id "ANLG", user_version 3, pages of 4 KiB, write-ahead log, synced as told in [`sync`]
//!   log.lock      locked while open; holds the process id and, of a server that takes orders, its address; after a clean close the
//!                 length of log.db
//!
//!   streams       id       integer key, in order of first use
//!                 name     text, unique
//!   types         id       integer key
//!                 name     text, unique
//!   events        position integer key, gapless from 1
//!                 stream   streams.id
//!                 revision gapless from 0 within the stream; i64::MAX for a tombstone
//!                 type     types.id
//!                 json     1 or 0
//!                 recorded microseconds since 1970
//!                 id       16 bytes
//!                 digest   32 bytes, SHA-256 of the canonical bytes
//!                 data, metadata   bytes
//!   stream_index  (stream, revision)   key
//!                 position events.position; written later than the event, and in order
//!                 rest     where the events of the next revisions lie: see [`runs`]
//!   indexed       position up to here every event is in stream_index: one row
//!   scavenged     first, last      positions that the scavenger removed
//!   removed       position, stream, type    of an event that it removed
//!                 digest   8 bytes, of these three: see [`removed`]
//!   uncounted     events   scavenged positions that are not in removed: one row
//! ```
//!
//! Version 1 had a unique index of events on (stream, revision) instead of `stream_index` and `indexed`, and version 2 a row of
//! `stream_index` for each event, without `rest`. Neither had `removed` and `uncounted`. Both are read as they are, and carried over when they are
//! opened for writing. How and why the index is written later: [`index`].
//!
//! Nothing else is stored twice: a stream's last revision is the index's last entry, its metadata the last event of its
//! metastream, its end the event at revision `i64::MAX`. Triggers refuse updates, and deletes of anything that
//! `scavenged` does not name. The canonical bytes are drawn in [`canonical`](crate::log::canonical).

mod appender;
mod backup;
mod beside;
mod checkpoint;
mod decode;
mod dump;
mod ending;
mod engine;
mod gaps;
mod group;
mod halves;
mod heads;
mod import;
mod index;
mod index_table;
mod judge;
mod lock;
mod open;
mod operation;
mod place;
mod queue;
mod reader;
mod removed;
mod rows;
mod runs;
mod scavenge;
mod schema;
mod shared;
mod standing;
mod stat;
mod stream_events;
mod stream_read;
mod subscription;
mod sync;
mod tail;
#[cfg(test)]
mod tests;
mod tools;
mod trouble;
mod unwritten;
mod verify;
mod verify_removed;
mod verify_streams;
mod why;
mod writer;

pub use backup::backup;
pub use checkpoint::CheckpointBy;
pub use dump::{check_dump, dump, load};
pub use engine::SqliteLog;
pub(super) use import::same;
pub use import::{Copied, Numbering};
pub use open::{OpenError, Options};
pub use scavenge::Scavenged;
pub use schema::SCHEMA_VERSION;
pub use stat::{Stat, stat};
pub use tools::ToolError;
pub use verify::{Damage, Verified, verify};
pub(crate) use why::{locked_up, plainly, unusable};
