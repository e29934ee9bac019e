//! Ends streams: a deletion is a metadata event that hides what is there, a tombstone is the last event there can be.

use super::appender::Appender;
use super::heads::Head;
use super::judge::wrong;
use super::operation::Halt;
use crate::kernel::StreamName;
use crate::log::rules::{self, TOMBSTONE_REVISION};
use crate::log::system_events::{check_no_metastream, tombstone_event};
use crate::log::{AppendError, Appended, Expected};

impl Appender<'_> {
    pub(super) fn delete(
        &mut self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Appended, Halt> {
        check_no_metastream(stream)?;
        let head = self.deletable(stream)?;
        self.living_head(&stream.metastream())?;
        if head.last.or(head.described).is_none() {
            return Err(wrong(stream, expected, None).into());
        }
        check_ending(stream, head, expected)?;
        let data = rules::metadata_bytes(&rules::deleting_metadata());
        self.write_metadata(stream, "delete", data)
    }

    pub(super) fn tombstone(
        &mut self,
        stream: &StreamName,
        expected: Expected,
    ) -> Result<Appended, Halt> {
        let head = self.deletable(stream)?;
        check_ending(stream, head, expected)?;
        let end = Head {
            last: Some(TOMBSTONE_REVISION - 1),
            ..head
        };
        self.write(stream, end, false, vec![tombstone_event(stream)])
    }

    fn deletable(&mut self, stream: &StreamName) -> Result<Head, Halt> {
        let head = self.living_head(stream)?;
        if self.protected.covers_either(stream) {
            return Err(AppendError::Protected(stream.clone()).into());
        }
        Ok(head)
    }
}

/// Whether a stream may be ended by somebody who expects this.
fn check_ending(stream: &StreamName, head: Head, expected: Expected) -> Result<(), AppendError> {
    let fits = match expected {
        Expected::Any => true,
        Expected::NoStream => head.soft_deleted || head.last.is_none(),
        Expected::StreamExists if head.soft_deleted => {
            return Err(AppendError::StreamDeleted(stream.clone()));
        }
        Expected::StreamExists => head.last.or(head.described).is_some(),
        Expected::Exact(at) => head.last == Some(at),
    };
    if !fits {
        return Err(wrong(stream, expected, head.last));
    }
    Ok(())
}
