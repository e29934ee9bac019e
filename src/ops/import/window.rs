//! What lies between the reader and the workers: a queue a key, a bound on all of them together, and the safe point.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::lines::Line;
use super::state::Place;

/// The lines that are read and not yet done.
///
/// A key is in `queues` from its first line read until its last one done; it is in `ready` while it has a line to send
/// and none under way. So two lines of one key are never under way at once.
pub(super) struct Window {
    inner: Mutex<Inner>,
    /// Room for lines, in KiB. Closed: no more is taken in.
    room: Semaphore,
    /// One permit for each key in `ready`. Closed: the workers go home.
    ready: Semaphore,
}

struct Inner {
    queues: HashMap<Arc<str>, VecDeque<Line>>,
    ready: VecDeque<Arc<str>>,
    /// Where the lines that are not done begin, by number.
    unfinished: BTreeMap<u64, Place>,
    read_to: Place,
    ended: bool,
}

impl Window {
    /// How much is read ahead: 64 MiB, counting each line as its request's size plus 1 KiB, so at most 65,536 lines.
    pub(super) const ROOM_KIB: u32 = 64 * 1024;

    /// Empty, at `start`.
    pub(super) fn new(start: Place) -> Self {
        Self {
            inner: Mutex::new(Inner {
                queues: HashMap::new(),
                ready: VecDeque::new(),
                unfinished: BTreeMap::new(),
                read_to: start,
                ended: false,
            }),
            room: Semaphore::new(Self::ROOM_KIB as usize),
            ready: Semaphore::new(0),
        }
    }

    /// Takes a line in as soon as there is room; false where the window was closed.
    pub(super) async fn push(&self, line: Line) -> bool {
        let Ok(permit) = self.room.acquire_many(cost(&line)).await else {
            return false;
        };
        permit.forget();
        let mut inner = self.lock();
        inner.read_to = line.next;
        inner.unfinished.insert(line.at.line, line.at);
        if let Some(queue) = inner.queues.get_mut(&line.key) {
            queue.push_back(line);
            return true;
        }
        let key = Arc::clone(&line.key);
        inner
            .queues
            .insert(Arc::clone(&key), VecDeque::from([line]));
        inner.ready.push_back(key);
        self.ready.add_permits(1);
        true
    }

    /// Says that nothing more will be pushed.
    pub(super) fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        if inner.unfinished.is_empty() {
            self.ready.close();
        }
    }

    /// Gives up: nothing is taken in or handed out any more.
    pub(super) fn close(&self) {
        self.room.close();
        self.ready.close();
    }

    /// The next line that may be sent; nothing at the end. Hand it back to [`Self::done`].
    pub(super) async fn next(&self) -> Option<Line> {
        self.ready.acquire().await.ok()?.forget();
        let mut inner = self.lock();
        let key = inner.ready.pop_front()?;
        inner.queues.get_mut(&key)?.pop_front()
    }

    /// A line was dealt with: the next one of its key may go.
    pub(super) fn done(&self, line: &Line) {
        let mut inner = self.lock();
        inner.unfinished.remove(&line.at.line);
        let more = inner
            .queues
            .get(&line.key)
            .is_some_and(|queue| !queue.is_empty());
        if more {
            inner.ready.push_back(Arc::clone(&line.key));
            self.ready.add_permits(1);
        } else {
            inner.queues.remove(&line.key);
        }
        self.room.add_permits(cost(line) as usize);
        if inner.ended && inner.unfinished.is_empty() {
            self.ready.close();
        }
    }

    /// Everything before this place is done.
    pub(super) fn safe_place(&self) -> Place {
        let inner = self.lock();
        inner
            .unfinished
            .first_key_value()
            .map_or(inner.read_to, |(_, place)| *place)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic between two steps would leave a line unfinished, which only makes the safe point earlier.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line's share of the window in KiB: its request, and 1 KiB for what is kept around it.
fn cost(line: &Line) -> u32 {
    let kib = 1 + line.body.len() / 1024;
    u32::try_from(kib).map_or(Window::ROOM_KIB, |kib| kib.min(Window::ROOM_KIB))
}
