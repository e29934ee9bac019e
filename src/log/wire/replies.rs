//! Replies of a read or a subscription on their way: messages are collected in a buffer that goes to the socket as it is,
//! many at once. Nothing waits in it while a call waits for events: whoever collects says when to send.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::sync::mpsc;
use tonic::Status;

use super::encode;
use super::links::Resolved;
use super::messages::UuidForm;
use crate::proto::event_store::client::streams::{ReadResp, read_resp};

/// Bytes that are sent as one, unless a single message has more: four frames of HTTP/2.
const CHUNK_BYTES: usize = 64 * 1024;

/// Room for the message that fills a chunk, if it is a usual one.
const OVERHANG_BYTES: usize = 4 * 1024;

/// Chunks that wait for the client of one call: with the one being filled 320 KiB of usual messages.
const CHUNKS: usize = 4;

/// The client went away, or the call was answered with an error: nothing more is to be sent.
pub(super) struct Over;

type Chunk = Result<Bytes, Status>;

/// Where the replies of one call go.
pub(super) struct Replies {
    chunks: mpsc::Sender<Chunk>,
    buffer: Vec<u8>,
}

impl Replies {
    /// The two ends, and one that says the last word where the first was dropped.
    pub(super) fn new() -> (Self, LastWord, Chunks) {
        let (chunks, receiver) = mpsc::channel(CHUNKS);
        let replies = Self {
            chunks: chunks.clone(),
            buffer: Vec::new(),
        };
        let receiver = Arc::new(Mutex::new(Some(receiver)));
        (replies, LastWord(chunks), Chunks(receiver))
    }

    /// Sends one reply, and what was collected before it.
    pub(super) async fn send(&mut self, content: read_resp::Content) -> Result<(), Over> {
        self.add(content).await?;
        self.flush().await
    }

    /// Adds one reply.
    pub(super) async fn add(&mut self, content: read_resp::Content) -> Result<(), Over> {
        let message = ReadResp {
            content: Some(content),
        };
        encode::put_message(&mut self.buffer, &message);
        self.send_if_full().await
    }

    /// Adds an event.
    pub(super) async fn event(&mut self, event: &Resolved, form: UuidForm) -> Result<(), Over> {
        encode::put_event(&mut self.buffer, event, form);
        self.send_if_full().await
    }

    /// Sends what was collected.
    pub(super) async fn flush(&mut self) -> Result<(), Over> {
        let chunk = Bytes::from(std::mem::take(&mut self.buffer));
        if chunk.is_empty() {
            return Ok(());
        }
        self.chunks.send(Ok(chunk)).await.map_err(|_| Over)
    }

    /// Ends the call with an error.
    pub(super) async fn fail(&mut self, status: Status) -> Over {
        if self.flush().await.is_ok() {
            // A client that went away does not hear of it.
            let _ = self.chunks.send(Err(status)).await;
        }
        Over
    }

    async fn send_if_full(&mut self) -> Result<(), Over> {
        if self.buffer.len() < CHUNK_BYTES {
            return Ok(());
        }
        self.flush().await?;
        // Where one chunk was full, so will be the next.
        self.buffer.reserve(CHUNK_BYTES + OVERHANG_BYTES);
        Ok(())
    }
}

/// Ends a call from outside.
pub(super) struct LastWord(mpsc::Sender<Chunk>);

impl LastWord {
    /// Returns when the client has gone.
    pub(super) async fn unheard(&self) {
        self.0.closed().await;
    }

    /// Sends it after everything that was sent before.
    pub(super) async fn say(self, status: Status) {
        // A client that went away does not hear it.
        let _ = self.0.send(Err(status)).await;
    }
}

/// The receiving end, as a response carries it from the service to the socket.
#[derive(Clone)]
pub(super) struct Chunks(Arc<Mutex<Option<mpsc::Receiver<Chunk>>>>);

/// Gives a response that carries [`Chunks`] the body that they are.
pub(super) fn embody(
    mut response: http::Response<tonic::body::Body>,
) -> http::Response<tonic::body::Body> {
    let Some(Chunks(chunks)) = response.extensions_mut().remove::<Chunks>() else {
        return response;
    };
    let chunks = chunks.lock().unwrap_or_else(PoisonError::into_inner).take();
    response.map(|_| tonic::body::Body::new(ChunkBody { chunks }))
}

/// Chunks, then how the call ended.
struct ChunkBody {
    chunks: Option<mpsc::Receiver<Chunk>>,
}

impl Body for ChunkBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(chunks) = self.chunks.as_mut() else {
            return Poll::Ready(None);
        };
        let status = match ready!(chunks.poll_recv(context)) {
            Some(Ok(chunk)) => return Poll::Ready(Some(Ok(Frame::data(chunk)))),
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        self.chunks = None;
        let mut trailers = HeaderMap::new();
        let ended = status.add_header(&mut trailers);
        Poll::Ready(Some(ended.map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_none()
    }
}
