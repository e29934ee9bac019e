//! A read model on `SQLite`: one file a generation.
//!
//! What else is in the file: see [`super::file`].

use std::collections::HashSet;
use std::path::Path;

use rusqlite::{Connection, params};

use super::file;
use super::model::Model;
use super::parked;
use super::passed;
use super::statements::Statements;
use super::store::{Batch, Counts, Retried, Store, StoreError};
use crate::kernel::{Moment, Position};
use crate::log::RecordedEvent;
use crate::log::sqlite::unusable;

/// One generation of one read model.
pub(super) struct SqliteStore {
    conn: Connection,
    sources: Vec<String>,
    positions: Vec<Position>,
    statements: Statements,
    /// Streams that have parked events, by source.
    held: HashSet<(usize, String)>,
    passed: HashSet<(usize, u64)>,
    counts: Counts,
}

impl SqliteStore {
    /// A new file. One that is not live yet serves no queries.
    pub(super) fn create(path: &Path, model: &Model, live: bool) -> Result<Self, StoreError> {
        let made = file::create(path, model, live).and_then(|conn| Self::with(conn, model));
        made.map_err(|error| match unusable(path) {
            Some(cause) => error.at(path).because(&cause),
            None => error.at(path),
        })
    }

    /// An existing file of `model`, whose queries may have changed since.
    pub(super) fn open(path: &Path, model: &Model) -> Result<Self, StoreError> {
        let opened = file::open(path, model).and_then(|conn| Self::with(conn, model));
        opened.map_err(|error| error.at(path))
    }

    fn with(conn: Connection, model: &Model) -> Result<Self, StoreError> {
        let mut store = Self {
            statements: Statements::of(model, &conn)?,
            held: HashSet::new(),
            passed: HashSet::new(),
            counts: Counts::default(),
            sources: model.sources.clone(),
            positions: Vec::new(),
            conn,
        };
        for service in &store.sources {
            let (position, skipped): (i64, i64) = store.conn.query_row(
                "SELECT position, skipped FROM annals_checkpoint WHERE service = ?1",
                [service],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            store.positions.push(Position(position.cast_unsigned()));
            store.counts.skipped += skipped.cast_unsigned();
        }
        store.read_parked()?;
        store.read_passed()?;
        Ok(store)
    }

    /// Copies what was passed over by hand from another generation, so that it stays passed over.
    pub(super) fn pass_over_as(&mut self, other: &Path) -> Result<(), StoreError> {
        passed::copy(&file::connect(other)?, &self.conn)?;
        self.read_passed()
    }

    fn source(&self, service: &str) -> Option<usize> {
        self.sources.iter().position(|source| source == service)
    }

    fn read_parked(&mut self) -> Result<(), StoreError> {
        let streams = parked::streams(&self.conn)?;
        self.held = streams
            .into_iter()
            .filter_map(|(service, stream)| Some((self.source(&service)?, stream)))
            .collect();
        self.counts.parked = parked::count(&self.conn)?;
        Ok(())
    }

    fn read_passed(&mut self) -> Result<(), StoreError> {
        self.passed = passed::places(&self.conn)?
            .into_iter()
            .filter_map(|(service, position)| Some((self.source(&service)?, position)))
            .collect();
        Ok(())
    }

    /// One attempt at a batch. Not careful: the first error undoes it all, at no cost for the events that succeed.
    /// Careful: an event that fails for good is undone alone and parked.
    fn attempt(&mut self, batch: &Batch, now: Moment, careful: bool) -> Result<(), StoreError> {
        let tx = self.conn.unchecked_transaction()?;
        let mut newly_held: HashSet<(usize, String)> = HashSet::new();
        let mut skipped = vec![0_i64; self.sources.len()];
        let mut parked = 0;
        for (source, event) in &batch.events {
            let Some(service) = self.sources.get(*source) else {
                continue;
            };
            if self.is_done(*source, event) {
                continue;
            }
            // The log's own streams (metadata) hold no facts of a room.
            if event.stream.as_str().starts_with('$') {
                if let Some(count) = skipped.get_mut(*source) {
                    *count += 1;
                }
                continue;
            }
            let cause = if self.holds(&newly_held, *source, event) {
                String::new()
            } else {
                match self.apply_one(service, event, careful) {
                    Ok(()) => continue,
                    Err(StoreError::Permanent(cause)) if careful => cause,
                    Err(error) => return Err(error),
                }
            };
            parked::insert(&tx, service, event, &cause, now)?;
            newly_held.insert((*source, event.stream.to_string()));
            parked += 1;
        }
        self.move_checkpoints(&batch.positions, &skipped)?;
        fail::fail_point!("projection::before_commit");
        tx.commit()?;
        fail::fail_point!("projection::after_commit");
        self.held.extend(newly_held);
        self.counts.parked += parked;
        self.counts.skipped += skipped.iter().sum::<i64>().cast_unsigned();
        for (position, reached) in self.positions.iter_mut().zip(&batch.positions) {
            *position = (*position).max(*reached);
        }
        Ok(())
    }

    fn move_checkpoints(&self, positions: &[Position], skipped: &[i64]) -> Result<(), StoreError> {
        let mut update = self.conn.prepare_cached(
            "UPDATE annals_checkpoint SET position = ?2, skipped = skipped + ?3
             WHERE service = ?1 AND position < ?2",
        )?;
        for ((service, position), skipped) in self.sources.iter().zip(positions).zip(skipped) {
            update.execute(params![service, position.0.cast_signed(), skipped])?;
        }
        Ok(())
    }

    /// Applied before (a subscription that began again), or passed over by hand.
    fn is_done(&self, source: usize, event: &RecordedEvent) -> bool {
        self.positions
            .get(source)
            .is_some_and(|position| event.position <= *position)
            || self.passed.contains(&(source, event.position.0))
    }

    fn holds(&self, more: &HashSet<(usize, String)>, source: usize, event: &RecordedEvent) -> bool {
        if self.held.is_empty() && more.is_empty() {
            return false;
        }
        let key = (source, event.stream.to_string());
        self.held.contains(&key) || more.contains(&key)
    }

    fn apply_one(
        &self,
        service: &str,
        event: &RecordedEvent,
        alone: bool,
    ) -> Result<(), StoreError> {
        if !alone {
            return self.statements.run(&self.conn, service, event);
        }
        self.conn.execute_batch("SAVEPOINT annals_event")?;
        let outcome = self.statements.run(&self.conn, service, event);
        if outcome.is_err() {
            self.conn.execute_batch("ROLLBACK TO annals_event")?;
        }
        self.conn.execute_batch("RELEASE annals_event")?;
        outcome
    }

    /// Tries the parked events of `stream` in order until one fails.
    fn release(
        &mut self,
        source: usize,
        stream: &str,
    ) -> Result<(u64, Option<String>), StoreError> {
        let service = self.sources.get(source).cloned().unwrap_or_default();
        let mut handled = 0;
        loop {
            let tx = self.conn.unchecked_transaction()?;
            let Some(event) = parked::first(&tx, &service, stream)? else {
                break;
            };
            match self.apply_one(&service, &event, true) {
                Ok(()) => parked::remove(&tx, &service, event.position)?,
                Err(StoreError::Permanent(cause)) => {
                    parked::blame(&tx, &service, event.position, &cause)?;
                    tx.commit()?;
                    self.read_parked()?;
                    return Ok((handled, Some(cause)));
                }
                Err(error) => return Err(error),
            }
            tx.commit()?;
            handled += 1;
        }
        self.read_parked()?;
        Ok((handled, None))
    }

    /// The stream of a parked event that is the first of its stream, or why it cannot be dealt with.
    fn parked_stream(
        &self,
        service: &str,
        position: Position,
    ) -> Result<Result<(usize, String), Retried>, StoreError> {
        let stream = parked::stream_of(&self.conn, service, position)?;
        let (Some(source), Some(stream)) = (self.source(service), stream) else {
            return Ok(Err(Retried::Unknown));
        };
        let first = parked::first(&self.conn, service, &stream)?;
        Ok(match first.map(|event| event.position) {
            Some(first) if first != position => Err(Retried::Behind { position: first }),
            _ => Ok((source, stream)),
        })
    }
}

impl Store for SqliteStore {
    fn positions(&self) -> Vec<Position> {
        self.positions.clone()
    }

