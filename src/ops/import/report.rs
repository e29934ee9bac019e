//! What became of the commands: counted while they are sent, told at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::sender::Outcome;

/// Malformed lines and examples that a report lists; the rest is counted only.
const LISTED: usize = 100;

/// What became of the commands of one method.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MethodCounts {
    /// Done in this run.
    pub accepted: u64,
    /// Had been done before; nothing changed.
    pub repeated: u64,
    /// Decided against, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Not decided, by code.
    pub failed: BTreeMap<String, u64>,
}

/// A line that is no command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Malformed {
    /// Its number, from 1.
    pub line: u64,
    /// What does not fit.
    pub problem: String,
}

/// The first command of a method that was refused or failed for a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its line.
    pub line: u64,
    /// `<service>.<Method>`.
    pub method: String,
    /// The reason or code.
    pub reason: String,
    /// What the server said.
    pub message: String,
}

/// What became of an import.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Whether the file was read to its end and everything in it was sent.
    pub complete: bool,
    /// The line that this run began with: 1, or where an earlier run was interrupted.
    pub from_line: u64,
    /// Commands that got an answer.
    pub sent: u64,
    /// Done in this run.
    pub accepted: u64,
    /// Had been done before.
    pub repeated: u64,
    /// Decided against.
    pub refused: u64,
    /// Not decided.
    pub failed: u64,
    /// Lines that are no commands.
    pub malformed: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Commands a second.
    pub per_second: f64,
    /// By method, `<service>.<Method>`.
    pub methods: BTreeMap<String, MethodCounts>,
    /// One for each method and reason.
    pub examples: Vec<Example>,
    /// The first lines that are no commands.
    pub malformed_lines: Vec<Malformed>,
}

impl Report {
    /// Everything in the file was a command and got its answer.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.complete && self.failed == 0 && self.malformed == 0
    }

    fn count(&mut self, line: u64, method: &str, outcome: Outcome) {
        self.sent += 1;
        if !self.methods.contains_key(method) {
            self.methods
                .insert(method.to_owned(), MethodCounts::default());
        }
        let Some(counts) = self.methods.get_mut(method) else {
            return;
        };
        let (by_reason, reason, message) = match outcome {
            Outcome::Accepted => {
                self.accepted += 1;
                counts.accepted += 1;
                return;
            }
            Outcome::Repeated => {
                self.repeated += 1;
                counts.repeated += 1;
                return;
            }
            Outcome::Refused(reason, message) => {
                self.refused += 1;
                (&mut counts.refused, reason, message)
            }
            Outcome::Failed(code, message) => {
                self.failed += 1;
                (&mut counts.failed, code, message)
            }
        };
        if !by_reason.contains_key(&reason) && self.examples.len() < LISTED {
            self.examples.push(Example {
                line,
                method: method.to_owned(),
                reason: reason.clone(),
                message,
            });
        }
        *by_reason.entry(reason).or_default() += 1;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .methods
            .keys()
            .map(String::len)
            .max()
            .unwrap_or(0)
            .max(6);
        writeln!(
            f,
            "{:width$}  {:>9}  {:>9}  {:>9}  {:>7}",
            "method", "accepted", "repeated", "refused", "failed"
        )?;
        for (method, counts) in &self.methods {
            let refused = counts.refused.values().sum::<u64>();
            let failed = counts.failed.values().sum::<u64>();
            writeln!(
                f,
                "{method:width$}  {:>9}  {:>9}  {refused:>9}  {failed:>7}",
                counts.accepted, counts.repeated
            )?;
            for (reason, count) in counts.refused.iter().chain(&counts.failed) {
                writeln!(f, "{:width$}  {count:>31}  {reason}", "")?;
            }
        }
        writeln!(
            f,
            "{:width$}  {:>9}  {:>9}  {:>9}  {:>7}",
            "total", self.accepted, self.repeated, self.refused, self.failed
        )?;
        for Malformed { line, problem } in &self.malformed_lines {
            writeln!(f, "line {line} is no command: {problem}")?;
        }
        for example in self.examples.iter().filter(|_| self.failed > 0) {
            writeln!(
                f,
                "line {}: {}: {}",
                example.line, example.reason, example.message
            )?;
        }
        if self.from_line > 1 {
            writeln!(f, "resumed at line {}", self.from_line)?;
        }
        let state = if self.complete {
            "complete"
        } else {
            "interrupted"
        };
        write!(
            f,
            "{state}: {} commands in {:.1} s, {:.0} a second; {} malformed lines",
            self.sent, self.seconds, self.per_second, self.malformed
        )
    }
}

/// Counts for all workers.
#[derive(Default)]
pub(super) struct Tally(Mutex<Report>);

impl Tally {
    /// One command got its answer.
    pub(super) fn count(&self, line: u64, method: &str, outcome: Outcome) {
        self.lock().count(line, method, outcome);
    }

    /// A line is no command.
    pub(super) fn malformed(&self, line: u64, problem: String) {
        let mut report = self.lock();
        report.malformed += 1;
        if report.malformed_lines.len() < LISTED {
            report.malformed_lines.push(Malformed { line, problem });
        }
    }

    /// A line for the progress bar.
    pub(super) fn glance(&self) -> String {
        let report = self.lock();
        format!(
            "{} accepted, {} repeated, {} refused, {} failed",
            report.accepted, report.repeated, report.refused, report.failed
        )
    }

    /// The report of a run that took `elapsed`.
    pub(super) fn report(&self, from_line: u64, complete: bool, elapsed: Duration) -> Report {
        let mut report = self.lock().clone();
        report.from_line = from_line;
        report.complete = complete;
        report.seconds = elapsed.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let sent = report.sent as f64;
        report.per_second = sent / report.seconds.max(f64::EPSILON);
        report
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
