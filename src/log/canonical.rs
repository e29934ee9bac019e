//! The canonical bytes of a recorded event, and their digest: what `verify` checks and what the audit tree holds.
//!
//! All numbers big-endian, nothing optional, so that every event has one form and no two events share one:
//!
//! ```text
//!   offset  bytes  field
//!        0      1  form of these bytes: 1
//!        1      8  position
//!        9      8  revision
//!       17      8  recorded_at, microseconds since 1970 (two's complement)
//!       25     16  event id
//!       41      1  1: data is JSON, 0: it is not
//!       42      4  length of the stream's name, then the name (UTF-8)
//!        .      4  length of the type, then the type (UTF-8)
//!        .      4  length of data, then data
//!        .      4  length of metadata, then metadata
//! ```

use std::ops::Range;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::{BufMut, BytesMut};
use uuid::Uuid;

use super::RecordedEvent;

/// SHA-256 of the canonical bytes.
pub type Digest = [u8; DIGEST_BYTES];

/// Length of a [`Digest`].
pub const DIGEST_BYTES: usize = 32;

/// The form drawn above.
const FORM: u8 = 1;

/// What the canonical bytes are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) position: u64,
    pub(super) revision: u64,
    pub(super) recorded_micros: i64,
    pub(super) id: Uuid,
    pub(super) is_json: bool,
    pub(super) stream: &'a str,
    pub(super) event_type: &'a str,
    pub(super) data: &'a [u8],
    pub(super) metadata: &'a [u8],
}

/// The canonical bytes of `event`.
#[must_use]
pub fn canonical_bytes(event: &RecordedEvent) -> Vec<u8> {
    let mut buffer = BytesMut::new();
    let parts = Parts {
        position: event.position.0,
        revision: event.revision,
        recorded_micros: event.recorded_at.unix_micros(),
        id: event.id,
        is_json: event.is_json,
        stream: event.stream.as_str(),
        event_type: &event.event_type,
        data: &event.data,
        metadata: &event.metadata,
    };
    parts.put(&mut buffer);
    buffer.to_vec()
}

/// The digest of `event`, as its row holds it.
#[must_use]
pub fn event_digest(event: &RecordedEvent) -> Digest {
    sha256(&canonical_bytes(event))
}

/// SHA-256 of `bytes`.
pub(super) fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; DIGEST_BYTES];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

impl Parts<'_> {
    /// Appends the canonical bytes to `buffer`; answers where data and metadata lie in it.
    pub(super) fn put(&self, buffer: &mut BytesMut) -> (Range<usize>, Range<usize>) {
        const HEAD_BYTES: usize = 1 + 3 * 8 + 16 + 1;
        const LENGTHS_BYTES: usize = 4 * 4;
        buffer.reserve(
            HEAD_BYTES
                + LENGTHS_BYTES
                + self.stream.len()
                + self.event_type.len()
                + self.data.len()
                + self.metadata.len(),
        );
        // Together, because a buffer that grows looks at its room each time.
        let mut head = [0; HEAD_BYTES];
        let mut at = head.as_mut_slice();
        at.put_u8(FORM);
        at.put_u64(self.position);
        at.put_u64(self.revision);
        at.put_i64(self.recorded_micros);
        at.put_slice(self.id.as_bytes());
        at.put_u8(u8::from(self.is_json));
        buffer.put_slice(&head);
        put_counted(buffer, self.stream.as_bytes());
        put_counted(buffer, self.event_type.as_bytes());
        let data = put_counted(buffer, self.data);
        let metadata = put_counted(buffer, self.metadata);
        (data, metadata)
    }
}

fn put_counted(buffer: &mut BytesMut, field: &[u8]) -> Range<usize> {
    // Fields are far below 4 GiB: an append is limited to MAX_APPEND_BYTES.
    buffer.put_u32(u32::try_from(field.len()).unwrap_or(u32::MAX));
    let start = buffer.len();
    buffer.put_slice(field);
    start..buffer.len()
}
