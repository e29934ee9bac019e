//! Appends one after the other on one long call (`BatchAppend`): for whoever waits for each before the next.
//!
//! The crate's connections delay small packets (Nagle's algorithm), and its single append is three of them, of which the second
//! waits until the server's kernel acknowledges the first: 40 ms. On a call that stays open an append is one packet.
//!
//! Does not: judge. Whatever does not succeed here is made again as a single append, which knows it for what it is.

use eventstore::{BatchAppendClient, BatchAppendOptions};

use super::cluster::step;
use super::convert::proposed;
use super::engine::EsdbLog;
use super::write::revision;
use crate::kernel::StreamName;
use crate::log::{AppendError, EventLog as _, Expected, NewEvent};

/// The call, while it is open.
#[derive(Default)]
pub(super) struct Line(Option<BatchAppendClient>);

impl EsdbLog {
    /// As [`append`](crate::log::EventLog::append), on `line` where that succeeds.
    pub(super) async fn append_on(
        &self,
        line: &mut Line,
        stream: &StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<(), AppendError> {
        self.check(stream, &events)?;
        if self.sent(line, stream, expected, &events).await {
            return Ok(());
        }
        self.append(stream, expected, events).await.map(drop)
    }

    /// Whether the server said that it has the events.
    async fn sent(
        &self,
        line: &mut Line,
        stream: &StreamName,
        expected: Expected,
        events: &[NewEvent],
    ) -> bool {
        let data: Option<Vec<_>> = events.iter().map(proposed).collect();
        let (Some(data), Some(open)) = (data, self.opened(line).await) else {
            return false;
        };
        let sent = step(open.append_to_stream(stream.as_str(), revision(expected), data)).await;
        if sent.is_err() {
            // The crate ends the call with the first error.
            line.0 = None;
        }
        sent.is_ok()
    }

    async fn opened<'a>(&self, line: &'a mut Line) -> Option<&'a BatchAppendClient> {
        if line.0.is_none() {
            let cluster = self.cluster();
            let options = BatchAppendOptions::default();
            let options = match cluster.user() {
                Some(user) => options.authenticated(user),
                None => options,
            };
            let (_, client) = cluster.client();
            line.0 = step(client.batch_append(&options)).await.ok();
        }
        line.0.as_ref()
    }
}
