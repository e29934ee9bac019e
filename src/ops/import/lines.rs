//! The file, line by line: what is read, and what does not fit.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::catalog::{Catalog, Method};
use super::state::Place;

/// Longest line in bytes: a server takes messages of at most 4 MiB, and JSON is longer than protobuf.
pub(super) const MAX_LINE_BYTES: u64 = 8 << 20;

/// One command, ready to be sent.
pub(super) struct Line {
    /// Where the line begins.
    pub(super) at: Place,
    /// Where the next line begins.
    pub(super) next: Place,
    /// Lines of one key are sent in order.
    pub(super) key: Arc<str>,
    /// What is called.
    pub(super) method: Arc<Method>,
    /// The request.
    pub(super) body: Bytes,
}

/// What the reader found.
pub(super) enum Found {
    /// A command.
    Line(Line),
    /// A line that is none, its number and why.
    Malformed(u64, String),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    key: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    service: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    method: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    request: &'a RawValue,
}

/// Opens `path` at `start`; offsets count the bytes of the text, unpacked where the name ends in `.gz`.
pub(super) fn open(path: &Path, start: u64) -> io::Result<Box<dyn BufRead + Send>> {
    const BUFFER_BYTES: usize = 1 << 20;
    let mut file = File::open(path)?;
    if path.extension().is_none_or(|extension| extension != "gz") {
        file.seek(SeekFrom::Start(start))?;
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, file)));
    }
    let unpacked = flate2::read::MultiGzDecoder::new(BufReader::new(file));
    let mut text = BufReader::with_capacity(BUFFER_BYTES, unpacked);
    io::copy(&mut text.by_ref().take(start), &mut io::sink())?;
    Ok(Box::new(text))
}

/// Reads until the end, or until nobody listens any more. Blocks; meant for a thread of its own.
pub(super) fn read(
    mut text: impl BufRead,
    start: Place,
    catalog: &Catalog,
    found: &mpsc::Sender<Found>,
) -> io::Result<()> {
    let mut at = start;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let mut length = (&mut text)
            .take(MAX_LINE_BYTES + 1)
            .read_until(b'\n', &mut bytes)? as u64;
        if length == 0 {
            return Ok(());
        }
        let whole = bytes.last() == Some(&b'\n') || length <= MAX_LINE_BYTES;
        if !whole {
            length += text.skip_until(b'\n')? as u64;
        }
        let next = Place {
            line: at.line + 1,
            offset: at.offset + length,
        };
        let item = if whole {
            parse(&bytes, at, next, catalog)
        } else {
            let problem = format!("longer than {MAX_LINE_BYTES} bytes");
            Some(Found::Malformed(at.line, problem))
        };
        at = next;
        let Some(item) = item else { continue };
        if found.blocking_send(item).is_err() {
            return Ok(());
        }
    }
}

/// One line; nothing where it is blank.
fn parse(bytes: &[u8], at: Place, next: Place, catalog: &Catalog) -> Option<Found> {
    let bytes = bytes.trim_ascii();
    if bytes.is_empty() {
        return None;
    }
    let read = || {
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let method = catalog
            .find(&envelope.service, &envelope.method)
            .ok_or_else(|| format!("no method {}.{}", envelope.service, envelope.method))?;
        let body = method
            .encode(envelope.request.get())
            .map_err(|error| error.to_string())?;
        Ok(Line {
            at,
            next,
            key: envelope.key.as_ref().into(),
            method: Arc::clone(method),
            body,
        })
    };
    Some(match read() {
        Ok(line) => Found::Line(line),
        Err(problem) => Found::Malformed(at.line, problem),
    })
}
