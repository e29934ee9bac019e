//! What falls due at a time.

use rusqlite::params;

use super::{ProcessStore, StoreError};
use crate::kernel::Moment;

/// Something that falls due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// What it is about; one timer a key.
    pub key: String,
    /// When.
    pub due: Moment,
    /// What its process wants to know then.
    pub payload: String,
}

impl ProcessStore {
    /// Sets (or moves) a timer.
    pub fn set_timer(&self, process: &str, timer: &Timer) -> Result<(), StoreError> {
        self.lock()
            .prepare_cached(
                "INSERT INTO timer VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET due = excluded.due, payload = excluded.payload",
            )?
            .execute(params![
                process,
                timer.key,
                timer.due.unix_micros(),
                timer.payload
            ])?;
        Ok(())
    }

    /// What is due by `now`, soonest first.
    pub fn due_timers(
        &self,
        process: &str,
        now: Moment,
        limit: u32,
    ) -> Result<Vec<Timer>, StoreError> {
        let connection = self.lock();
        let mut select = connection
            .prepare_cached("SELECT key, due, payload FROM timer WHERE process = ?1 AND due <= ?2 ORDER BY due LIMIT ?3")?;
        let timers = select
            .query_map(params![process, now.unix_micros(), limit], |row| {
                Ok(Timer {
                    key: row.get(0)?,
                    due: Moment::from_unix_micros(row.get(1)?).unwrap_or(Moment::EPOCH),
                    payload: row.get(2)?,
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(timers)
    }

    /// Forgets a timer.
    pub fn clear_timer(&self, process: &str, key: &str) -> Result<(), StoreError> {
        self.lock()
            .prepare_cached("DELETE FROM timer WHERE process = ?1 AND key = ?2")?
            .execute([process, key])?;
        Ok(())
    }
}
