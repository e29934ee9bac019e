//! What the benchmarks of the embedded log append, and how they measure it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::kernel::{StreamName, derived_id};
use annals::log::NewEvent;
use bytes::Bytes;
use uuid::Uuid;

/// Payload of an event: as large as a usual one of Annals.
pub(crate) const DATA_BYTES: usize = 250;
pub(crate) const METADATA_BYTES: usize = 100;

/// Appends a second, and how long each took, in order.
pub(crate) struct Measured {
    pub(crate) rate: f64,
    pub(crate) micros: Vec<u64>,
}

impl Measured {
    pub(crate) fn print(&self, callers: usize, what: &str) {
        let at = |share: f64| self.micros[((self.micros.len() - 1) as f64 * share) as usize];
        println!(
            "{callers:>8} {what:>12} {:>10.0} {:>8} {:>8} {:>8} {:>8}",
            self.rate,
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0)
        );
    }
}

/// Runs `callers` tasks that each repeat `step` until the time is over.
pub(crate) async fn measure<F, S>(callers: usize, each: Duration, step: F) -> Measured
where
    F: Fn(usize, u64) -> S + Send + Sync + 'static,
    S: Future<Output = ()> + Send,
{
    let step = Arc::new(step);
    let start = Instant::now();
    let tasks = (0..callers).map(|caller| {
        let step = Arc::clone(&step);
        tokio::spawn(async move {
            let mut micros = Vec::new();
            while start.elapsed() < each {
                let before = Instant::now();
                step(caller, micros.len() as u64).await;
                micros.push(before.elapsed().as_micros() as u64);
            }
            micros
        })
    });
    let mut micros = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        micros.extend(task.await.unwrap());
    }
    let rate = micros.len() as f64 / start.elapsed().as_secs_f64();
    micros.sort_unstable();
    Measured { rate, micros }
}

pub(crate) fn stream(number: usize) -> StreamName {
    StreamName::of("placement", derived_id(&[b"bench", &number.to_be_bytes()]))
}

pub(crate) fn event(turn: u64) -> NewEvent {
    NewEvent {
        id: Uuid::from_u64_pair(turn + 1, 7),
        event_type: "ClockedIn".into(),
        is_json: true,
        data: Bytes::from(vec![b'd'; DATA_BYTES]),
        metadata: Bytes::from(vec![b'm'; METADATA_BYTES]),
    }
}

/// Prints events a second, and answers them.
pub(crate) fn print_rate(what: &str, events: usize, since: Instant) -> f64 {
    let rate = events as f64 / since.elapsed().as_secs_f64();
    println!("{what:>28} {events:>9} events {rate:>10.0} events/s");
    rate
}
