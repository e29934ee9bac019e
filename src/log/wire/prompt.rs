//! Connections that say what they are in time. Whoever connects and says nothing holds a file of the process, and there
//! are not many of them.
//!
//! And that are told in time what came: the Rust clients write a call in pieces, and keep the next one back until the one
//! before is acknowledged (Nagle's algorithm, RFC 896), which Linux puts off by 40 ms where no answer is due.

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
        if polled.is_ready() {
            acknowledge(&self.socket);
        }
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

/// Acknowledges at once what was read. Linux forgets the wish with each answer, so it is told again.
#[cfg(target_os = "linux")]
fn acknowledge(socket: &TcpStream) {
    // A socket that refuses this only waits longer.
    let _ = rustix::net::sockopt::set_tcp_quickack(socket, true);
}

#[cfg(not(target_os = "linux"))]
fn acknowledge(_socket: &TcpStream) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::net::sockopt::tcp_quickack;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_came_is_acknowledged_at_once_also_after_an_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        let mut served = Prompt::new(listener.accept().await.unwrap().0);
        for _ in 0..8 {
            client.write_all(b"a piece of a call").await.unwrap();
            let read = served.read(&mut [0; 64]).await.unwrap();
            assert!(read > 0);
            assert!(tcp_quickack(&served.socket).unwrap());
            served.write_all(b"an answer").await.unwrap();
            assert!(client.read(&mut [0; 64]).await.unwrap() > 0);
        }
    }
}
