//! Guards against: an acknowledged append that a SIGKILL takes back, doubles, tears or puts elsewhere.
//!
//! Clients append to a real `annals log serve` as fast as they can, each to a stream of its own at exact revisions and to one
//! that all share at any. The server is killed at random moments and started again; what a client got no answer to it
//! sends again, with the same ids. `ANNALS_KILLS` and `ANNALS_SEED` choose the run.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use annals::log::sqlite::{Options, SqliteLog, verify};
use annals::log::{Direction, EventLog, Filter, RecordedEvent};
use annals::proto::event_store::client::streams::append_req::options::ExpectedStreamRevision as Expect;
use annals::proto::event_store::client::streams::streams_client::StreamsClient;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use crate::support::server::Server;
use crate::wire_client::{ANY, NO_STREAM, typed};
use crate::wire_process::append;

/// Clients, and connections that they share.
const CLIENTS: usize = 12;
const CONNECTIONS: usize = 3;

/// The stream of everybody.
const SHARED: &str = "shared";

/// How long a server lives at most, milliseconds.
const LIFE_MILLIS: u64 = 250;

fn kills() -> u64 {
    let full = std::env::var_os("ANNALS_FULL").is_some();
    let said = std::env::var("ANNALS_KILLS").ok();
    said.and_then(|kills| kills.parse().ok())
        .unwrap_or(if full { 200 } else { 8 })
}

/// Numbers from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}

/// One append: to the client's own stream, or the shared one.
#[derive(Debug, Clone)]
struct Append {
    shared: bool,
    ids: Vec<u128>,
}

/// An append that was acknowledged.
#[derive(Debug)]
struct Acknowledged {
    append: Append,
    revision: u64,
    position: u64,
}

struct Client {
    number: u64,
    random: Random,
    /// Events sent to its own stream and acknowledged, and likewise to the shared one.
    own: u64,
    sent: u64,
    pending: Option<Append>,
    acknowledged: Vec<Acknowledged>,
    sent_again: u64,
}

impl Client {
    fn new(number: u64, seed: u64) -> Self {
        Self {
            number,
            random: Random(seed ^ (number + 1)),
            own: 0,
            sent: 0,
            pending: None,
            acknowledged: Vec::new(),
            sent_again: 0,
        }
    }

    fn stream(&self, append: &Append) -> String {
        if append.shared {
            return SHARED.to_owned();
        }
        format!("kill-{}", self.number)
    }

    fn next(&mut self) -> Append {
        let shared = self.random.below(4) == 0;
        let count = 1 + self.random.below(3);
        let ids = (0..count).map(|_| {
            self.sent += 1;
            (u128::from(self.number + 1) << 64) | u128::from(self.sent)
        });
        Append {
            shared,
            ids: ids.collect(),
        }
    }

    /// Appends until the server is gone.
    async fn run(mut self, channel: Channel) -> Self {
        let mut streams = StreamsClient::new(channel);
        loop {
            let again = self.pending.take();
            self.sent_again += u64::from(again.is_some());
            let next = again.unwrap_or_else(|| self.next());
            let expect = match self.own.checked_sub(1) {
                _ if next.shared => ANY,
                None => NO_STREAM,
                Some(last) => Expect::Revision(last),
            };
            let events = next.ids.iter().map(|id| typed(*id, "Killed", &data(*id)));
            let stream = self.stream(&next);
            let Ok(done) = append(&mut streams, &stream, expect, events.collect()).await else {
                self.pending = Some(next);
                return self;
            };
            if !next.shared {
                self.own += next.ids.len() as u64;
                assert_eq!(done.revision + 1, self.own, "{stream}");
            }
            self.acknowledged.push(Acknowledged {
                append: next,
                revision: done.revision,
                position: done.position.expect("a position"),
            });
        }
    }
}

