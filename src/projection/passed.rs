//! Events that an operator passed over for good, in the model's own file.

use rusqlite::{Connection, params};

use super::store::StoreError;
use crate::kernel::{Moment, Position};

pub(super) fn insert(
    conn: &Connection,
    service: &str,
    position: Position,
    reason: &str,
    now: Moment,
) -> Result<(), StoreError> {
    conn.execute(
        "INSERT INTO annals_passed VALUES (?1, ?2, ?3, ?4)",
        params![service, position.0.cast_signed(), reason, now.unix_micros()],
    )?;
    Ok(())
}

/// Services and positions.
pub(super) fn places(conn: &Connection) -> Result<Vec<(String, u64)>, StoreError> {
    Ok(conn
        .prepare("SELECT service, position FROM annals_passed")?
        .query_map([], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?
        .collect::<Result<_, _>>()?)
}

/// What is passed over in one file is so in the other.
pub(super) fn copy(from: &Connection, to: &Connection) -> Result<(), StoreError> {
    let rows: Vec<(String, i64, String, i64)> = from
        .prepare("SELECT service, position, reason, passed_micros FROM annals_passed")?
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<Result<_, _>>()?;
    for row in rows {
        to.execute("INSERT INTO annals_passed VALUES (?1, ?2, ?3, ?4)", row)?;
    }
    Ok(())
}
