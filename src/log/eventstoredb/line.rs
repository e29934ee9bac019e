//! Appends on one long call (`BatchAppend`), which all who append share.
//!
//! The crate's connections delay small packets (Nagle's algorithm), and its single append is three of them, of which the second
//! waits until the server's kernel acknowledges the first: 40 ms. On a call that stays open an append is one packet.
//!
//! Does not: judge. Whatever does not succeed here is made again as a single append, which knows it for what it is; event ids
//! settle what became of this one. The crate ends the call with the first error, and the others under way fare likewise.

use std::sync::Arc;
use std::time::Duration;

use eventstore::{BatchAppendClient, BatchAppendOptions, EventData};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::call::{contained, step};
use super::cluster::Cluster;
use super::write::{Written, revision};
use crate::kernel::StreamName;
use crate::log::Expected;

/// How long an append may take here, the opening of the call included, before it is made again.
const PATIENCE: Duration = Duration::from_secs(1);

/// The call, while it is open, and the number of the client that it is of.
#[derive(Default)]
pub(super) struct Line(Mutex<Option<(u64, Arc<BatchAppendClient>)>>);

impl Cluster {
    /// What the server says that it wrote; nothing where it has to be asked again.
    pub(super) async fn append_on_line(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: Vec<EventData>,
    ) -> Option<Written> {
        // Whoever has to find the server anew does so with a call that is made until it is answered.
        if self.is_broken() {
            return None;
        }
        let open = timeout(PATIENCE, self.opened()).await.ok()??;
        let sent = open.append_to_stream(stream.as_str(), revision(expected), events);
        let written = match timeout(PATIENCE, sent).await {
            Ok(Ok(answer)) => Written::on_line(&answer),
            Ok(Err(_)) | Err(_) => None,
        };
        if written.is_none() {
            self.hang_up(&open).await;
        }
        written
    }

    async fn opened(&self) -> Option<Arc<BatchAppendClient>> {
        let mut line = self.line().0.lock().await;
        let (generation, client) = self.client();
        if let Some((of, open)) = line.as_ref()
            && *of == generation
        {
            return Some(Arc::clone(open));
        }
        let options = BatchAppendOptions::default();
        let options = match self.user() {
            Some(user) => options.authenticated(user),
            None => options,
        };
        let opening = async move { step(client.batch_append(&options)).await };
        let open = Arc::new(contained(self.runtime(), opening).await.ok()?);
        *line = Some((generation, Arc::clone(&open)));
        Some(open)
    }

    async fn hang_up(&self, which: &Arc<BatchAppendClient>) {
        let mut line = self.line().0.lock().await;
        if line
            .as_ref()
            .is_some_and(|(_, open)| Arc::ptr_eq(open, which))
        {
            *line = None;
        }
    }
}
