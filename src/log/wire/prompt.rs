//! Connections that say what they are in time. Whoever connects and says nothing holds a file of the process, and there
//! are not many of them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How long a connection may take for its first words, and one of HTTP/1.1 for each request. Clients send them at once.
pub(super) const FIRST_WORDS: Duration = Duration::from_secs(10);

/// Bytes of them: HTTP/2 begins with so many, and a request of HTTP/1.1 seldom has less.
const WORDS_BYTES: usize = 24;

/// A socket that fails where its first words do not come in time.
pub(super) struct Prompt {
    socket: TcpStream,
    heard: usize,
    /// None once they came.
    late: Option<Pin<Box<Sleep>>>,
}

impl Prompt {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            heard: 0,
            late: Some(Box::pin(tokio::time::sleep(FIRST_WORDS))),
        }
    }
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(context, into);
        let Some(late) = &mut self.late else {
            return polled;
        };
        match polled {
            Poll::Pending => late
                .as_mut()
                .poll(context)
                .map(|()| Err(io::ErrorKind::TimedOut.into())),
            Poll::Ready(read) => {
                self.heard += into.filled().len() - before;
                if self.heard >= WORDS_BYTES {
                    self.late = None;
                }
                Poll::Ready(read)
            }
        }
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
