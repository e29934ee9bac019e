//! How far a verb is, on standard error: a bar where that is a terminal, else a line now and then.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::kernel::Position;

/// Positions done of all.
const POSITIONS: &str = "{msg} {bar:32} {pos}/{len} ({eta})";

/// Something done, of nobody knows how much.
const COUNT: &str = "{spinner} {msg} {pos}";

/// Between two lines. What is done sooner says nothing.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A bar, and when the last line was written instead.
pub(super) struct Progress {
    bar: ProgressBar,
    what: &'static str,
    said: Mutex<Instant>,
}

impl Progress {
    /// Of a walk through a log.
    pub(super) fn positions(what: &'static str) -> Self {
        Self::styled(ProgressBar::new(0), POSITIONS, what)
    }

    /// Of a count without a known end.
    pub(super) fn count(what: &'static str) -> Self {
        Self::styled(ProgressBar::no_length(), COUNT, what)
    }

    fn styled(bar: ProgressBar, template: &str, what: &'static str) -> Self {
        // A template that does not parse would leave the usual one.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self {
            bar,
            what,
            said: Mutex::new(Instant::now()),
        }
    }

    /// At a position of all.
    pub(super) fn at(&self, position: Position, last: Position) {
        self.bar.set_length(last.0);
        self.bar.set_position(position.0);
        self.say(|what| format!("{what} {position} of {last}"));
    }

    /// So much was done.
    pub(super) fn done(&self, count: u64) {
        self.bar.set_position(count);
        self.say(|what| format!("{what} {count}"));
    }

    fn say(&self, line: impl FnOnce(&str) -> String) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() < LINE_EVERY || std::io::stderr().is_terminal() {
            return;
        }
        *said = Instant::now();
        eprintln!("{}", line(self.what));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
