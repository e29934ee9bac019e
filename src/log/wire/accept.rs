//! The next connection of a listener, whatever happens to the ones before it.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// How long nothing is accepted after that failed: no file handle is left, mostly.
const PAUSE: Duration = Duration::from_secs(1);

/// The next connection. Where none can be accepted, that is said, and tried again after a while.
///
/// Its future can be dropped at any time, in the pause too: whoever is told to shut down waits for nothing here.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let (socket, peer) = persist(|| listener.accept()).await;
    // Small replies go out at once; a socket that refuses this only waits longer.
    let _ = socket.set_nodelay(true);
    (socket, peer)
}

async fn persist<T, F>(mut step: impl FnMut() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match step().await {
            Ok(accepted) => return accepted,
            // A peer that went away keeps nobody else waiting.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted now");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_went_away_is_passed_over_at_once() {
        let begun = Instant::now();
        let mut outcomes = [
            Err(ErrorKind::ConnectionAborted.into()),
            Err(ErrorKind::ConnectionReset.into()),
            Ok("the next one"),
        ]
        .into_iter();
        let accepted = persist(|| ready(outcomes.next().unwrap())).await;
        assert_eq!(accepted, "the next one");
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_tried_for_a_while_after_another_failure() {
        let begun = Instant::now();
        let mut outcomes = [Err(io::Error::from_raw_os_error(24)), Ok(())].into_iter();
        persist(|| ready(outcomes.next().unwrap())).await;
        assert_eq!(begun.elapsed(), PAUSE);
    }
}
