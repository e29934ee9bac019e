//! A part of a log that others use, too, which looks like a log of its own: streams get a beginning that nobody else
//! has.

use annals::kernel::{Position, StreamName};
use annals::log::{
    AllSlice, AppendError, Appended, Delivery, Direction, EventLog, Expected, Filter, Health,
    Match, NewEvent, ReadError, ReadFrom, RecordedEvent, StreamMetadata, StreamSlice,
};
use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::watch;

pub struct Sandbox<L> {
    log: L,
    own: String,
}

impl<L: EventLog> Sandbox<L> {
    pub fn around(log: L) -> Self {
        let own = format!("test{}.", uuid::Uuid::now_v7().simple());
        Self { log, own }
    }

    fn inner(&self, stream: &StreamName) -> StreamName {
        let name = stream.as_str();
        // Protected categories are known by their beginning.
        let name = match (name.strip_prefix("$$"), name.strip_prefix("kept-")) {
            (Some(owner), _) => return self.inner(&StreamName::new(owner).unwrap()).metastream(),
            (None, Some(id)) => format!("kept-{}{id}", self.own),
            (None, None) => format!("{}{name}", self.own),
        };
        StreamName::new(name).unwrap()
    }

    fn filter(&self, filter: &Filter) -> Filter {
        let own = &self.own;
        let within = |names: &[String]| names.iter().map(|name| format!("{own}{name}")).collect();
        let streams = match &filter.streams {
            Match::Any => Match::prefixes([own.clone(), format!("$${own}")]),
            Match::OneOf(names) => Match::OneOf(within(names)),
            Match::Prefixes(prefixes) => Match::Prefixes(within(prefixes)),
            Match::Expression(expression) => {
                let (text, own) = (expression.as_str(), own.replace('.', r"\."));
                let inner = match text.strip_prefix('^') {
                    Some(rest) => format!("^{own}{rest}"),
                    None => format!("^{own}.*{text}"),
                };
                Match::expression(&inner).unwrap()
            }
        };
        Filter {
            streams,
            types: filter.types.clone(),
        }
    }
}

fn outer(own: &str, mut event: RecordedEvent) -> RecordedEvent {
    event.stream = StreamName::new(event.stream.as_str().replacen(own, "", 1)).unwrap();
    event
}

fn outer_error(own: &str, error: AppendError) -> AppendError {
    let name = |stream: StreamName| StreamName::new(stream.as_str().replacen(own, "", 1)).unwrap();
    match error {
        AppendError::WrongExpected {
            stream,
            expected,
            current,
        } => AppendError::WrongExpected {
            stream: name(stream),
            expected,
            current,
        },
        other => other,
    }
}

#[async_trait]
impl<L: EventLog> EventLog for Sandbox<L> {
    async fn append(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        self.log
            .append(&self.inner(stream), expected, events)
            .await
            .map_err(|error| outer_error(&self.own, error))
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
    ) -> Result<StreamSlice, ReadError> {
        let mut slice = self
            .log
            .read_stream(&self.inner(stream), from, direction, limit)
            .await?;
        slice.events = slice
            .events
            .into_iter()
            .map(|event| outer(&self.own, event))
            .collect();
        Ok(slice)
    }

    async fn read_all(
        &self,
        from: Option<Position>,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllSlice, ReadError> {
        let filter = self.filter(filter);
        let mut slice = self.log.read_all(from, direction, limit, &filter).await?;
        slice.events = slice
            .events
            .into_iter()
            .map(|event| outer(&self.own, event))
            .collect();
        Ok(slice)
    }

    fn subscribe(
        &self,
        from: Position,
        filter: Filter,
    ) -> BoxStream<'static, Result<Delivery, ReadError>> {
        let own = self.own.clone();
        let filter = self.filter(&filter);
        // Others' events are passed over in checkpoints, which an empty log would not have.
        Box::pin(self.log.subscribe(from, filter).filter_map(move |item| {
            let item = match item {
                Ok(Delivery::Events(events)) => Some(Ok(Delivery::Events(
                    events.into_iter().map(|event| outer(&own, event)).collect(),
                ))),
                Ok(Delivery::Checkpoint(_)) => None,
                other => Some(other),
            };
            std::future::ready(item)
        }))
    }

    async fn head(&self) -> Result<Position, ReadError> {
        self.log.head().await
    }

    async fn metadata(
        &self,
        stream: &StreamName,
    ) -> Result<(StreamMetadata, Option<u64>), ReadError> {
        self.log.metadata(&self.inner(stream)).await
    }

    async fn set_metadata(
        &self,
        stream: &StreamName,
        expected: Expected,
        metadata: StreamMetadata,
    ) -> Result<Appended, AppendError> {
        self.log
            .set_metadata(&self.inner(stream), expected, metadata)
            .await
    }

    async fn delete(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Position, AppendError> {
        self.log.delete(&self.inner(stream), expected).await
    }

    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Position, AppendError> {
        self.log.tombstone(&self.inner(stream), expected).await
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.log.health()
    }

    async fn close(&self) {
        self.log.close().await;
    }
}
