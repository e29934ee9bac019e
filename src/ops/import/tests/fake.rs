//! A server that says what a test tells it to, and remembers what it saw.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use tokio::runtime::{Builder, Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::super::sender::Raw;
use crate::proto::annals::attendance::v1::ClockInRequest;
use crate::proto::annals::common::v1::CommandReply;
use crate::proto::annals::operations::v1::AwaitProcessesRequest;

/// What the server answers to a clock-in of a placement (the key) on a date (the number) at the nth try.
type Script = dyn Fn(&str, u32, u32) -> Result<CommandReply, Status> + Send + Sync;

/// What the server saw.
#[derive(Default)]
pub(super) struct Seen {
    /// By key, the numbers in the order of their arrival, tries that failed included.
    pub(super) arrived: BTreeMap<String, Vec<u32>>,
    tries: HashMap<(String, u32), u32>,
    /// Keys with a call under way, or whose processes are not awaited yet.
    pub(super) busy: HashSet<String>,
    /// Two calls of one key at once.
    pub(super) clashes: u32,
    pub(super) most_at_once: usize,
    pub(super) tokens: HashSet<String>,
}

#[derive(Clone)]
struct Fake {
    seen: Arc<Mutex<Seen>>,
    script: Arc<Script>,
}

impl Fake {
    async fn clock_in(self, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let token = request
            .metadata()
            .get("authorization")
            .map(|t| t.to_str().unwrap().to_owned());
        let message = ClockInRequest::decode(request.into_inner()).unwrap();
        let (key, number) = (message.placement_id, message.date.parse::<u32>().unwrap());
        let nth = {
            let mut seen = self.seen.lock().unwrap();
            seen.tokens.extend(token);
            seen.clashes += u32::from(!seen.busy.insert(key.clone()));
            seen.most_at_once = seen.most_at_once.max(seen.busy.len());
            seen.arrived.entry(key.clone()).or_default().push(number);
            let tries = seen.tries.entry((key.clone(), number)).or_default();
            *tries += 1;
            *tries
        };
        // Long enough for a second call of the same key to show, were there one.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let answer = (self.script)(&key, number, nth);
        if !answer.as_ref().is_ok_and(|reply| reply.processes_pending) {
            self.seen.lock().unwrap().busy.remove(&key);
        }
        let reply = answer?;
        Ok(Response::new(reply.encode_to_vec().into()))
    }

    async fn await_processes(self, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let message = AwaitProcessesRequest::decode(request.into_inner()).unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.seen
            .lock()
            .unwrap()
            .busy
            .remove(&message.consistency_token);
        Ok(Response::new(Bytes::new()))
    }
}

impl UnaryService<Bytes> for Fake {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let this = self.clone();
        if request.extensions().get::<Awaits>().is_some() {
            Box::pin(this.await_processes(request))
        } else {
            Box::pin(this.clock_in(request))
        }
    }
}

#[derive(Clone)]
struct Awaits;

macro_rules! serve_as {
    ($wrapper:ident, $name:literal) => {
        #[derive(Clone)]
        struct $wrapper(Fake);

        impl NamedService for $wrapper {
            const NAME: &'static str = $name;
        }

        impl Service<http::Request<Body>> for $wrapper {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
                let fake = self.0.clone();
                if request.uri().path().ends_with("/AwaitProcesses") {
                    request.extensions_mut().insert(Awaits);
                }
                Box::pin(
                    async move { Ok(tonic::server::Grpc::new(Raw).unary(fake, request).await) },
                )
            }
        }
    };
}

serve_as!(Attendance, "annals.attendance.v1.AttendanceService");
serve_as!(Operations, "annals.operations.v1.OperationsService");

/// A running server on a runtime of its own: dropped, it dies with its connections, as a killed process does.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Mutex<Seen>>,
    runtime: Option<Runtime>,
}

impl Running {
    pub(super) fn target(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

pub(super) fn serve(
    script: impl Fn(&str, u32, u32) -> Result<CommandReply, Status> + Send + Sync + 'static,
) -> Running {
    serve_on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
}

pub(super) fn serve_on(
    listener: TcpListener,
    script: impl Fn(&str, u32, u32) -> Result<CommandReply, Status> + Send + Sync + 'static,
) -> Running {
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let seen = Arc::default();
    let fake = Fake {
        seen: Arc::clone(&seen),
        script: Arc::new(script),
    };
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        Server::builder()
            .add_service(Attendance(fake.clone()))
            .add_service(Operations(fake))
            .serve_with_incoming(TcpListenerStream::new(listener))
            .await
            .unwrap();
    });
    Running {
        address,
        seen,
        runtime: Some(runtime),
    }
}

/// The address of a server that was dropped, as soon as it is free.
pub(super) async fn bind_again(address: SocketAddr) -> TcpListener {
    loop {
        if let Ok(listener) = TcpListener::bind(address) {
            return listener;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) fn accepted() -> CommandReply {
    CommandReply::default()
}

pub(super) fn refusal(reason: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, "annals", []);
    Status::with_error_details(Code::FailedPrecondition, "no", details)
}
