//! Request bodies that remember whether they came whole.
//!
//! A client that cancels a call resets its stream, and tonic shows that as the end of its messages: an append that was
//! given up would look like one that is complete.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::Notify;

/// What is known of the client's side of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Whole(Arc<Side>);

#[derive(Debug, Default)]
struct Side {
    /// Ended by the client itself.
    whole: AtomicBool,
    /// Ended by whomever.
    ended: Notify,
}

impl Whole {
    /// Whether the client ended its side by itself.
    pub(super) fn get(&self) -> bool {
        self.0.whole.load(Ordering::Acquire)
    }

    /// Returns when the client has said all, or soon, where it goes on. For answers that need nothing of what it says: a client may
    /// overlook the end of one that comes while it still sends. One task asks this of a call, once.
    pub(super) async fn said(&self) {
        let _ = tokio::time::timeout(SAID, self.0.ended.notified()).await;
    }
}

/// How long an answer waits for what it does not need.
const SAID: Duration = Duration::from_millis(10);

/// How long a client that was answered may go on sending.
const HEAR_OUT: Duration = Duration::from_secs(1);

/// Takes in what a client still sends after it was answered: to drop it would reset the call, and some clients show that
/// instead of the answer.
fn hear_out(mut body: Incoming, side: Whole) {
    // Without a runtime the server is gone, and its connections are.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    runtime.spawn(async move {
        let heard = async { while body.frame().await.is_some_and(|frame| frame.is_ok()) {} };
        // A client that never ends is reset at last.
        let _ = tokio::time::timeout(HEAR_OUT, heard).await;
        side.0.ended.notify_one();
    });
}

/// A body that says when it ended, and is heard out where the call was answered before.
pub(super) struct Watched {
    /// None once it ended, well or not.
    body: Option<Incoming>,
    whole: Whole,
}

impl Watched {
    pub(super) fn new(body: Incoming, whole: Whole) -> Self {
        Self {
            body: Some(body),
            whole,
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        match self.body.take() {
            Some(body) => hear_out(body, self.whole.clone()),
            None => self.whole.0.ended.notify_one(),
        }
    }
}

impl Body for Watched {
    type Data = <Incoming as Body>::Data;
    type Error = <Incoming as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        match &polled {
            Poll::Ready(None) => {
                self.whole.0.whole.store(true, Ordering::Release);
                self.body = None;
            }
            Poll::Ready(Some(Err(_))) => self.body = None,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        // Only polling to the end tells an end from a reset.
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}
