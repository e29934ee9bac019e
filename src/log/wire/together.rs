//! Connections whose short answers leave together.
//!
//! One commit answers many calls at once, many of them on one connection. The first answer wakes the connection's task, which
//! the runtime lets run next, before those that bring the other answers; it would send each in a packet of its own, and wake
//! the client for it. So a short write waits until the runtime has been through everything that could run, and goes on
//! waiting while that added to it. Where nothing else can run, that is at once: nobody waits for a clock.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// Bytes that are worth a packet, which wait for nothing.
const LONG: usize = 8 * 1024;

/// Turns of the runtime that a write waits at most.
const TURNS: u8 = 3;

/// A socket that gathers short writes.
pub(crate) struct Together<S> {
    socket: S,
    /// Turns that the write under way has waited, and its bytes then.
    turns: u8,
    bytes: usize,
}

impl<S> Together<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self {
            socket,
            turns: 0,
            bytes: 0,
        }
    }

    /// Whether a write of so many bytes is due. If not, the task runs again after all that can run now.
    fn is_due(&mut self, bytes: usize, context: &Context<'_>) -> bool {
        let grew = bytes > self.bytes;
        if bytes >= LONG || self.turns == TURNS || !grew {
            (self.turns, self.bytes) = (0, 0);
            return true;
        }
        self.turns += 1;
        self.bytes = bytes;
        context.waker().wake_by_ref();
        false
    }
}

impl<S: Connected> Connected for Together<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.socket.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Together<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Together<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.is_due(bytes.len(), context) {
            return Poll::Pending;
        }
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = pieces.iter().map(|piece| piece.len()).sum();
        if !self.is_due(bytes, context) {
            return Poll::Pending;
        }
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;

    use bytes::Bytes;
    use futures::future::{join, join_all};
    use http_body_util::Full;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::io::DuplexStream;
    use tokio::sync::Notify;

    use super::*;

    /// One end of a pipe that counts what is written to it.
    struct Counted {
        pipe: DuplexStream,
        writes: Arc<AtomicUsize>,
    }

    impl AsyncRead for Counted {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.pipe).poll_read(context, into)
        }
    }

    impl AsyncWrite for Counted {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.writes.fetch_add(1, Ordering::SeqCst);
            Pin::new(&mut self.pipe).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.pipe).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.pipe).poll_shutdown(context)
        }
    }

    fn pipe() -> (DuplexStream, Counted) {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let writes = Arc::default();
        (near, Counted { pipe: far, writes })
    }

    const CALLS: usize = 8;

    /// Writes that it takes to answer calls of one connection which may all be answered at the same moment.
    async fn writes_of_answers<S>(wrap: impl FnOnce(Counted) -> S) -> usize
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (near, far) = pipe();
        let writes = Arc::clone(&far.writes);
        let (waiting, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (counted, gate) = (Arc::clone(&waiting), Arc::clone(&go));
        let service = hyper::service::service_fn(move |_request| {
            let (counted, gate) = (Arc::clone(&counted), Arc::clone(&gate));
            async move {
                let mut go = pin!(gate.notified());
                go.as_mut().enable();
                counted.fetch_add(1, Ordering::SeqCst);
                go.await;
                let answer = http::Response::new(Full::new(Bytes::from_static(b"an answer")));
                Ok::<_, Infallible>(answer)
            }
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(server.serve_connection(TokioIo::new(wrap(far)), service));
        let client =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near));
        let (client, connection) = client.await.unwrap();
        tokio::spawn(connection);
        let calls = (0..CALLS).map(|_| {
            let request = http::Request::new(Full::new(Bytes::new()));
            let mut client = client.clone();
            async move { client.send_request(request).await.unwrap() }
        });
        let answered = async {
            while waiting.load(Ordering::SeqCst) < CALLS {
                tokio::task::yield_now().await;
            }
            let before = writes.load(Ordering::SeqCst);
            go.notify_waiters();
            before
        };
        let (_, before) = join(join_all(calls), answered).await;
        writes.load(Ordering::SeqCst) - before
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn answers_of_one_moment_leave_in_one_write() {
        let alone = tokio::spawn(writes_of_answers(|socket| socket));
        assert!(alone.await.unwrap() > CALLS / 2);
        let together = tokio::spawn(writes_of_answers(Together::new));
        assert_eq!(together.await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_short_write_waits_while_it_grows_and_no_longer() {
        let (_near, far) = pipe();
        let writes = Arc::clone(&far.writes);
        let mut socket = Together::new(far);
        let mut write = |bytes: usize| {
            let mut context = Context::from_waker(Waker::noop());
            let polled = Pin::new(&mut socket).poll_write(&mut context, &vec![0; bytes]);
            polled.map(Result::unwrap)
        };
        assert_eq!(write(10), Poll::Pending);
        assert_eq!(write(10), Poll::Ready(10), "nothing was added");
        for more in 1..=usize::from(TURNS) {
            assert_eq!(write(10 * more), Poll::Pending);
        }
        assert_eq!(write(1000), Poll::Ready(1000), "it waited long enough");
        assert_eq!(write(LONG), Poll::Ready(LONG), "it is worth a packet");
        assert_eq!(writes.load(Ordering::SeqCst), 3);
    }
}
