//! Reads of everything, and of the end.

use eventstore::{ReadAllOptions, StreamPosition};

use super::call::step;
use super::cluster::Cluster;
use super::convert::recorded;
use super::filter::Scoped;
use super::read::{Page, drain, place};
use super::trouble::Trouble;
use crate::kernel::Position;
use crate::log::{AllSlice, Direction, ReadError};

/// Events of one read of everything.
pub(super) const PAGE_EVENTS: usize = 1_024;

/// Pages that one read backward goes through where its filter passes over most of them: 16,384 events.
const PAGES_BACKWARD: usize = 16;

impl Cluster {
    /// See [`EventLog::read_all`](crate::log::EventLog::read_all). The crate asks the server for
    /// everything when it reads; the filter is ours. Forward only where the server cannot judge by it.
    pub(super) async fn read_everything(
        &self,
        from: Option<Position>,
        direction: Direction,
        limit: usize,
        filter: &Scoped,
    ) -> Result<AllSlice, ReadError> {
        let mut slice = AllSlice {
            examined: from.unwrap_or(Position::START),
            ..AllSlice::default()
        };
        let mut at = from;
        let most = match direction {
            Direction::Forward => usize::MAX,
            Direction::Backward => PAGES_BACKWARD,
        };
        for _ in 0..most {
            if slice.events.len() >= limit {
                break;
            }
            let page = self
                .page_of_all(at, direction, PAGE_EVENTS)
                .await
                .map_err(|trouble| trouble.of_read(None))?;
            let (cut, full) = (page.cut, page.events.len() >= PAGE_EVENTS);
            for event in page.events {
                let event = recorded(event)?;
                self.saw(event.position);
                // Forward reads begin with the event of the position itself.
                if direction == Direction::Forward && at.is_some_and(|at| event.position <= at) {
                    continue;
                }
                if slice.events.len() == limit {
                    return Ok(slice);
                }
                slice.examined = event.position;
                if filter.admits(event.stream.as_str(), &event.event_type)? {
                    slice.events.push(event);
                }
            }
            if !full && !cut {
                slice.end = true;
                return Ok(slice);
            }
            // Large ones are not gathered.
            if cut && !slice.events.is_empty() {
                return Ok(slice);
            }
            at = Some(slice.examined);
        }
        Ok(slice)
    }

    /// The position of the last event of all.
    pub(super) async fn head(&self) -> Result<Position, Trouble> {
        let page = self.page_of_all(None, Direction::Backward, 1).await?;
        let head = page
            .events
            .first()
            .map_or(Position::START, |event| Position(event.position.commit));
        self.saw(head);
        Ok(head)
    }

    async fn page_of_all(
        &self,
        from: Option<Position>,
        direction: Direction,
        count: usize,
    ) -> Result<Page, Trouble> {
        let from = from.filter(|from| *from != Position::START);
        let options = ReadAllOptions::default()
            .position(match (from, direction) {
                (Some(from), _) => StreamPosition::Position(place(from)),
                (None, Direction::Forward) => StreamPosition::Start,
                (None, Direction::Backward) => StreamPosition::End,
            })
            .max_count(count);
        let options = match direction {
            Direction::Forward => options.forwards(),
            Direction::Backward => options.backwards(),
        };
        let options = match self.user() {
            Some(user) => options.authenticated(user),
            None => options,
        };
        self.call(|client| {
            let options = options.clone();
            async move { drain(step(client.read_all(&options)).await?).await }
        })
        .await
    }
}
