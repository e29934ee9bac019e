//! Events that a projection could not apply, in the model's own file, with everything needed to try again.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;

use super::store::StoreError;
use crate::kernel::{Moment, Position, StreamName};
use crate::log::RecordedEvent;

/// An event that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// The read model that could not apply it.
    pub model: String,
    /// The service whose log holds it.
    pub service: String,
    /// Where.
    pub position: Position,
    /// Its stream.
    pub stream: String,
    /// Its type.
    pub event_type: String,
    /// What went wrong; empty for one that waits behind another of its stream.
    pub cause: String,
    /// When it was parked.
    pub parked_at: Moment,
}

pub(super) fn insert(
    conn: &Connection,
    service: &str,
    event: &RecordedEvent,
    cause: &str,
    now: Moment,
) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO annals_parked VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        service,
        event.position.0.cast_signed(),
        event.stream.as_str(),
        event.revision.cast_signed(),
        event.id.as_bytes(),
        &*event.event_type,
        &*event.data,
        &*event.metadata,
        event.recorded_at.unix_micros(),
        cause,
        now.unix_micros(),
    ])?;
    Ok(())
}

/// The oldest parked event of a stream.
pub(super) fn first(
    conn: &Connection,
    service: &str,
    stream: &str,
) -> Result<Option<RecordedEvent>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT position, stream, revision, event_id, event_type, data, metadata, recorded_micros
         FROM annals_parked WHERE service = ?1 AND stream = ?2 ORDER BY position LIMIT 1",
    )?;
    let event = statement
        .query_row([service, stream], |row| Ok(recorded(row)))
        .optional()?;
    event.transpose()
}

fn recorded(row: &Row<'_>) -> Result<RecordedEvent, StoreError> {
    let strange = |problem: String| StoreError::Damaged(problem);
    Ok(RecordedEvent {
        position: Position(row.get::<_, i64>(0)?.cast_unsigned()),
        stream: StreamName::new(row.get::<_, String>(1)?)
            .map_err(|error| strange(error.to_string()))?,
        revision: row.get::<_, i64>(2)?.cast_unsigned(),
        id: Uuid::from_bytes(row.get(3)?),
        event_type: row.get::<_, String>(4)?.into(),
        is_json: true,
        data: row.get::<_, Vec<u8>>(5)?.into(),
        metadata: row.get::<_, Vec<u8>>(6)?.into(),
        recorded_at: Moment::from_unix_micros(row.get(7)?)
            .map_err(|error| strange(error.to_string()))?,
    })
}

pub(super) fn stream_of(
    conn: &Connection,
    service: &str,
    position: Position,
) -> Result<Option<String>, StoreError> {
    Ok(conn
        .query_row(
            "SELECT stream FROM annals_parked WHERE service = ?1 AND position = ?2",
            params![service, position.0.cast_signed()],
            |row| row.get(0),
        )
        .optional()?)
}

pub(super) fn remove(
    conn: &Connection,
    service: &str,
    position: Position,
) -> Result<(), StoreError> {
    conn.execute(
        "DELETE FROM annals_parked WHERE service = ?1 AND position = ?2",
        params![service, position.0.cast_signed()],
    )?;
    Ok(())
}

pub(super) fn blame(
    conn: &Connection,
    service: &str,
    position: Position,
    cause: &str,
) -> Result<(), StoreError> {
    conn.execute(
        "UPDATE annals_parked SET cause = ?3 WHERE service = ?1 AND position = ?2",
        params![service, position.0.cast_signed(), cause],
    )?;
    Ok(())
}

pub(super) fn streams(conn: &Connection) -> Result<Vec<(String, String)>, StoreError> {
    Ok(conn
        .prepare("SELECT DISTINCT service, stream FROM annals_parked")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?)
}

pub(super) fn count(conn: &Connection) -> Result<u64, StoreError> {
    let count: i64 = conn.query_row("SELECT count(*) FROM annals_parked", [], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

/// At most `limit` parked events in order of service and position, from after the given one on.
pub(super) fn list(
    conn: &Connection,
    model: &str,
    after: Option<(&str, Position)>,
    limit: usize,
) -> Result<Vec<ParkedEvent>, rusqlite::Error> {
    let (service, position) = after.unwrap_or(("", Position::START));
    conn.prepare(
        "SELECT service, position, stream, event_type, cause, parked_micros FROM annals_parked
         WHERE (service, position) > (?1, ?2) ORDER BY service, position LIMIT ?3",
    )?
    .query_map(
        params![
            service,
            position.0.cast_signed(),
            i64::try_from(limit).unwrap_or(i64::MAX)
        ],
        |row| {
            Ok(ParkedEvent {
                model: model.to_owned(),
                service: row.get(0)?,
                position: Position(row.get::<_, i64>(1)?.cast_unsigned()),
                stream: row.get(2)?,
                event_type: row.get(3)?,
                cause: row.get(4)?,
                parked_at: Moment::from_unix_micros(row.get(5)?).unwrap_or(Moment::EPOCH),
            })
        },
    )?
    .collect()
}
