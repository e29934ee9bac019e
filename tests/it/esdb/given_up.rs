//! Guards against: reads that give up requests which the server is answering. Servers count those against a client, and the
//! client's own connection ends itself after some thousand answers to requests that it has forgotten.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use annals::kernel::{StreamName, derived_id};
use annals::log::eventstoredb::Options;
use annals::log::memory::MemoryLog;
use annals::log::{Direction, EventLog, Expected, NewEvent, ReadFrom};
use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::{Served, connect};

const READS: usize = 500;

/// What a client of HTTP/2 says first.
const PREFACE_BYTES: usize = 24;
const HEAD_BYTES: usize = 9;
const RST_STREAM: u8 = 3;

/// A way to `target` on which it is counted what clients give up.
async fn front(target: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let given_up = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&given_up);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (from_client, mut to_client) = client.into_split();
            let server = TcpStream::connect(target).await.unwrap();
            let (mut from_server, to_server) = server.into_split();
            tokio::spawn(frames(from_client, to_server, Arc::clone(&counted)));
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        }
    });
    (address, given_up)
}

async fn frames(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    given_up: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let mut bytes = vec![0; PREFACE_BYTES];
    from.read_exact(&mut bytes).await?;
    loop {
        to.write_all(&bytes).await?;
        bytes.resize(HEAD_BYTES, 0);
        from.read_exact(&mut bytes).await?;
        if bytes[3] == RST_STREAM {
            given_up.fetch_add(1, Ordering::SeqCst);
        }
        let payload = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        bytes.resize(HEAD_BYTES + payload as usize, 0);
        from.read_exact(&mut bytes[HEAD_BYTES..]).await?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_hears_every_answer_that_it_asked_for() {
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let (address, given_up) = front(served.address).await;
    let url = format!("esdb://{address}?tls=false");
    let log = connect(&url, Options::default()).await;
    let stream = |name: &str| StreamName::new(name).unwrap();
    let event = NewEvent {
        id: derived_id(&[b"given up"]),
        event_type: "Tested".into(),
        is_json: true,
        data: "{}".into(),
        metadata: "{}".into(),
    };
    log.append(&stream("there-1"), Expected::NoStream, vec![event])
        .await
        .unwrap();
    for (stream, exists) in [(stream("there-1"), true), (stream("nowhere-1"), false)] {
        let reads =
            (0..READS).map(|_| log.read_stream(&stream, ReadFrom::Start, Direction::Forward, 10));
        for read in join_all(reads).await {
            assert_eq!(read.unwrap().exists, exists, "{stream}");
        }
        // What is asked next is sent after all that was given up.
        log.read_stream(&stream, ReadFrom::End, Direction::Backward, 1)
            .await
            .unwrap();
        assert_eq!(given_up.load(Ordering::SeqCst), 0, "{stream}");
    }
}
