//! How far a group has come: its checkpoint.

use std::time::Duration;

use tokio::time::Instant;

use super::{Group, TICK};

impl Group {
    /// Everything up to there is done; what was parked is, and what is sent again from there holds nothing up. And whether a
    /// message holds it up.
    fn reached(&self) -> (Option<u64>, bool) {
        let places = self
            .in_flight
            .values()
            .map(|held| &held.message)
            .chain(self.retries.values())
            .chain(&self.buffer)
            .filter_map(|message| message.place);
        match places.min_by_key(|place| place.number) {
            Some(lowest) => (lowest.before, true),
            None => (self.examined, false),
        }
    }

    /// Writes the checkpoint where it is due, by count or by time. What was only passed over waits, if it is not much, for
    /// the message behind it.
    pub(super) async fn write_checkpoint(&mut self) {
        let (Some(reached), held_up) = self.reached() else {
            return;
        };
        let from = match self.checkpoint.written {
            Some(written) => written.saturating_add(1),
            None => self.first,
        };
        let advance = reached.saturating_add(1).saturating_sub(from);
        let at_least = |count: i32| advance >= u64::try_from(count).unwrap_or(0).max(1);
        let after = u64::try_from(self.settings.checkpoint_after_ms).unwrap_or(0);
        let due = after > 0
            && (self.any_dealt_with || !held_up)
            && self.checkpointed_at.elapsed() >= Duration::from_millis(after).max(TICK)
            && at_least(self.settings.min_checkpoint_count);
        if advance == 0 || !(due || at_least(self.settings.max_checkpoint_count)) {
            return;
        }
        self.any_dealt_with = false;
        self.checkpointed_at = Instant::now();
        if let Err(status) = self.checkpoint.write(&self.key, reached).await {
            tracing::warn!(%status, group = %self.key.subscription_id(), "a checkpoint could not be written");
        }
    }
    /// Removes parked messages that were sent again and are dealt with.
    pub(super) async fn forget_parked(&mut self) {
        if let Err(status) = self.parked.forget().await {
            tracing::warn!(%status, group = %self.key.subscription_id(), "parked messages could not be removed");
        }
    }
}
