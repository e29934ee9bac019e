//! How far a verb is, on standard error, where that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

use crate::kernel::Position;

/// Positions done of all.
const POSITIONS: &str = "{msg} {bar:32} {pos}/{len} ({eta})";

/// Something done, of nobody knows how much.
const COUNT: &str = "{spinner} {msg} {pos}";

/// A bar that hides itself where nobody looks.
pub(super) struct Progress(ProgressBar);

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
        Self(bar)
    }

    /// At a position of all.
    pub(super) fn at(&self, position: Position, last: Position) {
        self.0.set_length(last.0);
        self.0.set_position(position.0);
    }

    /// So much was done.
    pub(super) fn done(&self, count: u64) {
        self.0.set_position(count);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
