//! The tower layer: every method needs a caller, but for the few that are public.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use http::{Request, Response, header::AUTHORIZATION};
use tonic::body::Body;
use tower::{Layer, Service};

use super::tokens::{Rejection, Tokens};
use crate::grpc::{Caller, PUBLIC, status};

/// Puts [`Auth`] before a service.
#[derive(Clone)]
pub struct AuthLayer {
    tokens: Arc<Tokens>,
}

/// Answers `UNAUTHENTICATED`, or passes on with a [`Caller`] in the extensions.
#[derive(Clone)]
pub struct Auth<S> {
    tokens: Arc<Tokens>,
    inner: S,
}

impl AuthLayer {
    /// Judges by `tokens`.
    #[must_use]
    pub fn new(tokens: Arc<Tokens>) -> Self {
        Self { tokens }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth {
            tokens: Arc::clone(&self.tokens),
            inner,
        }
    }
}

impl<S> Service<Request<Body>> for Auth<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<Ready<Result<Response<Body>, S::Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.caller(&request) {
            Ok(Some(caller)) => {
                request.extensions_mut().insert(caller);
                Either::Right(self.inner.call(request))
            }
            Ok(None) => Either::Right(self.inner.call(request)),
            Err(rejection) => {
                tracing::debug!(%rejection, method = request.uri().path(), "unauthenticated");
                Either::Left(ready(Ok(
                    status::unauthenticated(&rejection.to_string()).into_http()
                )))
            }
        }
    }
}

impl<S> Auth<S> {
    fn caller(&self, request: &Request<Body>) -> Result<Option<Caller>, Rejection> {
        let path = request.uri().path();
        let public = PUBLIC
            .iter()
            .any(|open| path == *open || (open.ends_with('/') && path.starts_with(open)));
        if public {
            return Ok(None);
        }
        let token = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(bearer)
            .ok_or(Rejection::Missing)?;
        let actor = self.tokens.actor(token)?;
        Ok(Some(Caller { actor }))
    }
}

/// The scheme's name is in any case of letters (RFC 9110).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}
