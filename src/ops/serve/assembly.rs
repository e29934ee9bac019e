//! The parts and how they hang together: logs, the rooms' handlers, what serves them.

use std::collections::HashSet;
use std::sync::Arc;

use tonic::service::Routes;

use super::logs::{self, Logs};
use crate::attendance::{Attendance, Register};
use crate::command::Handler;
use crate::grpc::{Desk, Follow};
use crate::kernel::Stored;
use crate::ops::clock;
use crate::ops::config::Config;
use crate::proto::annals::attendance::v1::attendance_service_server::AttendanceServiceServer;

/// Every service that has a log of its own.
pub const SERVICES: [&str; 7] = [
    "applications",
    "placements",
    "attendance",
    "tasks",
    "evaluations",
    "certificates",
    "audit",
];

/// Why the parts do not fit together.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// A room without a log, which a wrong [`SERVICES`] would make.
    #[error("service {0} has no log")]
    NoLog(&'static str),
}

/// Everything that a server is made of, but for the socket.
pub struct Assembly {
    logs: Logs,
    attendance: Arc<Handler<Register>>,
    follow: Follow,
    message_bytes: usize,
}

impl Assembly {
    /// Opens the logs and builds the rooms on them.
    pub fn open(config: &Config) -> Result<Self, AssemblyError> {
        let logs = logs::open();
        let room = Room {
            logs: &logs,
            config,
        };
        Ok(Self {
            attendance: room.handler("attendance")?,
            follow: Arc::new(HashSet::new()),
            message_bytes: config.limits.message_bytes,
            logs,
        })
    }

    /// The logs by service.
    pub(super) fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Every service of the API, on the parts.
    pub(super) fn routes(&self) -> Routes {
        let mut routes = Routes::builder();
        routes.add_service(
            AttendanceServiceServer::new(Attendance::new(
                self.desk("attendance", &self.attendance),
            ))
            .max_decoding_message_size(self.message_bytes),
        );
        routes.routes()
    }

    fn desk<A: Stored>(&self, service: &'static str, handler: &Arc<Handler<A>>) -> Desk<A> {
        Desk::new(
            service,
            Arc::clone(handler),
            clock::now,
            Arc::clone(&self.follow),
        )
    }

    /// Lets go of everything, the logs last.
    pub(super) async fn close(&self) {
        logs::close(&self.logs).await;
    }
}

struct Room<'a> {
    logs: &'a Logs,
    config: &'a Config,
}

impl Room<'_> {
    fn handler<A: Stored>(&self, service: &'static str) -> Result<Arc<Handler<A>>, AssemblyError> {
        let log = self
            .logs
            .get(service)
            .ok_or(AssemblyError::NoLog(service))?;
        let capacity = u64::try_from(self.config.commands.identity_map).unwrap_or(u64::MAX);
        Ok(Arc::new(Handler::new(Arc::clone(log), capacity)))
    }
}
