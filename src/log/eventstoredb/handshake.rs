//! Whether who answers at an address speaks TLS, for an error that names what is wrong with a URL.
//!
//! Found out and not guessed: it is greeted as TLS has it, and what comes back is either TLS or it is not.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Error, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the answer may take; a server that is up gives it at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes read at a time. One piece decides it.
const PIECE: usize = 4096;

/// How a server answers to the greeting of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// In TLS.
    Tls,
    /// In something else.
    Plainly,
}

/// How `host` answers at `port`; none where nothing is there or nothing comes back. Nothing is trusted, and nothing is told
/// to it.
pub async fn answers(host: &str, port: u16) -> Option<Answers> {
    timeout(PATIENCE, greet(host, port)).await.ok()?
}

async fn greet(host: &str, port: u16) -> Option<Answers> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut tls = greeting(host)?;
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).ok()?;
    let mut socket = TcpStream::connect((host, port)).await.ok()?;
    socket.write_all(&hello).await.ok()?;
    let mut piece = [0; PIECE];
    loop {
        let count = socket
            .read(&mut piece)
            .await
            .ok()
            .filter(|&count| count > 0)?;
        let mut rest = piece.get(..count)?;
        while !rest.is_empty() {
            tls.read_tls(&mut rest).ok()?;
            match tls.process_new_packets() {
                // More is to come of it, and it was TLS so far; who is trusted is nobody, so it ends below.
                Ok(_) => {}
                Err(Error::InvalidMessage(_)) => return Some(Answers::Plainly),
                Err(
                    Error::InvalidCertificate(_)
                    | Error::AlertReceived(_)
                    | Error::PeerIncompatible(_)
                    | Error::NoApplicationProtocol,
                ) => return Some(Answers::Tls),
                Err(_) => return None,
            }
        }
    }
}

/// Why there is no connection to `host` at `port`; none where there is one.
pub(super) async fn refused(host: &str, port: u16) -> Option<String> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match timeout(PATIENCE, TcpStream::connect((host, port))).await {
        Ok(Ok(_connected)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_elapsed) => Some(format!("no connection in {} s", PATIENCE.as_secs())),
    }
}

/// A client that trusts nobody.
fn greeting(host: &str) -> Option<ClientConnection> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(host.to_owned()).ok()?;
    ClientConnection::new(Arc::new(config), name).ok()
}
