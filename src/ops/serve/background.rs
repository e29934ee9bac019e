//! Threads for what may come later: while there is not enough processor for everybody, commands come first.
//!
//! A read model that lags under a peak catches up after it, and whoever needs its own write waits for it by a consistency
//! token; a command that waits holds up its caller. The threads therefore are nicer than the others (`setpriority(2)`,
//! which Linux counts by thread): beside busy ones they get little, otherwise all they can use.

use tokio::runtime::{Builder, Handle, Runtime};

/// The niceness of each of them; this one weighs about a seventieth (Linux's `sched_prio_to_weight`: 15 against 1024).
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;
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
    // Not by steps (`nice(2)`): a thread begins as nice as the one that started it, and they would add up.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "background threads are as urgent as the others");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}
