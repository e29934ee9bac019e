//! Annals' own signing key: made on first start, for a loopback address only, so that a newcomer needs no identity
//! provider.
//!
//! ```text
//!   <data>/keys/signing.pk8   Ed25519 private key, PKCS#8 DER, mode 0600
//!   <data>/keys/jwks.json     its public half, what a verifier needs
//! ```

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::json;

use super::config::AuthSettings;
use crate::kernel::{Actor, Moment};

/// Longest life of a token that Annals mints for itself.
pub const MAX_TTL: Duration = Duration::from_hours(30 * 24);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Nothing was started on this directory.
    #[error(
        "no signing key in {0}: run `annals serve` there once, or point --data at its directory"
    )]
    None(PathBuf),
    /// The file system refused.
    #[error("{path}: {cause}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Not a key, or the machine could not make one.
    #[error("{0} does not hold an Ed25519 key")]
    Unusable(PathBuf),
    /// The token could not be signed.
    #[error("token cannot be signed: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// The key pair in a data directory.
pub struct OwnKey {
    pkcs8: Vec<u8>,
    public: Vec<u8>,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: String,
    role: String,
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl OwnKey {
    /// The key of `data`, made where there is none.
    pub fn open_or_make(data: &Path) -> Result<Self, KeyError> {
        let key = match Self::open(data) {
            Err(KeyError::None(_)) => Self::make(data)?,
            other => other?,
        };
        let path = directory(data).join("jwks.json");
        write_whole(&path, key.jwks().as_bytes(), 0o644)?;
        Ok(key)
    }

    /// The key of `data`.
    pub fn open(data: &Path) -> Result<Self, KeyError> {
        let path = file(data);
        match fs::read(&path) {
            Ok(pkcs8) => Self::read(pkcs8, &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(KeyError::None(directory(data)))
            }
            Err(cause) => Err(KeyError::Io { path, cause }),
        }
    }

    fn make(data: &Path) -> Result<Self, KeyError> {
        let (directory, path) = (directory(data), file(data));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(|cause| KeyError::Io {
                path: directory,
                cause,
            })?;
        let made = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8());
        let Ok(document) = made else {
            return Err(KeyError::Unusable(path));
        };
        write_whole(&path, document.as_ref(), 0o600)?;
        Self::read(document.as_ref().to_vec(), &path)
    }

    fn read(pkcs8: Vec<u8>, path: &Path) -> Result<Self, KeyError> {
        let pair =
            Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| KeyError::Unusable(path.to_owned()))?;
        let public = pair.public_key().as_ref().to_vec();
        Ok(Self { pkcs8, public })
    }

    /// The public half as a JWKS.
    #[must_use]
    pub fn jwks(&self) -> String {
        let key = json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": self.kid(),
            "x": URL_SAFE_NO_PAD.encode(&self.public),
        });
        json!({ "keys": [key] }).to_string()
    }

    /// A token for `actor`, from `now` for `ttl`.
    pub fn mint(
        &self,
        actor: Actor,
        now: Moment,
        ttl: Duration,
        rules: &AuthSettings,
    ) -> Result<String, KeyError> {
        let now = now.unix_micros() / 1_000_000;
        let claims = Claims {
            sub: actor.id.to_string(),
            role: actor.role.as_str().to_lowercase(),
            iss: &rules.issuer,
            aud: &rules.audience,
            iat: now,
            nbf: now,
            exp: now.saturating_add(i64::try_from(ttl.min(MAX_TTL).as_secs()).unwrap_or(0)),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid());
        let key = EncodingKey::from_ed_der(&self.pkcs8);
        Ok(jsonwebtoken::encode(&header, &claims, &key)?)
    }

    /// The key's name follows from the key: 96 bits of its digest.
    fn kid(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.public);
        URL_SAFE_NO_PAD.encode(digest.as_ref().get(..12).unwrap_or_default())
    }
}

fn directory(data: &Path) -> PathBuf {
    data.join("keys")
}

fn file(data: &Path) -> PathBuf {
    directory(data).join("signing.pk8")
}

/// Beside its final name first, synced, then renamed: a crash leaves the old file or the new one, never half.
fn write_whole(path: &Path, content: &[u8], mode: u32) -> Result<(), KeyError> {
    let beside = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|cause| KeyError::Io {
        path: path.to_owned(),
        cause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::auth::{Keys, TokenRules, Tokens};
    use crate::kernel::Role;
    use std::os::unix::fs::PermissionsExt as _;
    use uuid::Uuid;

    fn rules() -> AuthSettings {
        AuthSettings {
            jwks: None,
            issuer: "annals".into(),
            audience: "annals".into(),
            leeway: Duration::from_secs(5),
            token_cache: 10,
        }
    }

    #[test]
    fn a_minted_token_is_accepted_by_the_key_that_a_second_start_finds() {
        let dir = tempfile::tempdir().unwrap();
        let actor = Actor {
            id: Uuid::from_u128(9),
            role: Role::Admin,
        };
        let token = OwnKey::open_or_make(dir.path())
            .unwrap()
            .mint(
                actor,
                super::super::clock::now(),
                Duration::from_mins(1),
                &rules(),
            )
            .unwrap();
        let again = OwnKey::open_or_make(dir.path()).unwrap();
        let rules = TokenRules {
            issuer: "annals".into(),
            audience: "annals".into(),
            leeway: Duration::from_secs(5),
            cache: 10,
        };
        let keys = Keys::parse(again.jwks().as_bytes()).unwrap();
        let tokens = Tokens::new(rules, keys, super::super::clock::now);
        assert_eq!(tokens.actor(&token), Ok(actor));
    }

    #[test]
    fn nobody_else_can_read_the_private_key() {
        let dir = tempfile::tempdir().unwrap();
        OwnKey::open_or_make(dir.path()).unwrap();
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(file(dir.path())), 0o600);
        assert_eq!(mode(directory(dir.path())), 0o700);
    }

    #[test]
    fn a_directory_without_a_key_says_what_to_do_and_a_damaged_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let Err(none) = OwnKey::open(dir.path()) else {
            panic!("there is no key");
        };
        assert!(none.to_string().contains("annals serve"), "{none}");
        OwnKey::open_or_make(dir.path()).unwrap();
        fs::write(file(dir.path()), b"damaged").unwrap();
        assert!(matches!(
            OwnKey::open_or_make(dir.path()),
            Err(KeyError::Unusable(_))
        ));
        assert_eq!(fs::read(file(dir.path())).unwrap(), b"damaged");
    }
}