    fn apply(&mut self, batch: &Batch, now: Moment) -> Result<(), StoreError> {
        fail::fail_point!("projection::before_apply");
        match self.attempt(batch, now, false) {
            Err(StoreError::Permanent(_)) => self.attempt(batch, now, true),
            outcome => outcome,
        }
    }

    fn counts(&self) -> Counts {
        self.counts
    }

    fn retry(&mut self, service: &str, position: Position) -> Result<Retried, StoreError> {
        let (source, stream) = match self.parked_stream(service, position)? {
            Ok(found) => found,
            Err(answer) => return Ok(answer),
        };
        Ok(match self.release(source, &stream)? {
            (0, Some(cause)) => Retried::Failed { cause },
            (handled, _) => Retried::Handled {
                followed: handled.saturating_sub(1),
            },
        })
    }

    fn skip(
        &mut self,
        service: &str,
        position: Position,
        reason: &str,
        now: Moment,
    ) -> Result<Retried, StoreError> {
        let (source, stream) = match self.parked_stream(service, position)? {
            Ok(found) => found,
            Err(answer) => return Ok(answer),
        };
        let tx = self.conn.unchecked_transaction()?;
        passed::insert(&tx, service, position, reason, now)?;
        parked::remove(&tx, service, position)?;
        tx.commit()?;
        self.passed.insert((source, position.0));
        let (followed, _) = self.release(source, &stream)?;
        Ok(Retried::Handled { followed })
    }

    fn set_behind(&mut self, behind: bool) -> Result<(), StoreError> {
        let kib = if behind {
            file::CACHE_BEHIND_KIB
        } else {
            file::CACHE_IDLE_KIB
        };
        self.conn.pragma_update(None, "cache_size", -kib)?;
        if !behind {
            self.conn.execute_batch("PRAGMA shrink_memory")?;
        }
        Ok(())
    }

    fn go_live(&mut self) -> Result<(), StoreError> {
        fail::fail_point!("projection::before_go_live");
        self.conn.execute("UPDATE annals_model SET live = 1", [])?;
        fail::fail_point!("projection::after_go_live");
        Ok(())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.conn.pragma_update(None, "synchronous", "FULL")?;
        if file::checkpoint(&self.conn)? {
            self.conn
                .execute("UPDATE annals_model SET closed = 1", [])?;
        }
        Ok(())
    }
}
