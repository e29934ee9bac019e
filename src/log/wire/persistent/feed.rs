//! A group's events in order: what is there, then what comes.

use std::sync::Arc;

use futures::StreamExt as _;
use tokio::sync::mpsc;
use tonic::Status;

use super::settings::Source;
use crate::kernel::{Position, StreamName};
use crate::log::wire::derived::{self, Numbering};
use crate::log::wire::errors;
use crate::log::wire::filter::EventFilter;
use crate::log::wire::links::{self, Resolved};
use crate::log::wire::node::Node;
use crate::log::wire::read::{Examined, Surveys, hidden, in_order};
use crate::log::{Delivery, Direction, Filter, Match, ReadFrom, RecordedEvent};

/// What the feed hands to its group.
pub(super) enum Fed {
    /// The next event and its number: revision or position.
    Event(u64, Box<Resolved>),
    /// Events up to here are none of the group's.
    Passed(u64),
    /// What was there is read.
    Live,
}

/// A group's source and where it goes on.
pub(super) struct Feed {
    pub(super) node: Arc<Node>,
    pub(super) source: Source,
    pub(super) filter: Option<EventFilter>,
    pub(super) resolve: bool,
    /// The first number wanted.
    pub(super) next: u64,
    pub(super) out: mpsc::Sender<Fed>,
}

/// The group is gone, or the source failed with this.
pub(super) struct Ended(pub(super) Option<Status>);

impl Feed {
    /// Feeds until the group is gone or the source fails.
    pub(super) async fn run(self) -> Ended {
        match self.source.clone() {
            Source::All => self.all().await,
            Source::Stream(name) => match StreamName::new(name) {
                Ok(stream) => self.stream(stream).await,
                Err(error) => Ended(Some(errors::malformed(error.to_string()))),
            },
        }
    }

    async fn all(self) -> Ended {
        match self.all_events().await {
            Ok(()) => Ended(None),
            Err(ended) => ended,
        }
    }

    /// A group's checkpoint is the last event examined, passing or not; its own notes are not counted, or each checkpoint
    /// would be reason for another one.
    async fn all_events(&self) -> Result<(), Ended> {
        let mut at = Position(self.next.saturating_sub(1));
        if let Some(filter) = &self.filter {
            at = self.survey(at, filter.events.clone()).await?;
        }
        let mut live = self.node.log.subscribe(at, Filter::default());
        while let Some(delivery) = live.next().await {
            match delivery {
                Ok(Delivery::Events(events)) => self.send_all(events).await?,
                Ok(Delivery::CaughtUp(_)) => self.send(Fed::Live).await?,
                Ok(Delivery::Checkpoint(_)) => {}
                Err(error) => return Err(Ended(Some(errors::of_read(error)))),
            }
        }
        Ok(())
    }

    /// Feeds what is there and passes; where that ends.
    async fn survey(&self, from: Position, filter: Filter) -> Result<Position, Ended> {
        let mut at = from;
        let mut surveys = Surveys::begin(&self.node, at, filter).await;
        while let Some(survey) = surveys.next().await {
            let survey = survey.map_err(|status| Ended(Some(status)))?;
            at = survey.slice.examined;
            let mut left_out = None;
            for examined in in_order(survey) {
                match examined {
                    Examined::LeftOut(position) => left_out = Some(position.0),
                    Examined::Passed(event) => {
                        self.pass_over(left_out.take()).await?;
                        self.deliver(event.position.0, event).await?;
                    }
                }
            }
            self.pass_over(left_out).await?;
        }
        Ok(at)
    }

    async fn pass_over(&self, up_to: Option<u64>) -> Result<(), Ended> {
        match up_to {
            Some(number) => self.send(Fed::Passed(number)).await,
            None => Ok(()),
        }
    }

    async fn send_all(&self, events: Vec<RecordedEvent>) -> Result<(), Ended> {
        for event in events.into_iter().filter(|event| !hidden(&event.stream)) {
            let number = event.position.0;
            let wanted = match &self.filter {
                None => true,
                Some(filter) => filter
                    .admits(&event)
                    .map_err(|status| Ended(Some(status)))?,
            };
            if wanted {
                self.deliver(number, event).await?;
            } else {
                self.send(Fed::Passed(number)).await?;
            }
        }
        Ok(())
    }

    async fn stream(self, stream: StreamName) -> Ended {
        match self.stream_events(&stream).await {
            Ok(()) => Ended(None),
            Err(ended) => ended,
        }
    }

    async fn stream_events(&self, stream: &StreamName) -> Result<(), Ended> {
        let failed = |error| Ended(Some(errors::of_read(error)));
        if let Some(source) = self.node.derived_from(stream).await.map_err(failed)? {
            return self.links(stream, source).await;
        }
        let head = self.node.log.head().await.map_err(failed)?;
        let mut next = self.catch_up(stream, self.next).await?;
        self.send(Fed::Live).await?;
        let filter = Filter::by_stream(Match::one_of([stream.as_str()]));
        let mut live = self.node.log.subscribe(head, filter);
        while let Some(delivery) = live.next().await {
            let Delivery::Events(events) = delivery.map_err(failed)? else {
                continue;
            };
            for event in events {
                if event.stream == *stream && event.revision >= next {
                    next = event.revision.saturating_add(1);
                    self.deliver(event.revision, event).await?;
                }
            }
        }
        Ok(())
    }

    /// The links of a derived stream: those that are there, then those to what comes, counted on.
    async fn links(&self, stream: &StreamName, source: Filter) -> Result<(), Ended> {
        let failed = |error| Ended(Some(errors::of_read(error)));
        let mut next = self.catch_up(stream, self.next).await?;
        let counted = self.node.derived_end(stream, &source).await;
        let (number, examined) = counted.map_err(failed)?;
        let mut numbering = Numbering::new(number, examined, &source);
        while next < number {
            let before = next;
            next = self.catch_up(stream, next).await?;
            if next == before {
                break;
            }
        }
        self.send(Fed::Live).await?;
        let mut live = self.node.log.subscribe(examined, source);
        while let Some(delivery) = live.next().await {
            let Delivery::Events(events) = delivery.map_err(failed)? else {
                continue;
            };
            let numbered = numbering.of(&*self.node.log, events).await;
            for (number, event) in numbered.map_err(failed)? {
                if number >= next {
                    let link = derived::link(stream, number, &event);
                    self.deliver(number, link).await?;
                }
            }
        }
        Ok(())
    }

    async fn catch_up(&self, stream: &StreamName, from: u64) -> Result<u64, Ended> {
        /// Events fetched at a time.
        const PAGE: usize = 256;
        let mut next = from;
        loop {
            let from = ReadFrom::Revision(next);
            let read = self
                .node
                .read_stream(stream, from, Direction::Forward, PAGE);
            let slice = read
                .await
                .map_err(|error| Ended(Some(errors::of_read(error))))?;
            for event in slice.events {
                next = event.revision.saturating_add(1);
                self.deliver(event.revision, event).await?;
            }
            if slice.end {
                return Ok(next);
            }
        }
    }

    async fn deliver(&self, number: u64, event: RecordedEvent) -> Result<(), Ended> {
        let resolved = if self.resolve {
            let followed = links::resolve(&self.node, event).await;
            followed.map_err(|status| Ended(Some(status)))?
        } else {
            Resolved::plain(event)
        };
        self.send(Fed::Event(number, Box::new(resolved))).await
    }

    async fn send(&self, fed: Fed) -> Result<(), Ended> {
        self.out.send(fed).await.map_err(|_| Ended(None))
    }
}
