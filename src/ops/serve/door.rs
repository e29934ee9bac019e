//! Who may come in: which keys tokens are verified with, and TLS. On loopback Annals makes its own key; anywhere else
//! it refuses to start without configured keys and TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;
use tonic::transport::{Identity, ServerTlsConfig};

use crate::grpc::auth::{Keys, KeysError, TokenRules, Tokens};
use crate::ops::clock;
use crate::ops::config::Config;
use crate::ops::keys::{KeyError, OwnKey};

/// How often the JWKS file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why the door stays shut.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// A public address without protection.
    #[error(
        "server.listen = {0} is not a loopback address: set auth.jwks (who may call) and server.tls_cert with \
         server.tls_key (so that tokens are not read on the way), or listen on 127.0.0.1"
    )]
    Open(std::net::SocketAddr),
    /// The own key cannot be used.
    #[error(transparent)]
    OwnKey(#[from] KeyError),
    /// A configured file cannot be read.
    #[error("{setting} = {path}: {cause}")]
    Unreadable {
        /// Which setting names it.
        setting: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The JWKS cannot be used.
    #[error("auth.jwks = {path}: {cause}")]
    Keys {
        /// Which file.
        path: PathBuf,
        /// What does not fit.
        cause: KeysError,
    },
}

/// What guards the socket.
pub(super) struct Door {
    pub(super) tokens: Arc<Tokens>,
    pub(super) tls: Option<ServerTlsConfig>,
    watcher: Option<JoinHandle<()>>,
}

impl Door {
    /// Reads keys and certificates; refuses an open door.
    pub(super) fn hang(config: &Config) -> Result<Self, DoorError> {
        let listen = config.server.listen;
        let guarded = config.auth.jwks.is_some() && config.server.tls.is_some();
        if !listen.ip().is_loopback() && !guarded {
            return Err(DoorError::Open(listen));
        }
        let keys = match &config.auth.jwks {
            Some(path) => read_keys(path)?,
            None => own_keys(&config.data)?,
        };
        let rules = TokenRules {
            issuer: config.auth.issuer.clone(),
            audience: config.auth.audience.clone(),
            leeway: config.auth.leeway,
            cache: config.auth.token_cache,
        };
        let tokens = Arc::new(Tokens::new(rules, keys, clock::now));
        let watcher = config
            .auth
            .jwks
            .clone()
            .map(|path| tokio::spawn(watch(path, Arc::clone(&tokens))));
        Ok(Self {
            tokens,
            tls: tls(config)?,
            watcher,
        })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(watcher) = &self.watcher {
            watcher.abort();
        }
    }
}

fn own_keys(data: &Path) -> Result<Keys, DoorError> {
    let jwks = OwnKey::open_or_make(data)?.jwks();
    Keys::parse(jwks.as_bytes()).map_err(|cause| DoorError::Keys {
        path: data.to_owned(),
        cause,
    })
}

fn read_keys(path: &Path) -> Result<Keys, DoorError> {
    let jwks = read("auth.jwks", path)?;
    Keys::parse(&jwks).map_err(|cause| DoorError::Keys {
        path: path.to_owned(),
        cause,
    })
}

fn tls(config: &Config) -> Result<Option<ServerTlsConfig>, DoorError> {
    let Some((cert, key)) = &config.server.tls else {
        return Ok(None);
    };
    let cert = read("server.tls_cert", cert)?;
    let key = read("server.tls_key", key)?;
    Ok(Some(
        ServerTlsConfig::new().identity(Identity::from_pem(cert, key)),
    ))
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, DoorError> {
    std::fs::read(path).map_err(|cause| DoorError::Unreadable {
        setting,
        path: path.to_owned(),
        cause,
    })
}

/// Replaces the keys when the file changes. A file that cannot be used leaves the old keys in force, and says so.
async fn watch(path: PathBuf, tokens: Arc<Tokens>) {
    let mut seen = stamp(&path).await;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = stamp(&path).await;
        if now == seen {
            continue;
        }
        match read_keys(&path) {
            Ok(keys) => {
                tokens.replace(keys);
                tracing::info!(path = %path.display(), "signing keys replaced");
            }
            Err(error) => tracing::error!(%error, "signing keys not replaced, the old ones hold"),
        }
        seen = now;
    }
}

async fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
