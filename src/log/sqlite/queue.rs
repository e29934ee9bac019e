//! What waits for the writer: bounded in number and in bytes, and refused beyond.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::operation::Operation;
use crate::log::{AppendError, Appended, rules};

/// Bytes that may wait for the writer: 64 of the largest appends.
const QUEUE_BYTES: usize = 64 * rules::MAX_APPEND_BYTES;

/// What an append without payload weighs in the queue.
const REQUEST_BYTES: usize = 256;

/// When an overloaded caller should try again: some groups later.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// What comes back to a caller.
pub(super) type Outcome = Result<Appended, AppendError>;

/// One operation and who waits for it.
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) weight: Weight,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// A request's bytes, counted as waiting until this is dropped.
pub(super) struct Weight {
    pub(super) bytes: usize,
    waiting: Arc<AtomicUsize>,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The callers' end.
pub(super) struct Queue {
    /// None once nothing more is let in.
    sender: Mutex<Option<mpsc::Sender<Request>>>,
    appends: usize,
    bytes: Arc<AtomicUsize>,
}

impl Queue {
    /// One for so many appends, and the writer's end of it.
    pub(super) fn new(appends: usize) -> (Self, mpsc::Receiver<Request>) {
        let appends = appends.max(1);
        let (sender, requests) = mpsc::channel(appends);
        let queue = Self {
            sender: Mutex::new(Some(sender)),
            appends,
            bytes: Arc::default(),
        };
        (queue, requests)
    }

    /// One without a writer.
    pub(super) fn closed() -> Self {
        Self {
            sender: Mutex::new(None),
            appends: 0,
            bytes: Arc::default(),
        }
    }

    /// Lets an operation with so many bytes of payload wait.
    pub(super) fn put(
        &self,
        operation: Operation,
        payload: usize,
    ) -> Result<oneshot::Receiver<Outcome>, AppendError> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref().ok_or_else(gone)?;
        let bytes = payload + REQUEST_BYTES;
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let weight = Weight {
            bytes,
            waiting: Arc::clone(&self.bytes),
        };
        if before > QUEUE_BYTES {
            return Err(self.overloaded(sender));
        }
        let (reply, outcome) = oneshot::channel();
        let request = Request {
            operation,
            weight,
            reply,
        };
        sender.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => self.overloaded(sender),
            TrySendError::Closed(_) => gone(),
        })?;
        Ok(outcome)
    }

    fn overloaded(&self, sender: &mpsc::Sender<Request>) -> AppendError {
        AppendError::Overloaded {
            queued: self.appends.saturating_sub(sender.capacity()),
            retry_after: RETRY_AFTER,
        }
    }

    /// Lets nothing more in. What waits is still written.
    pub(super) fn close(&self) {
        self.sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

/// What callers hear where nobody writes.
pub(super) fn gone() -> AppendError {
    AppendError::Unavailable {
        cause: "it was closed, or is open for reading only".into(),
        retry: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_says_how_many_wait_and_takes_more_once_there_is_room() {
        let (queue, mut requests) = Queue::new(2);
        queue.put(Operation::Index, 0).unwrap();
        queue.put(Operation::Index, 0).unwrap();
        let refused = queue.put(Operation::Index, 0);
        assert!(matches!(
            refused,
            Err(AppendError::Overloaded { queued: 2, .. })
        ));
        requests.try_recv().unwrap();
        queue.put(Operation::Index, 0).unwrap();
    }

    #[test]
    fn the_bytes_of_what_was_taken_or_refused_wait_no_more() {
        let (queue, mut requests) = Queue::new(2);
        queue.put(Operation::Index, QUEUE_BYTES).unwrap();
        assert!(queue.put(Operation::Index, 1).is_err());
        drop(requests.try_recv());
        assert_eq!(queue.bytes.load(Ordering::Relaxed), 0);
        queue.put(Operation::Index, 1).unwrap();
        queue.close();
        assert!(queue.put(Operation::Index, 1).is_err());
        drop(requests.try_recv());
        assert_eq!(queue.bytes.load(Ordering::Relaxed), 0);
    }
}
