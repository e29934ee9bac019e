//! Request bodies that remember whether they came whole.
//!
//! A client that cancels a call resets its stream, and tonic shows that as the end of its messages: an append that was
//! given up would look like one that is complete.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// Whether the client ended its side by itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Whole(Arc<AtomicBool>);

impl Whole {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A body that says when it ended.
pub(super) struct Watched {
    body: Incoming,
    whole: Whole,
}

impl Watched {
    pub(super) fn new(body: Incoming, whole: Whole) -> Self {
        Self { body, whole }
    }
}

impl Body for Watched {
    type Data = <Incoming as Body>::Data;
    type Error = <Incoming as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) {
            self.whole.0.store(true, Ordering::Release);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        // Only polling to the end tells an end from a reset.
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
