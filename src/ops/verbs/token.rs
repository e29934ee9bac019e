//! `annals token mint`: a token signed with Annals' own key, for a server on a loopback address.

use std::time::Duration;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::print;
use crate::kernel::{Actor, Role};
use crate::ops::cli::Failure;
use crate::ops::clock;
use crate::ops::config::Config;
use crate::ops::keys::{MAX_TTL, OwnKey};

/// Arguments of `annals token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print a new token
    Mint {
        /// student, employer, admin, auditor, partner or import
        #[arg(long, value_parser = role)]
        role: Role,
        /// Who the token speaks for
        #[arg(long, value_name = "UUID")]
        subject: Uuid,
        /// How long it is valid, as 90s, 30m, 1h or 7d; at most 30d
        #[arg(long, default_value = "1h", allow_hyphen_values = true, value_parser = ttl)]
        ttl: Duration,
    },
}

/// Mints a token.
pub fn run(args: &TokenArgs, config: &Config) -> Result<(), Failure> {
    let What::Mint { role, subject, ttl } = args.what;
    if config.auth.jwks.is_some() {
        return Err(Failure(
            "auth.jwks is set: tokens come from whoever holds those keys, not from Annals' own"
                .to_owned(),
        ));
    }
    let actor = Actor { id: subject, role };
    let token = OwnKey::open(&config.data)?.mint(actor, clock::now(), ttl, &config.auth)?;
    Ok(print(&format!("{token}\n"))?)
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text)
        .filter(|role| *role != Role::System)
        .ok_or_else(|| "is none of student, employer, admin, auditor, partner, import".to_owned())
}

fn ttl(text: &str) -> Result<Duration, String> {
    let seconds = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((count, "s")) => count.parse().ok(),
        Some((count, "m")) => count.parse().ok().and_then(|n: u64| n.checked_mul(60)),
        Some((count, "h")) => count.parse().ok().and_then(|n: u64| n.checked_mul(3_600)),
        Some((count, "d")) => count.parse().ok().and_then(|n: u64| n.checked_mul(86_400)),
        Some(_) | None => None,
    };
    seconds
        .map(Duration::from_secs)
        .filter(|ttl| !ttl.is_zero() && *ttl <= MAX_TTL)
        .ok_or_else(|| "is not a duration as 90s, 30m, 1h or 7d, up to 30d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_have_a_unit_and_a_bound() {
        assert_eq!(ttl("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(ttl("30d"), Ok(MAX_TTL));
        for wrong in [
            "",
            "1",
            "h",
            "0s",
            "31d",
            "-1h",
            "99999999999999999999d",
            "1é",
        ] {
            assert!(ttl(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nobody_can_mint_a_token_for_the_processes() {
        assert!(role("system").is_err());
        assert_eq!(role("Admin"), Ok(Role::Admin));
    }
}
