//! Pages of everything, or of what passes a filter, the next one being read while this one is sent.

use std::pin::Pin;
use std::sync::Arc;

use futures::future::{BoxFuture, MaybeDone, maybe_done};
use tonic::Status;

use super::hidden;
use crate::kernel::Position;
use crate::log::wire::errors;
use crate::log::wire::node::Node;
use crate::log::{AllSlice, Direction, Filter, ReadError, RecordedEvent, Survey};

/// Events fetched at a time.
const PAGE: usize = 512;

/// Events examined at a time where a filter leaves most of them out: 64 KiB of their places.
const FILTERED_PAGE: usize = 2048;

/// A read that has begun, if there is one.
struct Ahead<T>(Option<MaybeDone<BoxFuture<'static, Result<T, ReadError>>>>);

impl<T> Ahead<T> {
    async fn begin(&mut self, read: impl Future<Output = Result<T, ReadError>> + Send + 'static) {
        let mut next: MaybeDone<BoxFuture<'static, _>> = maybe_done(Box::pin(read));
        // To look once is what begins it; the engine's own threads go on.
        let _ = futures::poll!(Pin::new(&mut next));
        self.0 = Some(next);
    }

    async fn take(&mut self) -> Option<Result<T, Status>> {
        let mut next = self.0.take()?;
        let mut next = Pin::new(&mut next);
        next.as_mut().await;
        let page = next.take_output()?;
        Some(page.map_err(errors::of_read))
    }
}

/// Reads in one direction. Holds one page at most, however slow the client.
pub(in crate::log::wire) struct Pages {
    node: Arc<Node>,
    direction: Direction,
    filter: Arc<Filter>,
    next: Ahead<AllSlice>,
}

impl Pages {
    pub(in crate::log::wire) fn new(node: Arc<Node>, direction: Direction, filter: Filter) -> Self {
        Self {
            node,
            direction,
            filter: Arc::new(filter),
            next: Ahead(None),
        }
    }

    /// Begins to read what follows `from`, at most `wanted` events.
    pub(in crate::log::wire) async fn ask(&mut self, from: Option<Position>, wanted: u64) {
        let (node, direction) = (Arc::clone(&self.node), self.direction);
        let filter = Arc::clone(&self.filter);
        let size = usize::try_from(wanted).unwrap_or(PAGE).min(PAGE);
        let read = async move { node.log.read_all(from, direction, size, &filter).await };
        self.next.begin(read).await;
    }

    /// What was asked for.
    pub(in crate::log::wire) async fn take(&mut self) -> Result<AllSlice, Status> {
        let nothing = || AllSlice {
            end: true,
            ..AllSlice::default()
        };
        self.next.take().await.unwrap_or_else(|| Ok(nothing()))
    }
}

/// Reads on to the end, and tells of every event that was examined. Holds one page beside the one handed out.
pub(in crate::log::wire) struct Surveys {
    node: Arc<Node>,
    filter: Arc<Filter>,
    size: usize,
    /// Nothing was left after the last page.
    end: bool,
    next: Ahead<Survey>,
}

impl Surveys {
    /// Begins to read what follows `from`.
    pub(in crate::log::wire) async fn begin(
        node: &Arc<Node>,
        from: Position,
        filter: Filter,
    ) -> Self {
        let size = if filter.is_everything() {
            PAGE
        } else {
            FILTERED_PAGE
        };
        let mut surveys = Self {
            node: Arc::clone(node),
            filter: Arc::new(filter),
            size,
            end: false,
            next: Ahead(None),
        };
        surveys.ask(from).await;
        surveys
    }

    /// The next page, until the end was reached.
    pub(in crate::log::wire) async fn next(&mut self) -> Option<Result<Survey, Status>> {
        if self.end {
            return None;
        }
        let page = self.next.take().await?;
        match &page {
            Ok(survey) if !survey.slice.end => self.ask(survey.slice.examined).await,
            Ok(_) | Err(_) => self.end = true,
        }
        Some(page)
    }

    async fn ask(&mut self, from: Position) {
        let (node, size) = (Arc::clone(&self.node), self.size);
        let filter = Arc::clone(&self.filter);
        let read = async move { node.log.survey(from, size, &filter).await };
        self.next.begin(read).await;
    }
}

/// An event of a survey.
pub(in crate::log::wire) enum Examined {
    /// It passed the filter.
    Passed(RecordedEvent),
    /// It did not, and lies here.
    LeftOut(Position),
}

/// The events of a survey in log order, without those that nobody is told of.
pub(in crate::log::wire) fn in_order(survey: Survey) -> impl Iterator<Item = Examined> {
    let passed = survey.slice.events.into_iter();
    let mut passed = passed.filter(|event| !hidden(&event.stream)).peekable();
    let left_out = survey.left_out.into_iter();
    let mut left_out = left_out.filter(|event| !hidden(&event.stream)).peekable();
    std::iter::from_fn(move || match (passed.peek(), left_out.peek()) {
        (Some(event), Some(other)) if event.position > other.position => left_out
            .next()
            .map(|other| Examined::LeftOut(other.position)),
        (None, _) => left_out
            .next()
            .map(|other| Examined::LeftOut(other.position)),
        (Some(_), _) => passed.next().map(Examined::Passed),
    })
}
