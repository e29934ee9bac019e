//! Offers end by themselves after `valid_until`.
//!
//! An offer sets a timer in the process store; what settles the offer clears it; the clock's tick sends `ExpireOffer` for
//! those that are due. Where several servers share a log, each keeps the timers, and one of them ticks. A timer that was lost or fires too late is harmless: an acceptance is judged by
//! `valid_until`, not by the timer.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::process::{Process, ProcessError, Source};
use super::rooms::{Rooms, ask, read};
use super::store::{ProcessStore, StoreError, Timer};
use crate::applications::{Application, Command, Event};
use crate::command::{Order, Ownership, RequestDigest};
use crate::kernel::{Actor, Context, Moment, Role, derived_id};
use crate::log::RecordedEvent;

const NAME: &str = "offer_expiry";
/// Timers handled in one tick, which comes once a second.
const TIMERS_A_TICK: u32 = 1_000;
/// An import brings the outcome of an offer of the past too: this long it is waited for.
const IMPORTED_GRACE_SECONDS: i64 = 24 * 60 * 60;

/// See the module.
pub struct OfferExpiry {
    rooms: Arc<Rooms>,
    store: Arc<ProcessStore>,
}

impl OfferExpiry {
    /// Sends its commands to `rooms`, keeps its timers in `store`.
    #[must_use]
    pub const fn new(rooms: Arc<Rooms>, store: Arc<ProcessStore>) -> Self {
        Self { rooms, store }
    }
}

/// What the timer keeps of the offer.
#[derive(Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the stored names")]
struct Offer {
    application_id: Uuid,
    event_id: Uuid,
    correlation_id: Uuid,
}

#[async_trait]
impl Process for OfferExpiry {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sources(&self) -> &'static [Source] {
        &[Source {
            service: "applications",
            event_types: &[
                "OfferMade",
                "OfferAccepted",
                "OfferDeclined",
                "ApplicationRejected",
                "ApplicationClosed",
            ],
        }]
    }

    fn is_local(&self) -> bool {
        true
    }

    async fn handle(
        &self,
        _service: &'static str,
        event: &RecordedEvent,
        _now: Moment,
    ) -> Result<(), ProcessError> {
        let (cause, fact) = read::<Application>(NAME, event)?;
        let metadata = cause.metadata();
        match fact {
            Event::OfferMade {
                ids, valid_until, ..
            } => {
                let due = due(valid_until, event.recorded_at, metadata.imported);
                let offer = Offer {
                    application_id: ids.application_id,
                    event_id: event.id,
                    correlation_id: metadata.correlation_id,
                };
                let timer = Timer {
                    key: ids.application_id.to_string(),
                    due,
                    payload: serde_json::to_string(&offer)?,
                };
                self.store.set_timer(NAME, &timer)?;
            }
            Event::OfferAccepted { ids, .. }
            | Event::OfferDeclined(ids)
            | Event::ApplicationRejected(ids)
            | Event::ApplicationClosed { ids, .. } => {
                let key = ids.application_id.to_string();
                self.store.clear_timer(NAME, &key)?;
            }
            Event::ApplicationSubmitted(_)
            | Event::ApplicationShortlisted(_)
            | Event::InterviewScheduled { .. }
            | Event::InterviewCompleted { .. }
            | Event::OfferExpired { .. }
            | Event::ApplicationWithdrawn(_)
            | Event::AcceptanceRescinded { .. } => {}
        }
        Ok(())
    }

    async fn tick(&self, now: Moment) -> Result<(), ProcessError> {
        for timer in self.store.due_timers(NAME, now, TIMERS_A_TICK)? {
            let offer: Offer = serde_json::from_str(&timer.payload)?;
            // A refusal means that the offer is none any more.
            if let Err(refusal) = ask(self.rooms.applications(), order(&offer, now)).await? {
                tracing::info!(application = %offer.application_id, %refusal, "offer not expired");
            }
            fail::fail_point!("offer_expiry::before_clear");
            self.store.clear_timer(NAME, &timer.key)?;
        }
        Ok(())
    }
}

/// When an offer is to be expired: past its last moment, which is still valid.
fn due(valid_until: Moment, recorded_at: Moment, imported: bool) -> Moment {
    let due = valid_until.plus_seconds(1);
    if !imported {
        return due;
    }
    due.max(recorded_at.plus_seconds(IMPORTED_GRACE_SECONDS))
}

/// It happens now, not when the offer was made, so it is no record of the past.
fn order(offer: &Offer, now: Moment) -> Order<Command> {
    let request_id = derived_id(&[NAME.as_bytes(), b"expire", offer.event_id.as_bytes()]);
    Order {
        id: offer.application_id,
        command: Command::ExpireOffer,
        context: Context {
            actor: Actor {
                id: derived_id(&[b"process", NAME.as_bytes()]),
                role: Role::System,
            },
            request_id,
            correlation_id: offer.correlation_id,
            causation_id: Some(offer.event_id),
            reason: None,
            occurred_at: now,
            now,
            imported: false,
        },
        digest: RequestDigest::of(&[b"expire", request_id.as_bytes()]),
        expected: None,
        validate_only: false,
        ownership: Ownership::Any,
    }
}

impl From<StoreError> for ProcessError {
    fn from(error: StoreError) -> Self {
        Self::Transient(error.to_string())
    }
}
