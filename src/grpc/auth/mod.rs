//! Authentication: a bearer token in, a [`Caller`](super::Caller) or `UNAUTHENTICATED` out.
//!
//! Does: verify tokens (EdDSA, keys from a JWKS) and remember verified ones until they expire. Does not: decide what
//! a caller may do; that is the policy's.

mod layer;
mod tokens;

pub use layer::{Auth, AuthLayer};
pub use tokens::{Keys, KeysError, Rejection, TokenRules, Tokens};

#[cfg(test)]
mod tests;
