//! From the text of a token to an actor: signature, issuer, audience, times, subject, role.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use uuid::Uuid;

use crate::grpc::Clock;
use crate::kernel::{Actor, Moment, Role};

/// Longest token that is looked at. Ours are about 400 bytes; other issuers' may carry more claims.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// What a token must say besides who it speaks for.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// Its `iss`.
    pub issuer: String,
    /// One of its `aud`.
    pub audience: String,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// How many verified tokens are remembered.
    pub cache: usize,
}

/// The public keys, by `kid`.
pub struct Keys(HashMap<String, DecodingKey>);

/// Why a JWKS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Not a JWKS.
    #[error("not a JWKS: {0}")]
    NotAJwks(#[from] serde_json::Error),
    /// None of its keys can verify a token.
    #[error("no Ed25519 signing key with a kid among its {0} keys")]
    Empty(usize),
}

/// Why a token is not accepted. The text is for the caller and tells nothing that the token does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No `authorization: Bearer ...`.
    #[error("no bearer token in the authorization metadata")]
    Missing,
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("token of {0} bytes is longer than {MAX_TOKEN_BYTES}")]
    TooLong(usize),
    /// Not a JWT, or its claims are not ours.
    #[error("token is not a JWT with sub, role, exp, iss and aud")]
    Malformed,
    /// Signed otherwise than EdDSA.
    #[error("token is not signed with EdDSA")]
    Algorithm,
    /// No key of that name.
    #[error("token names a signing key that is not trusted here")]
    UnknownKey,
    /// Forged or damaged.
    #[error("token signature does not verify")]
    Signature,
    /// For somebody else.
    #[error("token is not for this service: iss or aud differs")]
    NotForUs,
    /// Over.
    #[error("token expired at {0}")]
    Expired(Moment),
    /// Not yet.
    #[error("token is not valid before {0}")]
    NotYet(Moment),
    /// A role that no token may carry.
    #[error("token carries no role that callers have")]
    Role,
}

/// Verifies tokens.
pub struct Tokens {
    rules: TokenRules,
    validation: Validation,
    keys: RwLock<Keys>,
    /// Counts replacements, so that a token verified by old keys is not remembered under new ones.
    generation: AtomicU64,
    verified: RwLock<HashMap<Box<str>, Verified>>,
    clock: Clock,
}

#[derive(Clone, Copy)]
struct Verified {
    actor: Actor,
    expires: Moment,
}

#[derive(Deserialize)]
struct Claims {
    sub: Uuid,
    role: String,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
}

impl Keys {
    /// Reads a JWKS; keys that are no Ed25519 keys or carry no `kid` are passed over.
    pub fn parse(jwks: &[u8]) -> Result<Self, KeysError> {
        let set: JwkSet = serde_json::from_slice(jwks)?;
        let keys: HashMap<_, _> = set
            .keys
            .iter()
            .filter_map(|key| {
                let decoding = DecodingKey::from_jwk(key).ok()?;
                let ed25519 = decoding.family() == jsonwebtoken::AlgorithmFamily::Ed;
                ed25519.then_some((key.common.key_id.clone()?, decoding))
            })
            .collect();
        if keys.is_empty() {
            return Err(KeysError::Empty(set.keys.len()));
        }
        Ok(Self(keys))
    }
}

impl Tokens {
    /// A verifier with these keys.
    #[must_use]
    pub fn new(rules: TokenRules, keys: Keys, clock: Clock) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&rules.issuer]);
        validation.set_audience(&[&rules.audience]);
        validation.set_required_spec_claims(&["sub", "exp", "iss", "aud"]);
        // Times are judged here, against the one clock, again on every use of a remembered token.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            rules,
            validation,
            keys: RwLock::new(keys),
            generation: AtomicU64::new(0),
            verified: RwLock::default(),
            clock,
        }
    }

    /// Replaces the keys and forgets every token that the old ones verified.
    pub fn replace(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.verified
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Who `token` speaks for.
    pub fn actor(&self, token: &str) -> Result<Actor, Rejection> {
        let now = (self.clock)();
        let generation = self.generation.load(Ordering::SeqCst);
        let remembered = self
            .verified
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(token)
            .copied();
        let verified = match remembered {
            Some(verified) => verified,
            None => self.verify(token, now)?,
        };
        self.unexpired(verified.expires, now)?;
        if remembered.is_none() {
            self.remember(token, verified, generation, now);
        }
        Ok(verified.actor)
    }

    fn verify(&self, token: &str, now: Moment) -> Result<Verified, Rejection> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejection::TooLong(token.len()));
        }
        let header = decode_header(token).map_err(|_| Rejection::Malformed)?;
        if header.alg != Algorithm::EdDSA {
            return Err(Rejection::Algorithm);
        }
        let kid = header.kid.ok_or(Rejection::UnknownKey)?;
        let claims = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            let key = keys.0.get(&kid).ok_or(Rejection::UnknownKey)?;
            decode::<Claims>(token, key, &self.validation)
                .map_err(|error| rejection(error.kind()))?
                .claims
        };
        let role = Role::parse(&claims.role)
            .filter(|role| *role != Role::System)
            .ok_or(Rejection::Role)?;
        let expires = moment(claims.exp)?;
        for start in [claims.nbf, claims.iat].into_iter().flatten() {
            let start = moment(start)?;
            if start > later(now, self.rules.leeway) {
                return Err(Rejection::NotYet(start));
            }
        }
        Ok(Verified {
            actor: Actor {
                id: claims.sub,
                role,
            },
            expires,
        })
    }

    fn unexpired(&self, expires: Moment, now: Moment) -> Result<(), Rejection> {
        if later(expires, self.rules.leeway) <= now {
            return Err(Rejection::Expired(expires));
        }
        Ok(())
    }

    /// Bounded: expired tokens make room first, then whichever comes to hand.
    fn remember(&self, token: &str, verified: Verified, generation: u64, now: Moment) {
        let mut all = self
            .verified
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if self.generation.load(Ordering::SeqCst) != generation {
            return;
        }
        if all.len() >= self.rules.cache {
            all.retain(|_, other| self.unexpired(other.expires, now).is_ok());
        }
        if all.len() >= self.rules.cache {
            let any = all.keys().next().cloned();
            any.and_then(|token| all.remove(&token));
        }
        all.insert(token.into(), verified);
    }

    /// How many tokens are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.verified
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

fn later(at: Moment, by: Duration) -> Moment {
    at.plus_seconds(i64::try_from(by.as_secs()).unwrap_or(i64::MAX))
}

fn moment(unix_seconds: i64) -> Result<Moment, Rejection> {
    unix_seconds
        .checked_mul(1_000_000)
        .and_then(|micros| Moment::from_unix_micros(micros).ok())
        .ok_or(Rejection::Malformed)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a library's open-ended list; what is not told apart is malformed"
)]
fn rejection(kind: &ErrorKind) -> Rejection {
    match kind {
        ErrorKind::InvalidSignature => Rejection::Signature,
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => Rejection::NotForUs,
        ErrorKind::InvalidAlgorithm => Rejection::Algorithm,
        _ => Rejection::Malformed,
    }
}
