//! Where the server is, and who calls it: the flags of every verb that is a client.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::Uri;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::log::eventstoredb::{Answers, answers};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The server to call.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// Where the server is
    #[arg(
        long,
        env = "ANNALS_TARGET",
        default_value = "http://127.0.0.1:7400",
        value_name = "URL"
    )]
    pub target: String,
    /// Access token; `annals token mint` makes one
    #[arg(
        long,
        env = "ANNALS_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub token: Option<String>,
    /// PEM file of the authority that signed the certificate of an https:// target
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is none, or nobody answers there.
    #[error("cannot connect to {target}: {cause}; is `annals serve` running there?")]
    Unreachable {
        /// The URL.
        target: String,
        /// What the transport said.
        cause: String,
    },
    /// Its certificate is not of the authority that is trusted, or not for the name in the URL.
    #[error(
        "{target} is not trusted ({problem}): --ca names the file of the authority that signed its certificate"
    )]
    Untrusted {
        /// The URL.
        target: String,
        /// What is wrong with the certificate.
        problem: String,
    },
    /// The server speaks TLS, and the URL does not.
    #[error("{0} is spoken to without TLS, and the server there speaks TLS: use https://")]
    WantsTls(String),
    /// The URL speaks TLS, and the server does not.
    #[error("{0} is spoken to with TLS, and the server there does not speak it: use http://")]
    KnowsNoTls(String),
    /// The authority's file cannot be read.
    #[error("{path}: {cause}")]
    Authority {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The token cannot be sent.
    #[error("the token is not ASCII text")]
    Token,
}

impl Target {
    /// Connects.
    pub async fn connect(&self) -> Result<Channel, ConnectError> {
        let endpoint = self.endpoint()?;
        endpoint
            .connect()
            .await
            .map_err(|error| self.unreachable(&error))
    }

    /// The `authorization` to send; none without a token.
    pub fn authorization(&self) -> Result<Option<MetadataValue<Ascii>>, ConnectError> {
        self.token
            .as_ref()
            .map(|token| format!("Bearer {}", token.trim()).parse())
            .transpose()
            .map_err(|_| ConnectError::Token)
    }

    /// How to connect, for those who keep connections of their own.
    pub fn endpoint(&self) -> Result<Endpoint, ConnectError> {
        let url = self.url();
        let endpoint = Endpoint::from_shared(url.clone())
            .map_err(|error| self.unreachable(&error))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true);
        if !url.starts_with("https://") {
            return Ok(endpoint);
        }
        let mut tls = ClientTlsConfig::new();
        if let Some(path) = &self.ca {
            let pem = std::fs::read(path).map_err(|cause| ConnectError::Authority {
                path: path.clone(),
                cause,
            })?;
            tls = tls.ca_certificate(Certificate::from_pem(pem));
        }
        endpoint
            .tls_config(tls)
            .map_err(|error| self.unreachable(&error))
    }

    /// What `error` says where the server's certificate does not pass, which no second try mends.
    pub fn untrusted(&self, error: &(dyn Error + 'static)) -> Option<ConnectError> {
        let mut next = Some(error);
        while let Some(error) = next {
            let inner = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            let tls = inner
                .and_then(|inner| inner.downcast_ref())
                .or(error.downcast_ref());
            if let Some(problem @ rustls::Error::InvalidCertificate(_)) = tls {
                return Some(ConnectError::Untrusted {
                    target: self.target.clone(),
                    problem: problem.to_string(),
                });
            }
            next = error.source();
        }
        None
    }

    /// What is wrong with the target where one side speaks TLS and the other does not. Asks the server, so it is for calls
    /// that have failed.
    pub async fn mistaken(&self) -> Option<ConnectError> {
        let url: Uri = self.url().parse().ok()?;
        let secure = url.scheme_str() == Some("https");
        let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
        match answers(url.host()?, port).await? {
            Answers::Tls if !secure => Some(ConnectError::WantsTls(self.target.clone())),
            Answers::Plainly if secure => Some(ConnectError::KnowsNoTls(self.target.clone())),
            Answers::Tls | Answers::Plainly => None,
        }
    }

    fn url(&self) -> String {
        if self.target.contains("://") {
            self.target.clone()
        } else {
            format!("http://{}", self.target)
        }
    }

    fn unreachable(&self, error: &tonic::transport::Error) -> ConnectError {
        if let Some(untrusted) = self.untrusted(error) {
            return untrusted;
        }
        // The transport's own text is only "transport error"; the cause is its source.
        let mut cause: &dyn Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        ConnectError::Unreachable {
            target: self.target.clone(),
            cause: cause.to_string(),
        }
    }
}
