//! Events that could not be handled, and those of their streams that wait behind them.

use rusqlite::{Connection, ToSql, params};

use super::{ProcessStore, StoreError, number};
use crate::kernel::{Moment, Position};

/// An event that a process could not handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// The process.
    pub process: String,
    /// The service whose log holds it.
    pub service: String,
    /// Where.
    pub position: Position,
    /// Its stream.
    pub stream: String,
    /// Its type.
    pub event_type: String,
    /// What went wrong; empty where it waits behind another of its stream.
    pub cause: String,
    /// When it was parked.
    pub parked_at: Moment,
}

impl ProcessStore {
    /// The streams of `service` that wait behind a parked event of `process`.
    pub fn blocked_streams(&self, process: &str, service: &str) -> Result<Vec<String>, StoreError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached(
            "SELECT DISTINCT stream FROM parked WHERE process = ?1 AND service = ?2",
        )?;
        let streams = select
            .query_map(params![process, service], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(streams)
    }

    /// Everything that `process` has parked of `service`, in order.
    pub(in crate::processes) fn parked_of(
        &self,
        process: &str,
        service: &str,
    ) -> Result<Vec<ParkedEvent>, StoreError> {
        self.select(
            "WHERE process = ?1 AND service = ?2 ORDER BY position",
            params![process, service],
        )
    }

    /// What is parked, oldest first: of one process, or of all; at most `limit`, after the first `offset`.
    pub fn parked(
        &self,
        process: Option<&str>,
        limit: usize,
        offset: usize,
    ) -> Result<Vec<ParkedEvent>, StoreError> {
        self.select(
            "WHERE ?1 IS NULL OR process = ?1 ORDER BY parked_at, process, service, position LIMIT ?2 OFFSET ?3",
            params![process, many(limit), many(offset)],
        )
    }

    /// The parked events of one stream, in order.
    pub fn parked_of_stream(
        &self,
        process: &str,
        service: &str,
        stream: &str,
    ) -> Result<Vec<ParkedEvent>, StoreError> {
        self.select(
            "WHERE process = ?1 AND service = ?2 AND stream = ?3 ORDER BY position",
            params![process, service, stream],
        )
    }

    /// At most `limit` parked events of `process`, by service and position, from after the given one on.
    pub fn parked_after(
        &self,
        process: &str,
        after: Option<(&str, Position)>,
        limit: usize,
    ) -> Result<Vec<ParkedEvent>, StoreError> {
        let (service, position) = after.unwrap_or(("", Position::START));
        self.select(
            "WHERE process = ?1 AND (service, position) > (?2, ?3) ORDER BY service, position LIMIT ?4",
            params![process, service, number(position), many(limit)],
        )
    }

    fn select(
        &self,
        which: &'static str,
        params: &[&dyn ToSql],
    ) -> Result<Vec<ParkedEvent>, StoreError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached(&format!(
            "SELECT process, service, position, stream, event_type, cause, parked_at FROM parked {which}"
        ))?;
        let events = select
            .query_map(params, parked_row)?
            .collect::<Result<_, _>>()?;
        Ok(events)
    }

    /// How many events of `process` are parked.
    pub fn parked_count(&self, process: &str) -> Result<u64, StoreError> {
        let count: i64 = self
            .lock()
            .prepare_cached("SELECT count(*) FROM parked WHERE process = ?1")?
            .query_row([process], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Takes an event off the list: it was handled, or an operator passes it over.
    pub fn unpark(
        &self,
        process: &str,
        service: &str,
        position: Position,
    ) -> Result<bool, StoreError> {
        let gone = self
            .lock()
            .prepare_cached(
                "DELETE FROM parked WHERE process = ?1 AND service = ?2 AND position = ?3",
            )?
            .execute(params![process, service, number(position)])?;
        Ok(gone > 0)
    }

    /// Says anew why an event is parked.
    pub fn repark(&self, event: &ParkedEvent) -> Result<(), StoreError> {
        park(&self.lock(), event)
    }
}

pub(super) fn park(connection: &Connection, event: &ParkedEvent) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO parked VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET cause = excluded.cause",
        )?
        .execute(params![
            event.process,
            event.service,
            number(event.position),
            event.stream,
            event.event_type,
            event.cause,
            event.parked_at.unix_micros()
        ])?;
    Ok(())
}

fn parked_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<ParkedEvent> {
    Ok(ParkedEvent {
        process: row.get(0)?,
        service: row.get(1)?,
        position: Position(row.get::<_, i64>(2)?.unsigned_abs()),
        stream: row.get(3)?,
        event_type: row.get(4)?,
        cause: row.get(5)?,
        parked_at: Moment::from_unix_micros(row.get(6)?).unwrap_or(Moment::EPOCH),
    })
}

fn many(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
