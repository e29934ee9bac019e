//! The suite that every engine passes: the contract of the [`log`](super), clause by clause.
//!
//! Guards against: an engine that judges a revision, a retry, a deletion or a subscription otherwise than the others.
//! A clause answers what it found wrong, so that the suite also runs against a server somewhere else.

mod appends;
mod deletes;
mod filters;
mod reads;
mod subscriptions;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use uuid::Uuid;

use super::rules::{Clock, Protected};
use super::{EventLog, NewEvent, RecordedEvent};
use crate::kernel::{Moment, StreamName, derived_id};

/// A clause's finding: nothing, or what was wrong.
pub type Finding = Result<(), String>;

/// A log under test, empty, and its clock.
pub struct Subject {
    /// The log. It protects [`protected`].
    pub log: Arc<dyn EventLog>,
    /// What its time is.
    pub clock: TestClock,
}

impl Subject {
    /// Puts them together.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, clock: TestClock) -> Self {
        Self { log, clock }
    }
}

/// The category that a subject has to protect.
#[must_use]
pub fn protected() -> Protected {
    Protected::new(["kept"])
}

/// A clock that stands until it is moved.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl TestClock {
    /// Stands at 2001-09-09T01:46:40Z.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_000_000_000_000_000)))
    }

    /// Moves it on.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// What an engine takes.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let micros = Arc::clone(&self.0);
        Arc::new(move || {
            Moment::from_unix_micros(micros.load(Ordering::SeqCst)).unwrap_or(Moment::EPOCH)
        })
    }
}

/// Runs every clause on a log of its own from `open`; answers what was violated, clause by name.
pub async fn check<F, S>(open: F) -> Vec<String>
where
    F: Fn() -> S,
    S: Future<Output = Subject>,
{
    let mut violations = Vec::new();
    macro_rules! clauses {
        ($($module:ident: $($clause:ident)*;)*) => {$($(
            if let Err(what) = $module::$clause(open().await).await {
                violations.push(format!("{}: {what}", stringify!($clause)));
            }
        )*)*};
    }
    clauses! {
        appends: revisions_are_gapless_and_positions_rise expected_revisions_are_judged
            retries_at_a_revision_are_known retries_without_a_revision_are_known
            an_append_of_nothing_checks_the_revision what_is_no_event_is_refused
            an_append_is_kept_whole one_of_many_writers_wins;
        reads: a_stream_reads_both_ways a_stream_that_never_was_does_not_exist
            the_log_reads_both_ways
            max_count_and_truncation_hide_from_stream_reads_only max_age_hides_by_the_clock
            metadata_is_replaced_whole metadata_that_is_not_says_nothing;
        filters: reads_bring_what_passes_and_nothing_else a_filtered_read_goes_on_from_the_middle
            where_nothing_passes_everything_was_examined a_survey_tells_of_every_event
            subscriptions_bring_what_passes_before_and_live
            what_cannot_be_judged_is_never_skipped;
        deletes: a_deleted_stream_is_gone_until_written a_deleted_stream_takes_a_new_beginning
            deleting_judges_the_revision metadata_brings_a_deleted_stream_back
            a_tombstone_is_for_ever protected_streams_stay
            a_metastream_may_end_before_its_stream a_metastream_of_a_kept_stream_stays
            metadata_keeps_its_order_when_a_stream_comes_back;
        subscriptions: what_is_there_comes_then_what_is_appended
            a_subscription_begins_after_its_position
            a_filtered_subscription_tells_how_far_it_is
            subscribers_of_a_busy_log_miss_and_repeat_nothing closing_ends_everything;
    }
    violations
}

/// Fails a clause with the expression and what it compared.
macro_rules! same {
    ($left:expr, $right:expr) => {{
        let (left, right) = (&$left, &$right);
        if left != right {
            return Err(format!(
                "{} is {left:?}, not {right:?} (line {})",
                stringify!($left),
                line!()
            ));
        }
    }};
}

/// Fails a clause unless the outcome fits the pattern.
macro_rules! fits {
    ($left:expr, $pattern:pat $(if $guard:expr)?) => {{
        let left = $left;
        #[allow(
            clippy::redundant_pattern_matching,
            reason = "one form for every outcome"
        )]
        let fits = matches!(left, $pattern $(if $guard)?);
        if !fits {
            return Err(format!(
                "{} is {left:?} (line {})",
                stringify!($left),
                line!()
            ));
        }
    }};
}

use {fits, same};

fn stream(name: &str) -> Result<StreamName, String> {
    StreamName::new(name).map_err(text)
}

/// An event whose id and data follow from `tag`.
fn event(tag: &str) -> NewEvent {
    NewEvent {
        id: id(tag),
        event_type: "Tested".into(),
        is_json: true,
        data: Bytes::from(format!("{{\"tag\":\"{tag}\"}}")),
        metadata: Bytes::from_static(b"{\"by\":\"contract\"}"),
    }
}

/// One event for each word.
fn events(tags: &str) -> Vec<NewEvent> {
    tags.split_whitespace().map(event).collect()
}

fn id(tag: &str) -> Uuid {
    derived_id(&[b"contract", tag.as_bytes()])
}

/// The ids of events made by [`event`], as a comparable list.
fn ids(events: &[RecordedEvent]) -> Vec<Uuid> {
    events.iter().map(|event| event.id).collect()
}

fn tags(tags: &str) -> Vec<Uuid> {
    tags.split_whitespace().map(id).collect()
}

fn revisions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.revision).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn text(error: impl ToString) -> String {
    error.to_string()
}