/// What the event with this id says: of many lengths, so that a torn one shows.
fn data(id: u128) -> String {
    let fill = "x".repeat((id % 997) as usize);
    format!("{{\"id\":\"{}\",\"fill\":\"{fill}\"}}", Uuid::from_u128(id))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_kill_is_there_once_in_order_and_whole() {
    let seed = std::env::var("ANNALS_SEED").ok();
    let seed = seed
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| Uuid::now_v7().as_u64_pair().1);
    println!("ANNALS_SEED={seed} ANNALS_KILLS={}", kills());
    let home = tempfile::tempdir().unwrap();
    let mut random = Random(seed);
    let mut clients: Vec<Client> = (0..CLIENTS as u64).map(|n| Client::new(n, seed)).collect();
    for kill in 0..kills() {
        let life = Duration::from_millis(random.below(LIFE_MILLIS));
        clients = one_life(home.path(), clients, life).await;
        if kill % 4 == 0 {
            // As the crash left it, before the next server mends anything.
            check(&SqliteLog::beside(home.path()).unwrap(), &clients).await;
        }
    }
    let log = SqliteLog::open(home.path(), Options::default()).unwrap();
    let there = check(&log, &clients).await;
    log.close().await;
    assert_eq!(verify(home.path(), |_, _| {}).unwrap().damages, []);
    let appends: usize = clients.iter().map(|client| client.acknowledged.len()).sum();
    let again: u64 = clients.iter().map(|client| client.sent_again).sum();
    println!(
        "{} kills: {appends} appends acknowledged, {again} sent again after no answer, {there} events in the log: each \
         acknowledged one once, in order, whole",
        kills()
    );
}

/// Starts a server, lets everybody append, and kills it after `life`.
async fn one_life(dir: &Path, clients: Vec<Client>, life: Duration) -> Vec<Client> {
    let server = Server::start_log(dir, &[]);
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
        channels.push(endpoint.tcp_nodelay(true).connect().await.unwrap());
    }
    let running: Vec<_> = clients
        .into_iter()
        .zip(channels.iter().cycle().cloned())
        .map(|(client, channel)| tokio::spawn(client.run(channel)))
        .collect();
    tokio::time::sleep(life).await;
    server.kill();
    let mut back = Vec::new();
    for client in running {
        back.push(client.await.unwrap());
    }
    back
}

/// Every acknowledged event where it was said to be, once; nothing that was not sent. Answers the events there.
async fn check(log: &dyn EventLog, clients: &[Client]) -> usize {
    let mut by_id: HashMap<u128, RecordedEvent> = HashMap::new();
    let mut at = None;
    loop {
        let slice = log
            .read_all(at, Direction::Forward, 4096, &Filter::default())
            .await
            .unwrap();
        for event in slice.events {
            let id = event.id.as_u128();
            assert_eq!(event.data, data(id).as_bytes(), "torn: {event:?}");
            let twice = by_id.insert(id, event);
            assert!(twice.is_none(), "{twice:?}");
        }
        at = Some(slice.examined);
        if slice.end {
            break;
        }
    }
    let mut known = 0;
    for client in clients {
        let mut before = 0;
        for acknowledged in &client.acknowledged {
            known += check_one(client, acknowledged, &by_id);
            // It waited for one answer before it sent the next.
            assert!(acknowledged.position > before, "{acknowledged:?}");
            before = acknowledged.position;
        }
        // Without an answer: all of it or nothing.
        if let Some(pending) = &client.pending {
            let there = pending.ids.iter().filter(|id| by_id.contains_key(*id));
            let there = there.count();
            assert!(
                there == 0 || there == pending.ids.len(),
                "half of {pending:?}"
            );
            known += there;
        }
    }
    assert_eq!(known, by_id.len(), "events that nobody sent");
    by_id.len()
}

fn check_one(
    client: &Client,
    acknowledged: &Acknowledged,
    by_id: &HashMap<u128, RecordedEvent>,
) -> usize {
    let ids = &acknowledged.append.ids;
    for (back, id) in ids.iter().rev().enumerate() {
        let event = by_id
            .get(id)
            .unwrap_or_else(|| panic!("lost: {id:x} of {acknowledged:?}"));
        let back = back as u64;
        assert_eq!(event.stream.as_str(), client.stream(&acknowledged.append));
        assert_eq!(event.revision, acknowledged.revision - back, "{event:?}");
        assert_eq!(event.position.0, acknowledged.position - back, "{event:?}");
    }
    ids.len()
}
