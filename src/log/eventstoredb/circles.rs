//! Ends what of the crate's turns in circles.
//!
//! A subscription that the server ends without an error is asked for more by the crate, for ever, inside one poll: no
//! future around it is polled again, no task can be aborted, and the crate has no handle to it. But with every turn it warns
//! of "an unknown subscription message", and a warning is a call into whoever listens on its thread. So on that thread we
//! listen: after [`TURNS`] warnings within one poll the warning does not return but unwinds to [`run`], which
//! drops what turned. Everything else that is said on the thread goes to whom it would have gone to.
//!
//! A newer version of the crate may warn in other words; then the test of a server that ends subscriptions fails.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::runtime::Handle;
use tracing::dispatcher::{self, Dispatch};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Event, Level, Metadata};

/// Warnings within one poll that are taken for an end. A server that is newer than the crate may send some messages that
/// the crate does not know; what waits to be read is far less than this.
const TURNS: u32 = 1_000;

/// Where the crate warns from, and how its warning begins.
const TARGET: &str = "eventstore::commands";
const WARNING: &str = "Received an unknown subscription message";

/// What the warning unwinds with.
struct Circles;

/// Runs `future` on this thread, with the runtime's machinery, until it is done or turns in circles. A panic is passed on.
///
/// # Errors
/// After so many turns.
pub(super) fn run<T>(runtime: &Handle, future: impl Future<Output = T>) -> Result<T, u32> {
    let turns = Arc::new(AtomicU32::new(0));
    let listener = Listener {
        others: dispatcher::get_default(Clone::clone),
        level: LevelFilter::current().max(LevelFilter::WARN),
        turns: Arc::clone(&turns),
    };
    let listener = Dispatch::new(listener);
    let polled = || {
        let mut future = pin!(future);
        runtime.block_on(std::future::poll_fn(|context| {
            turns.store(0, Ordering::Relaxed);
            future.as_mut().poll(context)
        }))
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        dispatcher::with_default(&listener, polled)
    }));
    outcome.map_err(|panic: Box<dyn Any + Send>| {
        if !panic.is::<Circles>() {
            resume_unwind(panic);
        }
        TURNS
    })
}

/// Counts the warnings, and hands on everything else.
struct Listener {
    others: Dispatch,
    level: LevelFilter,
    turns: Arc<AtomicU32>,
}

fn may_be_the_warning(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && *metadata.level() == Level::WARN && metadata.target() == TARGET
}

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if may_be_the_warning(metadata) {
            return Interest::always();
        }
        self.others.register_callsite(metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        may_be_the_warning(metadata) || self.others.enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        if may_be_the_warning(metadata) {
            let mut says = Says(false);
            event.record(&mut says);
            if says.0 && self.turns.fetch_add(1, Ordering::Relaxed) >= TURNS {
                resume_unwind(Box::new(Circles));
            }
        }
        if self.others.enabled(metadata) {
            self.others.event(event);
        }
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.others.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.others.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.others.record_follows_from(span, follows);
    }

    fn enter(&self, span: &Id) {
        self.others.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.others.exit(span);
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.others.clone_span(span)
    }

    fn try_close(&self, span: Id) -> bool {
        self.others.try_close(span)
    }
}

/// Whether an event says [`WARNING`].
struct Says(bool);

impl Visit for Says {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 |= field.name() == "message" && format!("{value:?}").starts_with(WARNING);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn() {
        tracing::warn!(target: TARGET, "Received an unknown subscription message");
    }

    #[tokio::test]
    async fn what_turns_in_circles_is_ended_and_what_goes_on_is_not() {
        told_apart();
        // As the program sets it: nobody else wants to hear of it.
        let silent = tracing_subscriber::EnvFilter::new("error,eventstore=off");
        let _ = tracing_subscriber::fmt().with_env_filter(silent).try_init();
        told_apart();
    }

    fn told_apart() {
        let runtime = Handle::current();
        let on_a_thread = move || {
            let endless = run(&runtime, async {
                loop {
                    turn();
                }
            });
            let slow = run(&runtime, async {
                for _ in 0..3 * TURNS {
                    turn();
                    tokio::task::yield_now().await;
                }
                7
            });
            (endless.map(|()| 0), slow)
        };
        let ended = std::thread::spawn(on_a_thread).join().unwrap();
        assert_eq!(ended, (Err(TURNS), Ok(7)));
    }

    #[tokio::test]
    async fn a_panic_is_not_taken_for_an_end() {
        let runtime = Handle::current();
        let on_a_thread = move || run(&runtime, async { panic!("on purpose") });
        assert!(std::thread::spawn(on_a_thread).join().is_err());
    }
}
