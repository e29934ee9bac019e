//! Reading one stream: the stream index leads to its events, the newest entries of it from memory.

use rusqlite::{Connection, Transaction};

use super::decode::Page;
use super::place::{Known, living, metadata_of};
use super::reader::{PAGE_ROOM_BYTES, PAGE_ROOM_EVENTS, Reader, failed};
use super::stream_events::Taken;
use crate::kernel::{Moment, Revision, StreamName};
use crate::log::rules::{self, TOMBSTONE_REVISION, Visible};
use crate::log::{Direction, ReadError, ReadFrom, StreamMetadata, StreamSlice};

impl Reader {
    /// At most `limit` events of one stream.
    pub(super) fn stream(
        &mut self,
        stream: &StreamName,
        from: ReadFrom,
        direction: Direction,
        limit: usize,
        now: Moment,
    ) -> Result<StreamSlice, ReadError> {
        let least = match (direction, from) {
            (Direction::Forward, ReadFrom::Revision(revision)) => revision,
            (Direction::Forward, ReadFrom::Start | ReadFrom::End) | (Direction::Backward, _) => 0,
        };
        let known = Known::of(&self.connection, &self.unwritten, stream, least)?;
        let snapshot = snapshot(&self.connection)?;
        let Some(place) = living(&snapshot, stream, known.stream, known.owner)? else {
            return Ok(StreamSlice {
                end: true,
                ..StreamSlice::default()
            });
        };
        // Only what metadata hides can have been scavenged.
        let known_whole = known.metastream.is_none() && rules::owner_of(stream).is_none();
        let (metadata, _) = metadata_of(&snapshot, known.metastream.as_ref())?;
        if rules::is_soft_deleted(&metadata) {
            return Ok(StreamSlice {
                last_revision: Some(place.last),
                end: true,
                ..StreamSlice::default()
            });
        }
        let visible = match rules::owner_of(stream) {
            Some(_) => Visible::last_only(place.last),
            None => Visible::by(&metadata, place.last, now),
        };
        let start = match from {
            ReadFrom::Start => 0,
            ReadFrom::End => place.last,
            ReadFrom::Revision(revision) => revision,
        };
        let there = match direction {
            Direction::Forward => place.last.saturating_sub(start),
            Direction::Backward => start.min(place.last),
        };
        let there = usize::try_from(there).unwrap_or(usize::MAX);
        let room = there.saturating_add(1).min(limit).min(PAGE_ROOM_EVENTS);
        self.names.begin_page();
        let name = StreamName::new(stream.as_str()).unwrap_or_else(|_| stream.clone());
        let mut taken = Taken {
            connection: &snapshot,
            names: &mut self.names,
            name,
            stream: &place,
            visible,
            limit,
            page: Page::with_room_for(room, room * self.event_bytes),
            whole: known_whole,
            next: None,
        };
        let end = match direction {
            Direction::Forward => taken.forward(start.max(visible.first), place.last)?,
            Direction::Backward => taken.backward(visible.first, start.min(place.last))?,
        };
        let page = taken.page;
        if let Some(each) = page.bytes().checked_div(page.len()) {
            self.event_bytes = each.min(PAGE_ROOM_BYTES / PAGE_ROOM_EVENTS);
        }
        Ok(StreamSlice {
            events: page.into_events(),
            last_revision: Some(place.last),
            exists: true,
            end,
        })
    }

    /// A stream's metadata and where it was written.
    pub(super) fn metadata(
        &mut self,
        stream: &StreamName,
    ) -> Result<(StreamMetadata, Option<Revision>), ReadError> {
        let known = Known::of(&self.connection, &self.unwritten, stream, Revision::MAX)?;
        let snapshot = snapshot(&self.connection)?;
        living(&snapshot, stream, known.stream, known.owner)?;
        match metadata_of(&snapshot, known.metastream.as_ref())? {
            (_, Some(TOMBSTONE_REVISION)) => Err(ReadError::StreamDeleted(stream.clone())),
            known => Ok(known),
        }
    }
}

/// The file as it is from now on, whatever is written meanwhile.
fn snapshot(connection: &Connection) -> Result<Transaction<'_>, ReadError> {
    connection
        .unchecked_transaction()
        .map_err(|error| failed(&error))
}
