//! Reads of a stream, and what all reads share.

use eventstore::{Error, ReadEvent, ReadStream, ReadStreamOptions, ResolvedEvent, StreamPosition};
use futures::FutureExt as _;
use futures::future::{join, ready};

use super::call::step;
use super::cluster::Cluster;
use super::convert::recorded;
use super::trouble::Trouble;
use crate::kernel::{Position, Revision, StreamName};
use crate::log::{
    Direction, ReadError, ReadFrom, RecordedEvent, StreamMetadata, StreamSlice, rules,
};

/// Bytes that end a page earlier: 16 MiB, 16 of the largest appends.
const PAGE_BYTES: usize = 16 * rules::MAX_APPEND_BYTES;

/// What a read brought.
#[derive(Default)]
pub(super) struct Page {
    pub(super) events: Vec<eventstore::RecordedEvent>,
    last_revision: Option<Revision>,
    missing: bool,
    /// It was ended by its size.
    pub(super) cut: bool,
}

/// What a stream that was read turned out to be.
enum Look {
    Found(Page),
    /// It is not there, or not any more.
    Missing(StreamMetadata),
}

impl Cluster {
    /// See [`EventLog::read_stream`](crate::log::EventLog::read_stream).
    pub(super) async fn read(
        &self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
    ) -> Result<StreamSlice, ReadError> {
        // Forward from the last event is that event; the server takes it for a mistake.
        let last_only = (from, direction) == (ReadFrom::End, Direction::Forward);
        let (direction, limit) = if last_only {
            (Direction::Backward, limit.min(1))
        } else {
            (direction, limit)
        };
        let fail = |trouble: Trouble| trouble.of_read(Some(stream));
        let look = self.look(stream, from, direction, limit.saturating_add(1));
        let page = match look.await.map_err(fail)? {
            Look::Found(page) => page,
            Look::Missing(metadata) => {
                return self.missing(stream, &metadata).await.map_err(fail);
            }
        };
        let end = last_only || (page.events.len() <= limit && !page.cut);
        let events: Vec<RecordedEvent> = page
            .events
            .into_iter()
            .take(limit)
            .map(recorded)
            .collect::<Result<_, _>>()?;
        if let Some(highest) = events.iter().map(|event| event.position).max() {
            self.saw(highest);
        }
        Ok(StreamSlice {
            events,
            last_revision: page.last_revision,
            exists: true,
            end,
        })
    }

    /// A page, or what says why there is none. Whoever begins at the beginning may well find nothing: then both are asked for at
    /// once, since each is a wait of its own, and both are heard: a server counts what is given up against its client.
    async fn look(
        &self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        count: usize,
    ) -> Result<Look, Trouble> {
        let page = self.page_of(stream, from, direction, count).boxed();
        let metadata = self.visible_metadata(stream).boxed();
        let begins = matches!(from, ReadFrom::Start | ReadFrom::Revision(0));
        let (page, metadata) = if begins && direction == Direction::Forward {
            let (page, metadata) = join(page, metadata).await;
            (page?, ready(metadata).boxed())
        } else {
            (page.await?, metadata)
        };
        Ok(if page.missing {
            Look::Missing(metadata.await?.0)
        } else {
            Look::Found(page)
        })
    }

    /// What to say of a stream that cannot be read: a deleted one has had events.
    async fn missing(
        &self,
        stream: &StreamName,
        metadata: &StreamMetadata,
    ) -> Result<StreamSlice, Trouble> {
        let last_revision = if rules::is_soft_deleted(metadata) {
            self.last_revision(stream).await?
        } else {
            None
        };
        Ok(StreamSlice {
            last_revision,
            end: true,
            ..StreamSlice::default()
        })
    }

    /// The stream's metadata, and its revision.
    pub(super) async fn stream_metadata(
        &self,
        stream: &StreamName,
    ) -> Result<(StreamMetadata, Option<Revision>), Trouble> {
        let page = self
            .page_of(&stream.metastream(), ReadFrom::End, Direction::Backward, 1)
            .await?;
        Ok(page.events.first().map_or_else(
            || (StreamMetadata::default(), None),
            |event| {
                let metadata = rules::parse_metadata(event.is_json, &event.data);
                (metadata, Some(event.revision))
            },
        ))
    }

    /// The same for what is judged by it: a metastream that has ended says nothing.
    pub(super) async fn visible_metadata(
        &self,
        stream: &StreamName,
    ) -> Result<(StreamMetadata, Option<Revision>), Trouble> {
        match self.stream_metadata(stream).await {
            Err(Trouble::Deleted) => {
                Ok((StreamMetadata::default(), Some(rules::TOMBSTONE_REVISION)))
            }
            known => known,
        }
    }

    async fn page_of(
        &self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        count: usize,
    ) -> Result<Page, Trouble> {
        let options = ReadStreamOptions::default()
            .position(match from {
                ReadFrom::Start => StreamPosition::Start,
                ReadFrom::End => StreamPosition::End,
                ReadFrom::Revision(revision) => StreamPosition::Position(revision),
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
            let (name, options) = (stream.to_string(), options.clone());
            async move { drain(step(client.read_stream(name, &options)).await?).await }
        })
        .await
    }
}

/// A position as the server knows it: every event is committed where it was prepared.
pub(super) fn place(position: Position) -> eventstore::Position {
    eventstore::Position {
        commit: position.0,
        prepare: position.0,
    }
}

/// The event itself, where it is no link, or the link.
pub(super) fn original(event: ResolvedEvent) -> Option<eventstore::RecordedEvent> {
    event.link.or(event.event)
}

fn size(event: &eventstore::RecordedEvent) -> usize {
    event.data.len() + event.custom_metadata.len()
}

/// All that comes, or the first bytes of it.
pub(super) async fn drain(mut replies: ReadStream) -> Result<Page, Error> {
    let (mut page, mut bytes) = (Page::default(), 0);
    loop {
        match step(replies.next_read_event()).await {
            Ok(Some(ReadEvent::Event(event))) => {
                let event = original(event);
                bytes += event.as_ref().map_or(0, size);
                page.events.extend(event);
                if bytes >= PAGE_BYTES && page.events.len() > 1 {
                    page.cut = true;
                    return Ok(page);
                }
            }
            Ok(Some(ReadEvent::LastStreamPosition(revision))) => {
                page.last_revision = Some(revision);
            }
            Ok(Some(ReadEvent::FirstStreamPosition(_) | ReadEvent::LastAllStreamPosition(_))) => {}
            Ok(None) => return Ok(page),
            // Among the replies it is the message of a stream that is not there, and no status.
            Err(Error::ResourceNotFound) => {
                page.missing = true;
                // The end of the call, too: one that is dropped before is given up.
                let _ = step(replies.next_read_event()).await;
                return Ok(page);
            }
            Err(error) => return Err(error),
        }
    }
}
