//! Guards against the ways past a token check: forged, expired, for another audience, another algorithm, a role
//! that nobody may carry, a key that was withdrawn, and a cache that outlives any of these.

use super::*;
use crate::kernel::{Actor, Moment, Role};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use uuid::Uuid;

const SUBJECT: Uuid = Uuid::from_u128(7);
const START: i64 = 1_700_000_000;

thread_local! { static NOW: AtomicI64 = const { AtomicI64::new(START) }; }

fn clock() -> Moment {
    Moment::from_unix_micros(NOW.with(|now| now.load(Ordering::Relaxed)) * 1_000_000).unwrap()
}

fn at(seconds: i64) {
    NOW.with(|now| now.store(START + seconds, Ordering::Relaxed));
}

struct Issuer {
    kid: &'static str,
    pkcs8: Vec<u8>,
}

impl Issuer {
    fn new(kid: &'static str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate().unwrap().to_pkcs8().unwrap();
        Self {
            kid,
            pkcs8: pkcs8.as_ref().to_vec(),
        }
    }

    fn keys(&self) -> Keys {
        let pair = Ed25519KeyPair::from_pkcs8(&self.pkcs8).unwrap();
        let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": x});
        Keys::parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap()
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.to_owned());
        encode(&header, claims, &EncodingKey::from_ed_der(&self.pkcs8)).unwrap()
    }
}

fn claims() -> Value {
    json!({"sub": SUBJECT, "role": "student", "iss": "annals", "aud": "annals", "exp": START + 60, "nbf": START, "iat": START})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn tokens(issuer: &Issuer, cache: usize) -> Tokens {
    let rules = TokenRules {
        issuer: "annals".into(),
        audience: "annals".into(),
        leeway: Duration::from_secs(5),
        cache,
    };
    Tokens::new(rules, issuer.keys(), clock)
}

#[test]
fn a_good_token_names_its_subject_and_role_the_first_and_every_later_time() {
    let issuer = Issuer::new("a");
    let tokens = tokens(&issuer, 10);
    let token = issuer.sign(&claims());
    for _ in 0..3 {
        let expected = Actor {
            id: SUBJECT,
            role: Role::Student,
        };
        assert_eq!(tokens.actor(&token), Ok(expected));
    }
    assert_eq!(tokens.remembered(), 1);
}

#[test]
fn a_remembered_token_still_expires() {
    let issuer = Issuer::new("a");
    let tokens = tokens(&issuer, 10);
    let token = issuer.sign(&claims());
    at(64);
    assert!(tokens.actor(&token).is_ok(), "within the leeway");
    at(65);
    assert!(matches!(tokens.actor(&token), Err(Rejection::Expired(_))));
}

#[test]
fn what_is_wrong_with_a_token_is_told() {
    let issuer = Issuer::new("a");
    let tokens = tokens(&issuer, 10);
    let forged = Issuer::new("a").sign(&claims());
    let unknown = Issuer::new("b").sign(&claims());
    let mut hmac = Header::new(Algorithm::HS256);
    hmac.kid = Some("a".into());
    let hmac = encode(&hmac, &claims(), &EncodingKey::from_secret(b"x")).unwrap();
    let mut without_exp = claims();
    without_exp.as_object_mut().unwrap().remove("exp");
    let cases = [
        (forged, Rejection::Signature),
        (unknown, Rejection::UnknownKey),
        (hmac, Rejection::Algorithm),
        (
            issuer.sign(&with("aud", json!("other"))),
            Rejection::NotForUs,
        ),
        (
            issuer.sign(&with("iss", json!("other"))),
            Rejection::NotForUs,
        ),
        (issuer.sign(&with("role", json!("system"))), Rejection::Role),
        (issuer.sign(&with("role", json!("root"))), Rejection::Role),
        (issuer.sign(&with("sub", json!("me"))), Rejection::Malformed),
        (
            issuer.sign(&with("exp", json!(i64::MAX))),
            Rejection::Malformed,
        ),
        (issuer.sign(&without_exp), Rejection::Malformed),
        ("a.b.c".to_owned(), Rejection::Malformed),
        (String::new(), Rejection::Malformed),
        ("x".repeat(9_000), Rejection::TooLong(9_000)),
    ];
    for (token, expected) in cases {
        assert_eq!(tokens.actor(&token), Err(expected), "{token}");
    }
    let early = issuer.sign(&with("nbf", json!(START + 6)));
    assert!(matches!(tokens.actor(&early), Err(Rejection::NotYet(_))));
    assert_eq!(tokens.remembered(), 0, "nothing bad is remembered");
}

#[test]
fn withdrawing_a_key_withdraws_the_tokens_that_it_signed() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let tokens = tokens(&old, 10);
    let token = old.sign(&claims());
    assert!(tokens.actor(&token).is_ok());
    tokens.replace(new.keys());
    assert_eq!(tokens.actor(&token), Err(Rejection::UnknownKey));
    assert!(tokens.actor(&new.sign(&claims())).is_ok());
}

#[test]
fn no_more_tokens_are_remembered_than_the_limit() {
    let issuer = Issuer::new("a");
    let tokens = tokens(&issuer, 3);
    for n in 0..10 {
        let claims = with("sub", json!(Uuid::from_u128(n)));
        assert!(tokens.actor(&issuer.sign(&claims)).is_ok());
    }
    assert_eq!(tokens.remembered(), 3);
}

#[test]
fn a_jwks_without_a_usable_key_is_refused() {
    assert!(matches!(Keys::parse(b"{}"), Err(KeysError::NotAJwks(_))));
    assert!(matches!(
        Keys::parse(br#"{"keys":[]}"#),
        Err(KeysError::Empty(0))
    ));
    let rsa = br#"{"keys":[{"kty":"RSA","kid":"r","n":"sXch","e":"AQAB"}]}"#;
    assert!(matches!(Keys::parse(rsa), Err(KeysError::Empty(1))));
}
