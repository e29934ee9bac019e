//! The ends of several logs, asked for side by side: on a server every answer is a wait of its own.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::{EventLog, ReadError};
use crate::kernel::Position;

/// Where each of `logs` ends, by its name.
pub async fn heads<K: Ord>(
    logs: BTreeMap<K, &dyn EventLog>,
) -> BTreeMap<K, Result<Position, ReadError>> {
    let asked = logs
        .into_iter()
        .map(|(name, log)| async move { (name, log.head().await) });
    join_all(asked).await.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Barrier;

    use super::super::memory::MemoryLog;
    use super::super::witness::Witness;
    use super::*;

    #[tokio::test]
    async fn no_log_waits_for_another() {
        let gate = Arc::new(Barrier::new(2));
        let log = || Witness::of(MemoryLog::new()).behind(&gate);
        let (one, two) = (log(), log());
        let logs: [(_, &dyn EventLog); 2] = [("a", &one), ("b", &two)];
        let heads = heads(logs.into()).await;
        assert_eq!(heads.into_keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((one.heads(), two.heads()), (1, 1));
    }
}
