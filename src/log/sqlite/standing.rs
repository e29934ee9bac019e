//! Where a stream stands before an append: remembered, or looked up.

use super::appender::Appender;
use super::heads::Head;
use super::operation::Halt;
use crate::kernel::{Revision, StreamName};
use crate::log::rules;
use crate::log::{AppendError, StreamMetadata};

impl Appender<'_> {
    pub(super) fn living_head(&mut self, stream: &StreamName) -> Result<Head, Halt> {
        let head = self.head(stream)?;
        let owner_ended = match rules::owner_of(stream) {
            Some(owner) => self.head(&owner)?.tombstoned(),
            None => false,
        };
        if head.tombstoned() || owner_ended {
            return Err(AppendError::StreamDeleted(stream.clone()).into());
        }
        Ok(head)
    }

    pub(super) fn head(&mut self, stream: &StreamName) -> rusqlite::Result<Head> {
        if let Some(head) = self.heads.get(stream) {
            return Ok(*head);
        }
        let (id, last) = self.place(stream)?;
        let described = if self.metastreams {
            self.place(&stream.metastream())?.1
        } else {
            None
        };
        let soft_deleted = described.is_some() && rules::is_soft_deleted(&self.metadata(stream)?);
        let head = Head {
            id,
            last,
            described,
            soft_deleted,
        };
        self.heads.put(stream.clone(), head);
        Ok(head)
    }

    fn place(&mut self, stream: &StreamName) -> rusqlite::Result<(Option<i64>, Option<Revision>)> {
        let Some(id) = self.statements.stream_id(stream.as_str())? else {
            return Ok((None, None));
        };
        Ok((Some(id), self.index.last(&mut self.statements, id)?))
    }

    fn metadata(&mut self, stream: &StreamName) -> rusqlite::Result<StreamMetadata> {
        let stored = self.stored_metadata(stream)?;
        Ok(stored
            .map(|(is_json, data)| rules::parse_metadata(is_json, &data))
            .unwrap_or_default())
    }

    pub(super) fn stored_metadata(
        &mut self,
        stream: &StreamName,
    ) -> rusqlite::Result<Option<(bool, Vec<u8>)>> {
        let (Some(id), Some(last)) = self.place(&stream.metastream())? else {
            return Ok(None);
        };
        match self.index.at(&mut self.statements, id, last)? {
            Some(position) => {
                self.group.insert_for(&mut self.statements, position)?;
                self.statements.payload(position)
            }
            None => Ok(None),
        }
    }

    /// Keeps where a stream stands after a write.
    pub(super) fn remember(&mut self, stream: &StreamName, head: Head) {
        self.heads.put(stream.clone(), head);
        if let Some(owner) = rules::owner_of(stream) {
            // What it says of its stream changed.
            self.heads.remove(&owner);
            self.metastreams = true;
        }
    }
}
