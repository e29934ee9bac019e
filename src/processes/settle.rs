//! Waiting until the processes have passed a point, and everything that followed from it.

use super::runner::Processes;
use crate::kernel::{ConsistencyToken, Position};
use crate::log::{ReadError, heads};

/// Services that one command's consequences can pass through, one after another: an evaluation (1) makes attendance and
/// tasks report (2), the evaluation notes both and finalises the KPIs (3), the placement completes (4), rooms
/// close, the candidacy is released and the certification opens (5).
pub const LONGEST_CHAIN: usize = 5;

impl Processes {
    /// Returns when the processes have handled what `token` stands for, and what their commands led to in turn.
    /// Unbounded: the caller sets the deadline.
    ///
    /// A process passes an event only when its commands are appended. So each round takes the ends of all logs, which by
    /// then hold those commands' events, and waits until every process has passed them.
    pub async fn settle(&self, token: &ConsistencyToken) -> Result<(), ReadError> {
        for (service, position) in token.iter() {
            self.passed(&[(service, position)]).await;
        }
        let mut before = Vec::new();
        for _ in 1..LONGEST_CHAIN {
            let heads = self.heads().await?;
            self.passed(&heads).await;
            // Nothing was appended anywhere while everything was passed: nothing is left to follow.
            if heads == before {
                return Ok(());
            }
            before = heads;
        }
        Ok(())
    }

    /// Where each log of a lane ends.
    pub(super) async fn heads(&self) -> Result<Vec<(&'static str, Position)>, ReadError> {
        let logs = self
            .lanes
            .iter()
            .map(|lane| (lane.source.service, &*lane.log));
        let heads = heads(logs.collect()).await.into_iter();
        heads.map(|(service, head)| Ok((service, head?))).collect()
    }

    async fn passed(&self, points: &[(&str, Position)]) {
        for lane in &self.lanes {
            let Some((_, position)) = points
                .iter()
                .find(|(service, _)| *service == lane.source.service)
            else {
                continue;
            };
            let mut progress = lane.progress.subscribe();
            // The sender lives in the lane, so this ends only by being passed.
            let _ = progress
                .wait_for(|progress| progress.position >= *position)
                .await;
        }
    }
}
