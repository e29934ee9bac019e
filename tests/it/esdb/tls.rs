//! Guards against: a connection string whose certificates are ignored, or refused without saying why.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use annals::log::eventstoredb::{Cluster, ConnectError, Options, install_provider};
use annals::log::memory::MemoryLog;
use annals::log::{EventLog, Expected, NewEvent};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use super::{Served, connect};
use crate::support::tls::Files;

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

/// TLS in front of `target`; callers must show a certificate where `with_user` says so.
pub(super) async fn front(target: SocketAddr, files: &Files, with_user: bool) -> u16 {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.path("ca.pem")) {
        roots.add(certificate).unwrap();
    }
    let builder = ServerConfig::builder();
    let builder = if with_user {
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
        builder.with_client_cert_verifier(verifier.unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(files.path("server.key")).unwrap();
    let mut config = builder
        .with_single_cert(certificates(&files.path("server.pem")), key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut inside) = acceptor.accept(socket).await else {
                    return;
                };
                let mut outside = TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    port
}

async fn appends(url: &str) {
    let log = connect(url, Options::default()).await;
    let event = NewEvent {
        id: Uuid::from_u128(7),
        event_type: "Tested".into(),
        is_json: true,
        data: "{}".into(),
        metadata: "{}".into(),
    };
    let stream = annals::kernel::StreamName::new("tls-1").unwrap();
    let done = log.append(&stream, Expected::Any, vec![event]).await;
    assert_eq!(done.unwrap().revision, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_verified_with_the_authority_that_is_named() {
    install_provider().unwrap();
    let files = Files::make();
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let port = front(served.address, &files, false).await;
    appends(&format!(
        "esdb://admin:p%40ss@localhost:{port}?tls=true&tlsCaFile={}",
        files.shown("ca.pem")
    ))
    .await;
    let strangers = Files::make();
    let url = format!(
        "esdb://localhost:{port}?tlsCaFile={}",
        strangers.shown("ca.pem")
    );
    let refused = Cluster::connect(&url).await.err().unwrap();
    assert!(
        matches!(refused, ConnectError::Unreachable { .. }),
        "{refused}"
    );
    let told = refused.to_string();
    assert!(
        told.contains("is its certificate signed by the authority in tlsCaFile"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_known_by_their_certificate() {
    install_provider().unwrap();
    let files = Files::make();
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let port = front(served.address, &files, true).await;
    appends(&format!(
        "esdb://localhost:{port}?tlsCaFile={}&userCertFile={}&userKeyFile={}",
        files.shown("ca.pem"),
        files.shown("user.pem"),
        files.shown("user.key")
    ))
    .await;
    let nobody = format!(
        "esdb://localhost:{port}?tlsCaFile={}",
        files.shown("ca.pem")
    );
    assert!(Cluster::connect(&nobody).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_string_with_tls_where_the_server_has_none_or_without_is_told_so() {
    install_provider().unwrap();
    let files = Files::make();
    let served = Served::start(Arc::new(MemoryLog::new())).await;
    let port = front(served.address, &files, false).await;
    let plain = served.address.port();
    let ca = files.shown("ca.pem");
    let table = [
        (
            format!("esdb://localhost:{port}?tls=false"),
            "leave out tls=false",
        ),
        (
            format!("esdb://localhost:{plain}?tlsCaFile={ca}"),
            "say tls=false",
        ),
    ];
    let told = futures::future::join_all(table.map(|(url, remedy)| async move {
        let refused = Cluster::connect(&url).await.err().unwrap().to_string();
        assert!(refused.contains(remedy), "{refused}");
    }));
    told.await;
}
