//! Guards against a server that anybody on the network may call, that reads tokens in the clear, that keeps a withdrawn
//! key, or that does not go when told to.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use annals::kernel::{Actor, Role};
use annals::ops::config::{Config, Layers};
use annals::ops::keys::OwnKey;
use annals::ops::{clock, serve};
use annals::proto::annals::attendance::v1::ClockInRequest;
use annals::proto::annals::attendance::v1::attendance_service_client::AttendanceServiceClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::support::journey::id;
use crate::support::server::{Server, with_token};

fn annals(arguments: &[&str]) -> Output {
    Server::command()
        .args(arguments)
        .env("ANNALS_TELEMETRY_LEVEL", "error")
        .output()
        .unwrap()
}

fn config(data: &Path, settings: &[String]) -> Config {
    let mut layers = Layers::default();
    for setting in [
        format!("data.dir={}", data.display()),
        "server.listen=127.0.0.1:0".to_owned(),
    ]
    .iter()
    .chain(settings)
    {
        layers.assign(setting).unwrap();
    }
    Config::load(&layers).unwrap()
}

/// A key and its JWKS file in `directory`, as an identity provider would have them.
fn issuer(directory: &Path) -> (OwnKey, String) {
    let key = OwnKey::open_or_make(directory).unwrap();
    (key, directory.join("keys/jwks.json").display().to_string())
}

fn token(key: &OwnKey, config: &Config, role: Role) -> String {
    let actor = Actor {
        id: id("somebody"),
        role,
    };
    let hour = Duration::from_hours(1);
    key.mint(actor, clock::now(), hour, &config.auth).unwrap()
}

async fn clock_in(channel: Channel, token: &str) -> Status {
    AttendanceServiceClient::new(with_token(channel, token))
        .clock_in(ClockInRequest::default())
        .await
        .unwrap_err()
}

fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

async fn plain(server: &serve::Server) -> Channel {
    Endpoint::from_shared(format!("http://{}", server.local_addr()))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

#[test]
fn on_an_address_that_is_not_loopback_it_refuses_to_start_without_keys_and_tls_and_names_both() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let output = annals(&["serve", "--data", data, "--listen", "0.0.0.0:0"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    for setting in ["auth.jwks", "server.tls_cert", "server.tls_key"] {
        assert!(error.contains(setting), "{error}");
    }
    assert_eq!(error.trim().lines().count(), 1, "{error}");
    assert!(
        !Path::new(data).join("keys").exists(),
        "no key was made for an open door"
    );
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    let output = annals(&[
        "serve",
        "--data",
        data.path().to_str().unwrap(),
        "--listen",
        &address,
    ]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && error.contains(&address),
        "{error}"
    );
}

#[tokio::test]
async fn with_configured_keys_and_tls_a_caller_of_the_right_authority_gets_in() {
    annals::log::eventstoredb::install_provider().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (signer, jwks) = issuer(&dir.path().join("issuer"));
    let config = config(
        dir.path(),
        &[
            "server.listen=0.0.0.0:0".to_owned(),
            format!("auth.jwks={jwks}"),
            format!("server.tls_cert={}", cert.display()),
            format!("server.tls_key={}", key.display()),
        ],
    );
    let server = serve::Server::start(&config).await.unwrap();
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(made.cert.pem()));
    let endpoint =
        Endpoint::from_shared(format!("https://localhost:{}", server.local_addr().port()));
    let channel = endpoint
        .unwrap()
        .tls_config(tls)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let status = clock_in(channel, &token(&signer, &config, Role::Student)).await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");

    let clear = Endpoint::from_shared(format!("http://127.0.0.1:{}", server.local_addr().port()));
    let refused = match clear.unwrap().connect().await {
        Ok(channel) => HealthClient::new(channel)
            .check(HealthCheckRequest::default())
            .await
            .is_err(),
        Err(_) => true,
    };
    assert!(refused, "a caller without TLS got in");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_key_that_leaves_the_jwks_file_takes_its_tokens_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (old, jwks) = issuer(&dir.path().join("issuer"));
    let config = config(dir.path(), &[format!("auth.jwks={jwks}")]);
    let server = serve::Server::start(&config).await.unwrap();
    let channel = plain(&server).await;
    let old = token(&old, &config, Role::Student);
    assert_eq!(
        clock_in(channel.clone(), &old).await.code(),
        Code::InvalidArgument
    );

    let (new, other) = issuer(&dir.path().join("other"));
    std::fs::rename(other, jwks).unwrap();
    while clock_in(channel.clone(), &old).await.code() != Code::Unauthenticated {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let new = token(&new, &config, Role::Student);
    assert_eq!(clock_in(channel, &new).await.code(), Code::InvalidArgument);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_needs_a_token_for_health_and_everybody_for_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &[]);
    let server = serve::Server::start(&config).await.unwrap();
    let channel = plain(&server).await;
    for service in ["", "annals.attendance.v1.AttendanceService"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let health = HealthClient::new(channel.clone())
            .check(request)
            .await
            .unwrap();
        assert_eq!(health.into_inner().status, 1, "{service} is serving");
    }
    let mut attendance = AttendanceServiceClient::new(channel);
    let status = attendance
        .clock_in(ClockInRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unauthenticated, "UNAUTHENTICATED")
    );
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_above_the_message_limit_is_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &["limits.message_bytes=2048".to_owned()]);
    let server = serve::Server::start(&config).await.unwrap();
    let token = token(&OwnKey::open(dir.path()).unwrap(), &config, Role::Student);
    let mut attendance = AttendanceServiceClient::new(with_token(plain(&server).await, &token));
    let request = ClockInRequest {
        placement_id: "x".repeat(4_096),
        ..Default::default()
    };
    let status = attendance.clock_in(request).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "MESSAGE_TOO_LARGE")
    );
    server.stop().await.unwrap();
}

#[test]
fn a_signal_stops_it_with_success_and_the_next_start_finds_the_same_key() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let before = server.token("admin", Uuid::from_u128(1));
    server.stop();
    let server = Server::start(data.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let status = runtime.block_on(async { clock_in(server.connect().await, &before).await });
    assert_eq!(
        status.code(),
        Code::PermissionDenied,
        "an admin may not clock in, but was recognised: {status:?}"
    );
}
