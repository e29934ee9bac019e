//! A death at each named step, and a restart: what is on the logs then is what is on them without it.
//!
//! A point panics once. In a process that ends its lane, in a command its task; either way the server is thrown away and
//! another one is made on the same logs and the same process store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use uuid::Uuid;

use super::world::{
    Server, World, accepting, clock, mandatory_task, order, student, submission, submitting, taken,
    work,
};
use crate::applications::candidacy::Command as OnCandidacy;
use crate::log::{Direction, Filter};
use crate::placements;
use crate::processes::{OfferExpiry, Process as _};

/// Kills at a point, once.
struct Death {
    point: &'static str,
    struck: Arc<AtomicBool>,
    news: Arc<Notify>,
}

impl Death {
    fn at(point: &'static str) -> Self {
        let death = Self {
            point,
            struck: Arc::default(),
            news: Arc::default(),
        };
        let (struck, news) = (Arc::clone(&death.struck), Arc::clone(&death.news));
        fail::cfg_callback(point, move || {
            if !struck.swap(true, Ordering::SeqCst) {
                news.notify_one();
                panic!("killed");
            }
        })
        .unwrap();
        death
    }
}

impl Drop for Death {
    fn drop(&mut self) {
        fail::remove(self.point);
    }
}

/// A server that is made anew when it is killed.
struct Mortal<'a> {
    world: &'a World,
    death: Option<&'a Death>,
    server: Arc<Server>,
}

impl<'a> Mortal<'a> {
    fn new(world: &'a World, death: Option<&'a Death>) -> Self {
        Self {
            world,
            death,
            server: Arc::new(world.serve()),
        }
    }

    /// Does something until it goes through: again after a death, on a new server.
    async fn through<F, W>(&mut self, what: F)
    where
        F: Fn(Arc<Server>) -> W,
        W: Future<Output = ()> + Send + 'static,
    {
        loop {
            let mut doing = tokio::spawn(what(Arc::clone(&self.server)));
            let died = async {
                match self.death {
                    Some(death) => death.news.notified().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = died => {}
                done = &mut doing => if done.is_ok() { return },
            }
            doing.abort();
            self.server.processes.stop().await;
            self.server = Arc::new(self.world.serve());
        }
    }

    async fn settle(&mut self) {
        self.through(|server| async move { server.settle().await })
            .await;
    }
}

/// What is on all logs: how many events of each type.
async fn counted(world: &World) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for log in world.logs.values() {
        let all = Filter::default();
        let slice = log.read_all(None, Direction::Forward, 10_000, &all).await;
        for event in slice.unwrap().events {
            *counted.entry(event.event_type.to_string()).or_default() += 1;
        }
    }
    counted
}

/// Two offers, one taken, a mandatory task, the evaluation, completion, and an offer that runs out.
async fn to_completion(death: Option<&Death>) -> BTreeMap<String, usize> {
    let world = World::new();
    let mut mortal = Mortal::new(&world, death);
    for application in [10, 11] {
        mortal
            .through(move |server| async move { server.offered(application).await })
            .await;
    }
    mortal
        .through(|server| async move { server.accept(10, 50).await })
        .await;
    mortal.settle().await;
    for order in [mandatory_task(50), work(50)] {
        let order = Arc::new(order);
        mortal
            .through(move |server| {
                let order = Arc::clone(&order);
                async move {
                    server.rooms.worklists.execute(&order).await.unwrap();
                }
            })
            .await;
    }
    mortal
        .through(|server| async move { server.evaluate(50).await })
        .await;
    mortal.settle().await;
    mortal.settle().await;
    mortal
        .through(|server| async move { server.offered(12).await })
        .await;
    mortal.settle().await;
    mortal
        .through(|server| async move {
            let expiry = OfferExpiry::new(Arc::clone(&server.rooms), Arc::clone(&server.store));
            expiry.tick(clock().plus_seconds(7_200)).await.unwrap();
        })
        .await;
    mortal.settle().await;
    mortal.server.processes.stop().await;
    counted(&world).await
}

/// A submission whose id another took meanwhile, and a placement whose id is another's.
async fn to_rescission(death: Option<&Death>) -> BTreeMap<String, usize> {
    let world = World::new();
    let mut mortal = Mortal::new(&world, death);
    mortal
        .through(|server| async move {
            let start = order(1, 50, placements::Command::Start(taken()));
            server.rooms.placements.execute(&start).await.unwrap();
        })
        .await;
    mortal.settle().await;
    // Another student's submission has the id 13, and this one has passed its check.
    mortal
        .through(|server| async move {
            let mut other = submitting(13);
            other.command.ids.student_id = Uuid::from_u128(77);
            server.rooms.coordinator.submit(&other).await.unwrap();
            let mut mine = submitting(13);
            mine.context.request_id = Uuid::from_u128(1_313);
            let register = mine.with(student(), OnCandidacy::Register(submission(13)));
            server.rooms.candidacies().execute(&register).await.unwrap();
        })
        .await;
    mortal.settle().await;
    mortal
        .through(|server| async move { server.offered(10).await })
        .await;
    mortal
        .through(|server| async move {
            let accept = accepting(10, 50);
            // A retry may find it rescinded already.
            server.rooms.coordinator.accept(&accept).await.ok();
        })
        .await;
    mortal.settle().await;
    mortal.server.processes.stop().await;
    counted(&world).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_at_any_step_to_completion_changes_nothing_in_the_end() {
    let expected = to_completion(None).await;
    assert_eq!(expected.get("EligibilityEstablished"), Some(&1));
    assert_eq!(expected.get("OfferExpired"), Some(&1));
    for point in [
        "applications::between_streams",
        "process::before_handle",
        "process::before_commit",
        "acceptance::before_start",
        "acceptance::before_close",
        "placement_life::before_evaluation",
        "placement_life::before_release",
        "placement_life::before_eligibility",
        "final_kpis::before_note",
        "offer_expiry::before_clear",
    ] {
        let death = Death::at(point);
        assert_eq!(to_completion(Some(&death)).await, expected, "{point}");
        assert!(
            death.struck.load(Ordering::SeqCst),
            "{point} was not passed"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_in_the_middle_of_a_compensation_changes_nothing_in_the_end() {
    let expected = to_rescission(None).await;
    assert_eq!(expected.get("AcceptanceRescinded"), Some(&1));
    assert_eq!(expected.get("ApplicationAbandoned"), Some(&1));
    for point in [
        "applications::before_compensation",
        "acceptance::before_rescind",
    ] {
        let death = Death::at(point);
        assert_eq!(to_rescission(Some(&death)).await, expected, "{point}");
        assert!(
            death.struck.load(Ordering::SeqCst),
            "{point} was not passed"
        );
    }
}
