//! A purse that never holds more than its limit, and the orders that are given to it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::command::{Handler, Order, Ownership, RequestDigest};
use crate::kernel::{
    Actor, Aggregate, Context, DomainEvent, EventShape, Moment, Owners, Refusal, RefusalKind, Role,
    Stored, StreamName, WireError,
};
use crate::log::memory::MemoryLog;
use crate::log::{Direction, EventLog, ReadFrom};

/// The smallest aggregate with a rule.
#[derive(Debug, Default, Clone)]
pub(super) struct Purse {
    pub(super) total: u64,
    pub(super) owner: Option<Uuid>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Added {
    amount: u64,
    owner: Uuid,
}

impl DomainEvent for Added {
    fn event_type(&self) -> &'static str {
        "Added"
    }
}

#[derive(Debug)]
pub(super) struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the purse is full")
    }
}

impl Refusal for Full {
    fn reason(&self) -> &'static str {
        "FULL"
    }
    fn kind(&self) -> RefusalKind {
        RefusalKind::State
    }
    fn remedy(&self) -> &'static str {
        "take something out"
    }
}

pub(super) const LIMIT: u64 = 100;

impl Aggregate for Purse {
    type Command = u64;
    type Event = Added;
    type Refusal = Full;
    const CATEGORY: &'static str = "purse";

    fn decide(&self, amount: &u64, context: &Context) -> Result<Vec<Added>, Full> {
        if self.total + amount > LIMIT {
            return Err(Full);
        }
        Ok((*amount > 0)
            .then(|| Added {
                amount: *amount,
                owner: context.actor.id,
            })
            .into_iter()
            .collect())
    }

    fn evolve(&mut self, event: &Added) {
        self.total += event.amount;
        self.owner = Some(event.owner);
    }

    fn owners(&self) -> Owners {
        Owners {
            student: self.owner,
            ..Owners::default()
        }
    }

    fn claims(_: &u64) -> Owners {
        Owners {
            student: Some(STUDENT),
            ..Owners::default()
        }
    }
}

impl Stored for Purse {
    const SHAPES: &'static [EventShape] = &[];

    fn encode(event: &Added) -> Result<(u32, Vec<u8>), WireError> {
        Ok((1, serde_json::to_vec(event).unwrap()))
    }

    fn decode(event_type: &str, _: u32, data: &[u8]) -> Result<Added, WireError> {
        serde_json::from_slice(data).map_err(|error| WireError::Malformed {
            event_type: event_type.to_owned(),
            problem: error.to_string(),
        })
    }
}

pub(super) const STUDENT: Uuid = Uuid::from_u128(0xa);
pub(super) const PURSE: Uuid = Uuid::from_u128(0xb);

pub(super) fn order(request: u128, amount: u64) -> Order<u64> {
    let now = Moment::EPOCH;
    let request_id = Uuid::from_u128(request);
    Order {
        id: PURSE,
        command: amount,
        context: Context {
            actor: Actor {
                id: STUDENT,
                role: Role::Student,
            },
            request_id,
            correlation_id: request_id,
            causation_id: None,
            reason: None,
            occurred_at: now,
            now,
            imported: false,
        },
        digest: RequestDigest::of(&[&amount.to_be_bytes()]),
        expected: None,
        validate_only: false,
        ownership: Ownership::Own,
    }
}

pub(super) fn server(log: &MemoryLog) -> Handler<Purse> {
    Handler::new(Arc::new(log.clone()), 100)
}

pub(super) async fn count(log: &MemoryLog) -> usize {
    let stream = StreamName::of(Purse::CATEGORY, PURSE);
    log.read_stream(&stream, ReadFrom::Start, Direction::Forward, 1_000)
        .await
        .unwrap()
        .events
        .len()
}
