//! What lies between the reader and the workers: a queue a key, a bound on all of them together, and the safe point.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::lines::Line;
use super::state::Place;

/// The lines that are read and not yet done.
///
/// A key is in `queues` from its first line read until its last one done; it is in `ready` while it has a line to send
/// and none under way. So two lines of one key are never under way at once. Of the keys in `ready` the one whose line
/// stands first in the file goes first: the file's order is kept as far as it can be, and the safe point moves on.
pub(super) struct Window {
    inner: Mutex<Inner>,
    /// Room for lines, in KiB. Closed: no more is taken in.
    room: Semaphore,
    /// One permit for each key in `ready`. Closed: the workers go home.
    ready: Semaphore,
}

struct Inner {
    queues: HashMap<Arc<str>, VecDeque<Line>>,
    /// Keys by the number of their next line.
    ready: BTreeMap<u64, Arc<str>>,
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
                ready: BTreeMap::new(),
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
        let (key, number) = (Arc::clone(&line.key), line.at.line);
        inner
            .queues
            .insert(Arc::clone(&key), VecDeque::from([line]));
        inner.ready.insert(number, key);
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
        let (_, key) = inner.ready.pop_first()?;
        inner.queues.get_mut(&key)?.pop_front()
    }

    /// A line was dealt with: the next one of its key may go.
    pub(super) fn done(&self, line: &Line) {
        let mut inner = self.lock();
        inner.unfinished.remove(&line.at.line);
        let following = inner.queues.get(&line.key).and_then(VecDeque::front);
        if let Some(number) = following.map(|following| following.at.line) {
            inner.ready.insert(number, Arc::clone(&line.key));
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

#[cfg(test)]
mod tests {
    use super::super::catalog::Catalog;
    use super::*;

    fn line(number: u64, key: &str) -> Line {
        let place = |line| Place {
            line,
            offset: line * 10,
        };
        let catalog = Catalog::load().unwrap();
        Line {
            at: place(number),
            next: place(number + 1),
            key: key.into(),
            method: Arc::clone(catalog.find("attendance", "ClockIn").unwrap()),
            body: bytes::Bytes::new(),
        }
    }

    #[tokio::test]
    async fn the_earliest_line_whose_key_is_free_goes_first() {
        let window = Window::new(Place::START);
        for (number, key) in [(1, "a"), (2, "b"), (3, "a"), (4, "c")] {
            assert!(window.push(line(number, key)).await);
        }
        window.end();
        let (first, second) = (window.next().await.unwrap(), window.next().await.unwrap());
        assert_eq!((first.at.line, second.at.line), (1, 2));
        assert_eq!(window.safe_place(), first.at);
        window.done(&first);
        assert_eq!(window.safe_place(), second.at);
        let third = window.next().await.unwrap();
        assert_eq!(
            third.at.line, 3,
            "line 4 was ready before it, and stands behind it"
        );
        window.done(&second);
        window.done(&third);
        let fourth = window.next().await.unwrap();
        assert_eq!(window.safe_place(), fourth.at);
        window.done(&fourth);
        assert_eq!(window.safe_place(), fourth.next);
        assert!(window.next().await.is_none());
    }
}
