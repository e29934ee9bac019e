//! Executes the commands of one kind of aggregate.

use std::sync::Arc;

use futures::StreamExt as _;
use uuid::Uuid;

use super::consider::{Verdict, consider};
use super::error::CommandError;
use super::hot::Hot;
use super::hydrated::Hydrated;
use super::order::{Committed, Order};
use super::record::{encode, foreseen, ids, take_in};
use crate::kernel::{Revision, Stored, StreamName};
use crate::log::{AppendError, Direction, EventLog, ReadError, ReadFrom, StreamSlice};

/// Executes the commands of one kind of aggregate on the log of its service.
pub struct Handler<A: Stored> {
    log: Arc<dyn EventLog>,
    hot: Hot<A>,
}

impl<A: Stored> Handler<A> {
    /// How often a command is decided anew because others wrote to its stream.
    pub const MAX_ATTEMPTS: u32 = 8;
    /// Events a read asks for when an aggregate is loaded.
    const LOAD_PAGE_EVENTS: usize = 512;
    /// Pages of a long stream that are read while the one before them is decoded: two cores, and one in waiting.
    const LOAD_PAGES_AHEAD: usize = 3;

    /// On `log`, keeping aggregates hot up to `capacity` (remembered requests, about 200 bytes each).
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, capacity: u64) -> Self {
        Self {
            log,
            hot: Hot::new(capacity),
        }
    }

    /// The log it writes to.
    #[must_use]
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// Decides and appends. Returns when the events are durable, or when it is certain that there is nothing to do.
    ///
    /// Safe to abandon at any await: what was appended is found again by the request id.
    pub async fn execute(&self, order: &Order<A::Command>) -> Result<Committed, CommandError> {
        let slot = self.hot.slot(order.id);
        let mut held = slot.lock().await;
        let stream = StreamName::of(A::CATEGORY, order.id);
        // Taken out while it is worked on: if this future is dropped midway, the next one loads afresh.
        let mut known = held.take();
        let outcome = self.attempt(&stream, order, &mut known).await;
        let Some(aggregate) = known.filter(|aggregate| aggregate.revision.is_some()) else {
            self.hot.forget(order.id);
            return outcome;
        };
        let weight = aggregate.weight();
        *held = Some(aggregate);
        if weight.is_power_of_two() {
            self.hot.reweigh(order.id, &slot, weight);
        }
        outcome
    }

    /// The aggregate's state as of now; none where its stream is empty.
    pub async fn state(&self, id: Uuid) -> Result<Option<A>, CommandError> {
        let slot = self.hot.slot(id);
        let mut held = slot.lock().await;
        let mut aggregate = held.take().unwrap_or_default();
        self.catch_up(&StreamName::of(A::CATEGORY, id), &mut aggregate)
            .await?;
        if aggregate.revision.is_none() {
            self.hot.forget(id);
            return Ok(None);
        }
        let state = aggregate.state.clone();
        *held = Some(aggregate);
        Ok(Some(state))
    }

    async fn attempt(
        &self,
        stream: &StreamName,
        order: &Order<A::Command>,
        known: &mut Option<Hydrated<A>>,
    ) -> Result<Committed, CommandError> {
        let mut fresh = known.is_none();
        let mut aggregate = known.take().unwrap_or_default();
        if fresh {
            self.catch_up(stream, &mut aggregate).await?;
        }
        let mut appends = 0;
        while appends < Self::MAX_ATTEMPTS {
            let events = match consider(stream, &aggregate, order) {
                Verdict::Append(events) if !events.is_empty() => events,
                // A no from memory may be out of date: look before saying it.
                Verdict::No(_) | Verdict::Append(_) if !fresh => {
                    self.catch_up(stream, &mut aggregate).await?;
                    fresh = true;
                    continue;
                }
                settled @ (Verdict::Answered(_) | Verdict::Append(_) | Verdict::No(_)) => {
                    return self.settle(stream, settled, aggregate, known).await;
                }
            };
            let new = encode::<A>(stream, order, &events)?;
            let ids = ids(&new);
            if order.validate_only {
                let would = foreseen(stream, &aggregate, &events, &ids);
                *known = Some(aggregate);
                return Ok(would);
            }
            appends += 1;
            match self.log.append(stream, aggregate.expected(), new).await {
                Ok(appended) if !appended.repeated => {
                    let written = (&*events, &*ids);
                    let committed =
                        take_in(stream, &mut aggregate, order, written, appended.position);
                    *known = Some(aggregate);
                    return Ok(committed);
                }
                // Another attempt of this very request got there first, or others wrote: read, then decide again.
                Ok(_) | Err(AppendError::WrongExpected { .. }) => {
                    self.catch_up(stream, &mut aggregate).await?;
                }
                Err(error) => return Err(error.into()),
            }
            fresh = true;
        }
        *known = Some(aggregate);
        Err(CommandError::Contended {
            stream: stream.clone(),
            attempts: appends,
        })
    }

    /// Ends an order that appends nothing.
    async fn settle(
        &self,
        stream: &StreamName,
        verdict: Verdict<A::Event>,
        aggregate: Hydrated<A>,
        known: &mut Option<Hydrated<A>>,
    ) -> Result<Committed, CommandError> {
        let (revision, position) = (aggregate.revision, aggregate.position);
        *known = Some(aggregate);
        match verdict {
            Verdict::Answered(committed) => Ok(committed),
            Verdict::Append(_) => Ok(Committed {
                stream: stream.clone(),
                revision,
                events: Vec::new(),
                position,
                repeated: false,
            }),
            Verdict::No(CommandError::Conflict {
                stream,
                expected,
                current,
                ..
            }) => {
                let between = self.types_after(&stream, expected).await?;
                Err(CommandError::Conflict {
                    stream,
                    expected,
                    current,
                    between,
                })
            }
            Verdict::No(error) => Err(error),
        }
    }

    /// Reads what the stream has beyond the aggregate's revision.
    async fn catch_up(
        &self,
        stream: &StreamName,
        aggregate: &mut Hydrated<A>,
    ) -> Result<(), CommandError> {
        loop {
            let slice = self.page(stream, aggregate.next()).await?;
            aggregate.replay_all(&slice.events)?;
            let (Some(last), false) = (slice.last_revision, slice.end || slice.events.is_empty())
            else {
                return Ok(());
            };
            let starts = (aggregate.next()..=last).step_by(Self::LOAD_PAGE_EVENTS);
            let mut pages = futures::stream::iter(starts)
                .map(|start| self.page(stream, start))
                .buffered(Self::LOAD_PAGES_AHEAD);
            while let Some(slice) = pages.next().await.transpose()? {
                let first = slice.events.first().map(|event| event.revision);
                // The page before was cut short by its size.
                if first != Some(aggregate.next()) {
                    break;
                }
                aggregate.replay_all(&slice.events)?;
                if slice.end {
                    return Ok(());
                }
            }
        }
    }

    async fn page(&self, stream: &StreamName, from: Revision) -> Result<StreamSlice, ReadError> {
        let from = ReadFrom::Revision(from);
        self.log
            .read_stream(stream, from, Direction::Forward, Self::LOAD_PAGE_EVENTS)
            .await
    }

    async fn types_after(
        &self,
        stream: &StreamName,
        revision: Revision,
    ) -> Result<Vec<Arc<str>>, CommandError> {
        let from = ReadFrom::Revision(revision.saturating_add(1));
        let slice = self
            .log
            .read_stream(stream, from, Direction::Forward, CommandError::MAX_BETWEEN)
            .await?;
        Ok(slice
            .events
            .into_iter()
            .map(|event| event.event_type)
            .collect())
    }
}
