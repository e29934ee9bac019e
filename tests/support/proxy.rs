//! A TCP proxy that does to connections what networks do: cut them, hold them up, and let half of them die.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to bytes that come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// They pass.
    Fair,
    /// They pass so much later.
    Slow(Duration),
    /// Requests arrive, replies never do: one half of every connection is dead, and nobody is told.
    Deaf,
    /// Nothing passes, and nobody is told.
    Frozen,
    /// Nobody may connect.
    Closed,
}

/// A proxy on a port of its own.
pub struct Proxy {
    pub address: SocketAddr,
    weather: watch::Sender<Weather>,
    target: Arc<Mutex<SocketAddr>>,
    /// Counted up to cut every connection.
    cuts: watch::Sender<u64>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(target));
        let (weather, cuts) = (watch::Sender::new(Weather::Fair), watch::Sender::new(0));
        let lines = Lines {
            weather: weather.clone(),
            cuts: cuts.clone(),
            target: Arc::clone(&target),
        };
        Self {
            address,
            weather,
            target,
            cuts,
            task: tokio::spawn(lines.accept(listener)),
        }
    }

    /// From now on.
    pub fn weather(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Ends every connection there is.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// New connections go there.
    pub fn aim(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = target;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Lines {
    weather: watch::Sender<Weather>,
    cuts: watch::Sender<u64>,
    target: Arc<Mutex<SocketAddr>>,
}

impl Lines {
    async fn accept(self, listener: TcpListener) {
        loop {
            let Ok((client, _)) = listener.accept().await else {
                continue;
            };
            if *self.weather.borrow() == Weather::Closed {
                continue;
            }
            let lines = self.clone();
            tokio::spawn(async move { lines.carry(client).await });
        }
    }

    async fn carry(self, client: TcpStream) {
        let target = *self.target.lock().unwrap();
        let Ok(server) = TcpStream::connect(target).await else {
            return;
        };
        let mut cuts = self.cuts.subscribe();
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            _ = cuts.changed() => {}
            () = self.pump(from_client, to_server, &[Weather::Frozen]) => {}
            () = self.pump(from_server, to_client, &[Weather::Frozen, Weather::Deaf]) => {}
        }
    }

    /// Moves bytes; in weather of the `held` kinds they are dropped, as by a network that lost the route.
    async fn pump(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, held: &[Weather]) {
        let mut bytes = vec![0; 16 * 1024];
        let mut dead = false;
        loop {
            let Ok(count @ 1..) = from.read(&mut bytes).await else {
                return;
            };
            let weather = *self.weather.borrow();
            if let Weather::Slow(pause) = weather {
                tokio::time::sleep(pause).await;
            }
            // Bytes that were lost make what follows them worthless.
            dead = dead || held.contains(&weather);
            if !dead && to.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    }
}
