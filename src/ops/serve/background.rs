//! Threads for what may come later: while there is not enough processor for everybody, commands come first.
//!
//! A read model that lags under a peak catches up after it, and whoever needs its own write waits for it by a consistency
//! token; a command that waits holds up its caller. The threads therefore are nicer than the others (`nice(2)`, which
//! Linux counts by thread): beside busy ones they still get about a tenth of a core, otherwise all they can use.

use tokio::runtime::{Builder, Handle, Runtime};

/// Steps of niceness; ten weigh about a tenth (Linux's `sched_prio_to_weight`: 110 against 1024).
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;
/// Files of read models and reads of logs at work at the same time.
const BLOCKING_THREADS: usize = 16;

/// A runtime of its own for background work. Ends without waiting when it is dropped.
#[derive(Debug)]
pub(super) struct Background(Option<Runtime>);

impl Background {
    pub(super) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("background")
            .on_thread_start(give_way)
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    pub(super) fn handle(&self) -> Handle {
        self.0
            .as_ref()
            .map_or_else(Handle::current, |runtime| runtime.handle().clone())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(target_os = "linux")]
fn give_way() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "background threads are as urgent as the others");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}
