//! How far a group has come: its checkpoint.

use std::time::Duration;

use tokio::time::Instant;

use super::Group;

impl Group {
    /// Everything below is done; what was parked is, and what is sent again from there holds nothing up.
    fn reached(&self) -> Option<u64> {
        let places = self
            .in_flight
            .values()
            .map(|held| &held.message)
            .chain(self.retries.values())
            .chain(&self.buffer)
            .filter_map(|message| message.place);
        match places.min_by_key(|place| place.number) {
            Some(lowest) => lowest.before,
            None => self.examined,
        }
    }

    /// Writes the checkpoint where it is due: by count, or in time with a tick.
    pub(super) async fn write_checkpoint(&mut self, in_time: bool) {
        let Some(reached) = self.reached() else {
            return;
        };
        let advance = match self.checkpoint.written {
            Some(written) => reached.saturating_sub(written),
            None => reached.saturating_add(1),
        };
        let at_least = |count: i32| advance >= u64::try_from(count).unwrap_or(0).max(1);
        let after = u64::try_from(self.settings.checkpoint_after_ms).unwrap_or(0);
        let due = in_time
            && after > 0
            && self.checkpointed_at.elapsed() >= Duration::from_millis(after)
            && at_least(self.settings.min_checkpoint_count);
        if advance == 0 || !(due || at_least(self.settings.max_checkpoint_count)) {
            return;
        }
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
